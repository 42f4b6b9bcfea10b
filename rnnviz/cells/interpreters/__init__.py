"""What reads a cell and computes, bounds, explains, derives and stores its step."""
