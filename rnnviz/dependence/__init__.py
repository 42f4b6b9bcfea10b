"""How much a value depends on earlier ones: gradients over time, Jacobians."""
