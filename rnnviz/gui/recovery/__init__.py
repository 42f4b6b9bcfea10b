"""Sessions, autosave and crash reports."""
