"""A recording: what somebody else computed of the network, read from an `.npz` file."""
