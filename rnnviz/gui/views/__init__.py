"""Pictures of a result. A view never computes: it gets a result and a location, and asks for a new location."""
