"""The findings of "Factors of Influence" (A1 to A10), each computed on a table of gains: ours, or the papers'."""
