"""Texts that a user wrote, in files of their own."""

from pathlib import Path

from rnnviz.model.errors import InputError


def read_plain_text(path: Path) -> str:
    """The text of a file in UTF-8, without the mark that some editors put before it.

    Raises
    ------
    InputError
        If the file cannot be read, or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file: byte {error.start} is no UTF-8 text.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
