"""The guide: its pages in a separate window."""
