"""Runs as the window sees them: asked for, followed, replaced, stopped."""
