"""What the papers print, in the shape of our own tables, and what of it follows from their own cells."""
