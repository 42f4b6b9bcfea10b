"""What Python's zipfile raises on an archive that is none, or that is damaged."""

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
