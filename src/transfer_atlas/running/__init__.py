"""One run, from its request to its place in the store."""
