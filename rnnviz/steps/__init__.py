"""Reading what the steps of an engine read: their layer inputs and previous states, from its own trace."""
