"""Weights of a network as the model files of other programs."""
