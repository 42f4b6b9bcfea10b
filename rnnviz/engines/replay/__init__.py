"""Recorded outputs from an `.npz` file, as an engine."""
