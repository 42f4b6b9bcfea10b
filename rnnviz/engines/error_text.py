"""Messages of other libraries' exceptions, shortened to one line."""


def first_line(error: Exception) -> str:
    """The first line that is not empty, or the error's type if it says nothing."""
    return _lines(error)[0]


def last_line(error: Exception) -> str:
    """The last line that is not empty, which in a long account is what went wrong; the type if it says nothing."""
    return _lines(error)[-1]


def _lines(error: Exception) -> list[str]:
    lines = [line.strip() for line in str(error).splitlines()]
    return list(filter(None, lines)) or [type(error).__name__]
