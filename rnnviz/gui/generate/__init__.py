"""Text that a character model generates, in a separate window."""
