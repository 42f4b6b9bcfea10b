"""How a splitter was divided, from settings that may be damaged."""

from struct import Struct
from struct import error as NotPackedError

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QSplitter

_PACKED = Struct(">iiIii?i")
"""As Qt packs the state of two parts: a mark, a version, how many parts, their sizes, whether they may vanish, and how
wide the handle is, which is -1 where the style says it."""
_LARGEST, _WIDEST = 100_000, 100


def divide_as(splitter: QSplitter, state: QByteArray) -> bool:
    """Divide a splitter of two parts as `state`, which `saveState` gave, and say whether it could be understood.

    Qt believes all of it, and would make a handle that no screen can hold.
    """
    try:
        _, _, parts, *sizes, _, handle = _PACKED.unpack_from(state.data())
    except NotPackedError:
        return False
    fits = parts == 2 and all(0 <= size <= _LARGEST for size in sizes) and -1 <= handle <= _WIDEST
    return fits and splitter.restoreState(state)
