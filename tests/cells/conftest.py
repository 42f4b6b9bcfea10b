"""Number of examples, as in other tests."""

from tests import profiles

__all__ = ["profiles"]
