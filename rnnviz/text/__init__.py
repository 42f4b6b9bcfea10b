"""The sentences about a result."""
