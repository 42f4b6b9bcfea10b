"""Who computes the network: one module for each engine, and the registry that finds them by name."""
