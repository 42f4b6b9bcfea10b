"""What outlives the window: sessions, what is saved by itself, and what is known of a crash."""
