"""Which runs a study needs, their keys, and what of them is missing."""
