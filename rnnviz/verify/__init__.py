"""What the numbers say: comparisons, checks and the result that gathers them. Numpy only."""
