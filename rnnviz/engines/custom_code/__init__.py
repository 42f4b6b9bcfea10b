"""A custom step: a user's file, computed in a separate process."""
