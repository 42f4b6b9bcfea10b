"""Engines: implementations that compute the network, one module each, and the registry that finds them by name."""
