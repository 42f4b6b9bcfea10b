"""The guide: its pages in a window of their own."""
