"""Arrays as Python source that gives the same floats again.

Small arrays are written out, to be read and changed; of larger ones the bytes are packed in a text, so that a notebook
is one file, which nothing beside it can fall out of step with.
"""

import sys
from base64 import b64encode
from textwrap import wrap
from zlib import compress

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray

WRITTEN_OUT = 400
"""The largest array that is written as decimal numbers; larger arrays are packed."""

_WIDTH = 110

UNPACKED = (
    "def unpacked(text, shape, dtype):",
    '    """The array whose bytes were compressed and written as text."""',
    "    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).reshape(shape)",
)
"""Code that reads a packed array; it needs numpy as np, base64 and zlib."""


def assignment(name: str, array: FloatArray) -> str:
    """The statement that gives `name` the array, with all of its digits."""
    start = f"{name} = "
    if not (array.any() or np.signbit(array).any()):
        return f"{start}np.zeros({array.shape}, {array.dtype.name!r})"
    if array.size <= WRITTEN_OUT and np.isfinite(array).all():
        return f"{start}np.array({_written_out(array, len(start) + len('np.array('))}, {array.dtype.name!r})"
    return f"{start}{_packed(array)}"


def _written_out(array: FloatArray, indent: int) -> str:
    return np.array2string(
        array,
        max_line_width=_WIDTH,
        separator=", ",
        prefix=" " * indent,
        threshold=sys.maxsize,
        floatmode="unique",
    )


def _packed(array: FloatArray) -> str:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = "\n".join(wrap(b64encode(compress(little.tobytes())).decode("ascii"), _WIDTH))
    return f"unpacked('''\n{text}\n''', {array.shape}, {little.dtype.str!r})"
