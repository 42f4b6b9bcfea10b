"""The value card: how the opened value is computed, its vector, and its place in the output and the final state."""
