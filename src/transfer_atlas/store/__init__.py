"""Where results live, and how they are named and written."""
