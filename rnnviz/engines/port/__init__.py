"""Ports of a network that run as programs of the user: what they read and write, and the limits that they run under."""
