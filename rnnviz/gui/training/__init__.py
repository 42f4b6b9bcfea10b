"""Training window: a task, its curves, and its checkpoints in the lanes."""
