"""The first screen: a network that computes itself, ways to begin, and the chapters of the course."""
