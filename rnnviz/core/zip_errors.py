"""Exceptions of Python's zipfile for damaged archives and other files."""

import lzma
import struct
import zlib
from zipfile import BadZipFile

ZIP_DAMAGE = (
    BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""Besides an OSError. A member that is encrypted, or packed in an unknown way, is a RuntimeError."""
