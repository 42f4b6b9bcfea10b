"""Series over time for plots: errors, and outlines of long series."""
