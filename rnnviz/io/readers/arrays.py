"""Arrays from `.npy` and `.csv` files, checked before they are used; nothing is ever unpickled."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import DAMAGE, check_numeric
from rnnviz.core.schema import display_value
from rnnviz.core.words import plural
from rnnviz.io.bounded_read import reading


def open_npy(path: Path) -> NDArray[np.generic]:
    """The real numbers of an `.npy` file in their own type, mapped: none of them is read."""
    check_regular(path)
    try:
        with reading(path):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except InputError:
        raise
    except DAMAGE as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise InputError(
                f"{path} holds Python objects, which are never unpickled: it must hold numbers."
            ) from error
        raise InputError(f"{path} is not a valid .npy file: its content is not what numpy writes.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path} is not a valid .npy file: it is an archive of several arrays.")
    check_numeric(array.dtype, str(path))
    return array


def read_csv(path: Path) -> FloatArray:
    """(T, I): one row a time step, one column a feature; a first row of names is passed over."""
    rows = list(read_rows(path))
    named = bool(rows) and is_header(rows[0][1])
    if len(rows) == named:
        raise InputError(f"{path} contains no rows of numbers: a sequence needs at least one time step.")
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) != width:
            raise InputError(
                f"{path}, line {number} has {plural(len(row), 'value')}, but the first row has {width}: "
                "all rows need the same number."
            )
    return np.array([[_number(cell, path, number) for cell in row] for number, row in rows[named:]])


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that hold anything, each with the number of its line."""
    check_regular(path)
    try:
        with reading(path, "CSV", (csv.Error,)), path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            yield from ((reader.line_num, row) for row in reader if row)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a valid CSV file: byte {error.start} is not UTF-8 text.") from error


def is_header(row: list[str]) -> bool:
    """Whether a first row holds names: any field that is neither empty nor a number."""
    return any(cell.strip() and not _is_number(cell) for cell in row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, path: Path, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"{path}, line {line}: {display_value(cell)} is not a number.") from None
