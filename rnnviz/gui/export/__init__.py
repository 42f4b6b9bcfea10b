"""Exports of the window: numbers, pictures, reports, weights."""
