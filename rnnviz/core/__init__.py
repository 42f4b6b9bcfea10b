"""What is looked at: the configuration, the parameters, the sequence, the initial state, the trace."""
