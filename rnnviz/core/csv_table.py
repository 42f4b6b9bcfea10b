"""Tables of numbers as CSV: a row for each time step, and perhaps a first one with names."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import count, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from rnnviz.core.bounded_read import reading
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.schema import display_value
from rnnviz.core.words import plural

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SAMPLED = 1 << 16
_LONGEST_LINE = 32 << 20
"""Characters of a line: a million features."""
_MISSING = {"na", "n/a", "#n/a", "null", "none", "-", "--", "?", "missing"}
_NUMERIC = re.compile(r"[\W_]*\d")
_BETWEEN = re.compile(r"[\s;:|]+")
_COMMA = re.compile(r"[+-]?\d*(,\d+)+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)


def read_csv(path: Path) -> tuple[FloatArray, tuple[str, ...]]:
    """(T, I), and the features' names in a first row without any number; a repeated one gets a number, "open (2)"."""
    numbers: list[FloatArray] = []
    names: tuple[str, ...] = ()
    width = 0
    for line, row, separator in rows(path):
        if not width:
            width = len(row)
            if _is_header(row):
                names = _distinct([" ".join(cell.split()) for cell in row])
                continue
        if len(row) != width:
            raise InputError(
                f"{path}, line {line} has {plural(len(row), 'value')}, but the first row has {width}: "
                f"all rows need the same number, separated by {_SEPARATORS[separator]}."
            )
        numbers.append(np.array([_number(cell, path, line, column) for column, cell in enumerate(row, 1)]))
    if not numbers:
        raise InputError(f"{path} contains no rows of numbers: a sequence needs at least one time step.")
    return np.array(numbers), names


def rows(path: Path) -> Iterator[tuple[int, list[str], str]]:
    """The rows of a CSV file that hold anything, each with the number of its line and the separator of its cells."""
    check_regular(path)
    try:
        with reading(path, "CSV", (csv.Error,)), path.open(encoding="utf-8-sig", newline="") as file:
            separator = _separator_of(file.read(_SAMPLED))
            file.seek(0)
            reader = csv.reader(_lines(file, path), delimiter=separator)
            yield from ((reader.line_num, row, separator) for row in reader if row)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a valid CSV file: byte {error.start} is not UTF-8 text.") from error


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    for number in count(1):
        line = file.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE and not line.endswith(("\r", "\n")):
            raise InputError(
                f"{path}, line {number} has more than {_LONGEST_LINE:,} characters: each row needs a line."
            )
        if not line:
            return
        yield line


def _separator_of(sample: str) -> str:
    """Of a table's beginning: semicolons or tabs if they divide its first two rows, else commas."""
    for separator in (";", "\t"):
        first = list(islice(filter(None, csv.reader(StringIO(sample, newline=""), delimiter=separator)), 2))
        if first and all(len(row) > 1 for row in first):
            return separator
    return ","


def _is_header(row: list[str]) -> bool:
    """Whether a first row has names: no cell that begins as a number does, and no word for a missing one."""
    names = [cell.strip() for cell in row if cell.strip()]
    return bool(names) and not any(
        _NUMERIC.match(name) or _is_number(name) or name.lower() in _MISSING for name in names
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _number(cell: str, path: Path, line: int, column: int) -> float:
    if _is_number(cell):
        return float(cell)
    if _COMMA.fullmatch(cell.strip()):
        why = "has a comma: write numbers with a decimal point and without thousands separators"
    elif all(map(_is_number, _BETWEEN.split(cell.strip()))):
        why = "has several numbers: separate columns by commas, semicolons or tabs"
    else:
        why = "is not a number"
    raise InputError(f"{path}, line {line}, column {column}: {display_value(cell)} {why}.")


def _distinct(names: list[str]) -> tuple[str, ...]:
    taken, found = set(names), list[str]()
    for name in names:
        own, number = name, 2
        while name and (own in found or (own != name and own in taken)):
            own = f"{name} ({number})"
            number += 1
        found.append(own)
    return tuple(found)
