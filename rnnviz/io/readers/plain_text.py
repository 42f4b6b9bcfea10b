"""Text files of the user."""

import codecs
import os
from pathlib import Path

from rnnviz.core.errors import InputError, check_regular

LARGEST_TEXT = 16 << 20
"""Maximum size in bytes of a config, a sweep, labels or a vocabulary."""

_HEAD_BYTES = 64
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file that is not waited for: some regular ones of the system, such as its log, give more without end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_plain_text(path: Path, kind: str = "text") -> str:
    """The text of a file in UTF-8, without a byte order mark; `kind` is the expected content."""
    check_regular(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            content = file.read(LARGEST_TEXT + 1) or b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{path} is not a valid {kind} file: it has more than {LARGEST_TEXT:,} bytes.")
    if content.startswith(_UTF_16):
        raise InputError(f"{path} is not a valid {kind} file: it is UTF-16: save it as UTF-8.")
    if b"\0" in content[:_HEAD_BYTES]:
        raise InputError(f"{path} is not a valid {kind} file: it is binary, or UTF-16: save text as UTF-8.")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a valid {kind} file: byte {error.start} is not UTF-8 text.") from error
