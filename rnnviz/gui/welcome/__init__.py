"""The welcome page, shown by a start without a file."""
