"""Limits of reading and computing for one statement, so that a large network does not block a lesson."""

from rnnviz.lessons.statements.errors import TooLargeError

LARGEST_ARRAY = 1 << 22
"""Maximum number of values in an array that a statement creates."""
_ALL = 1 << 25


class Budget:
    """Counts the values that have been read or computed for one statement."""

    def __init__(self) -> None:
        self._left = _ALL

    def spend(self, values: int, effort: int | None = None) -> None:
        """Count an array of this many values, each of which takes one operation unless `effort` says how many in all.

        Raises
        ------
        TooLargeError
            If the array has too many, or the statement had too many before.
        """
        self._left -= values if effort is None else effort
        if values > LARGEST_ARRAY or self._left < 0:
            raise TooLargeError("This run is too large for the statement to be checked here.")
