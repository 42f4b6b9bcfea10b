"""What a start without a file shows: the ways to begin."""
