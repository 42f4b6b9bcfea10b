"""Captures: recurrent layers of a model, recorded while it runs."""
