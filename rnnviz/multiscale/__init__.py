"""Minimum and maximum at several resolutions of long arrays, and readers for them."""
