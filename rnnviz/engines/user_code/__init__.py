"""A recurrence of one's own: a user's file, computed in a process of its own."""
