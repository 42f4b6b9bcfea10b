"""Arrays derived from a run by name: gates, errors over time, the order of units."""
