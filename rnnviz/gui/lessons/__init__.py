"""Guided lessons beside the network that they speak of."""
