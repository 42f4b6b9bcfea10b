"""The arithmetic of one hidden value, term by term, as each engine's own numbers make it."""
