"""Why a statement is not answered."""

from rnnviz.core.errors import InputError


class StatementError(InputError):
    """The expression is none that a statement may be, whatever the run. Its text is one plain sentence."""


class UnansweredError(ValueError):
    """The statement says nothing about this run, such as what it has no layer for. Its text is one plain sentence."""


class TooLargeError(UnansweredError):
    """An answer would have to read or compute more numbers than a reader waits for."""
