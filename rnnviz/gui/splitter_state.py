"""Validated restoring of splitter states, which may be corrupted."""

from struct import Struct
from struct import error as NotPackedError

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QSplitter

_PACKED = Struct(">iiIii?i")
"""Qt's format for two widgets: magic number, version, count, sizes, collapsible, handle width (-1: from the style)."""
_LARGEST, _WIDEST = 100_000, 100


def divide_as(splitter: QSplitter, state: QByteArray) -> bool:
    """Restore a splitter of two widgets from `saveState` data. Returns False if the data are invalid.

    Qt does not validate: it would create a handle wider than any screen.
    """
    try:
        _, _, parts, *sizes, _, handle = _PACKED.unpack_from(state.data())
    except NotPackedError:
        return False
    fits = parts == 2 and all(0 <= size <= _LARGEST for size in sizes) and -1 <= handle <= _WIDEST
    return fits and splitter.restoreState(state)
