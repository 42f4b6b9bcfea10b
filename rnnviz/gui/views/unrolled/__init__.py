"""View of the unrolled network: hidden values of all lanes over time, from a heat map down to boxes with numbers."""
