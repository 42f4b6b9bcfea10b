"""Config, parameters, sequence, initial state and trace."""
