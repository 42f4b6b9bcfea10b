"""The window. Qt lives here and nowhere else, and importing this package alone does not load it."""
