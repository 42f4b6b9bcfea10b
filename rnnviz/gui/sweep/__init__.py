"""Sweeps in the window: their rows as a table and as a heat map, and running them."""
