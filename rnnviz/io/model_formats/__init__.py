"""Recurrent layers out of the files that other programs write."""
