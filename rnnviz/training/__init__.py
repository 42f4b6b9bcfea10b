"""Training: small tasks, learned step by step with the manual gradients and, for comparison, by a library."""
