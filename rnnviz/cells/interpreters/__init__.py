"""What reads a cell and computes, bounds, explains and derives its step."""
