"""How much one claim may read and compute, so that a reader's own large network keeps nobody waiting."""

from rnnviz.lessons.statements.errors import TooLargeError

LARGEST_ARRAY = 1 << 22
"""How many values one array may have that a claim makes."""
_ALL = 1 << 25


class Budget:
    """Counts the values that have been read or computed for one claim."""

    def __init__(self) -> None:
        self._left = _ALL

    def spend(self, values: int, effort: int | None = None) -> None:
        """Count an array of so many values, each of which takes one operation unless `effort` says how many in all.

        Raises
        ------
        TooLargeError
            If the array has too many, or the claim had too many before.
        """
        self._left -= values if effort is None else effort
        if values > LARGEST_ARRAY or self._left < 0:
            raise TooLargeError("This run is too large for the claim to be checked here.")
