"""Texts of tooltips, which Qt does not wrap."""

from collections.abc import Iterator

_WIDTH = 70
"""Characters in a line of a tooltip."""


def wrapped(text: str) -> str:
    """The text in lines as short as a tooltip's; longer words stay whole."""
    return "\n".join(part for line in text.split("\n") for part in _folded(line))


def _folded(line: str) -> Iterator[str]:
    # The standard library's `wrap` takes ten times as long, and a window has hundreds of tooltips.
    while len(line) > _WIDTH:
        end = line.rfind(" ", 0, _WIDTH + 1)
        end = end if end > 0 else line.find(" ", _WIDTH)
        if end < 0:
            break
        yield line[:end].rstrip()
        line = line[end:].lstrip()
    yield line
