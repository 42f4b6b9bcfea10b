"""Sweep window: rows as a table and as a heat map."""
