"""Why a statement is not answered."""

from rnnviz.core.errors import InputError


class StatementError(InputError):
    """The expression is not allowed in a statement. Its text is one plain sentence."""


class UnansweredError(ValueError):
    """The statement does not apply to this run, which lacks a layer, for example. Its text is one plain sentence."""


class TooLargeError(UnansweredError):
    """An answer would have to read or compute more numbers than a reader waits for."""
