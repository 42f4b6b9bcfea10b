"""Background work of the window: runs, tasks, watched files."""
