"""How much one statement may read and compute, so that a reader's own large network keeps no one waiting."""

from rnnviz.lessons.statements.errors import TooLargeError

LARGEST_ARRAY = 1 << 22
"""How many values one array may have that a statement makes."""
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
