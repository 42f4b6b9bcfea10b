"""Values of lanes by quantity: reduced to pixels, in an order of units, by samples and time steps."""
