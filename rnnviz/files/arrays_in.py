"""Arrays from `.npy`, `.npz` and `.csv` files, checked before they are used; nothing is ever unpickled."""

import csv
import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError

# What numpy and zipfile raise on content that they did not write.
_DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    SyntaxError,
    OverflowError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)


def read_sequence(path: Path) -> FloatArray:
    """x of shape (T, N, I) from an `.npy` or `.csv` file of (T, I) or (N, T, I).

    Raises
    ------
    InputError
        If the file is missing, of another kind, not numeric, ragged, empty, or of other dimensions.
    """
    if path.suffix.lower() == ".csv":
        array = _read_csv(path)
    elif path.suffix.lower() == ".npy":
        array = _read_npy(path)
    else:
        raise InputError(f'{path} has the ending "{path.suffix}": a sequence must be an .npy or .csv file.')
    if array.ndim not in (2, 3):
        raise InputError(f"{path} has the shape {array.shape}: a sequence must have the shape (T, I) or (N, T, I).")
    if 0 in array.shape:
        raise InputError(f"{path} has the shape {array.shape}: every size must be at least 1.")
    return array[:, np.newaxis, :] if array.ndim == 2 else array.swapaxes(0, 1)


def read_npz(path: Path, prefix: str = "") -> dict[str, FloatArray]:
    """The arrays of an `.npz` file by name.

    In a file that holds names under `prefix`, as a run's own archive does, only those are read, without it.

    Raises
    ------
    InputError
        If the file is missing or no `.npz` file, or an array in it is not numeric.
    """
    if path.suffix.lower() != ".npz":
        raise InputError(f'{path} has the ending "{path.suffix}": it must be an .npz file.')
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path} is no .npz file: it holds a single array.")
        with archive:
            wanted = [name for name in archive.files if name.startswith(prefix)]
            if not wanted:
                prefix, wanted = "", archive.files
            return {name.removeprefix(prefix): _numeric(archive[name], f"{name} in {path}") for name in wanted}
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} asks for more memory than there is: it is too large, or damaged.") from error
    except _DAMAGE as error:
        raise _not_numpy(path, ".npz", error) from error


def _read_npy(path: Path) -> FloatArray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise InputError(f"{path} is no .npy file: it is an archive of several arrays.")
        return _numeric(array, str(path))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        raise _not_numpy(path, ".npy", error) from error


def _not_numpy(path: Path, ending: str, error: Exception) -> InputError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return InputError(f"{path} holds Python objects, which are never unpickled: it must hold numbers.")
    return InputError(f"{path} is no {ending} file, or a damaged one: its content is not what numpy writes.")


def _numeric(array: FloatArray, name: str) -> FloatArray:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds values of the type {array.dtype}: they must be real numbers.")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _read_csv(path: Path) -> FloatArray:
    """(T, I): one row a timestep, one column a feature; a first row of names is passed over."""
    rows = list(read_rows(path))
    named = bool(rows) and is_header(rows[0][1])
    if len(rows) == named:
        raise InputError(f"{path} holds no rows of numbers: a sequence needs at least one timestep.")
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) != width:
            raise InputError(
                f"{path}, line {number} has {len(row)} values, but the first row has {width}: every row needs as many."
            )
    return np.array([[_number(cell, path, number) for cell in row] for number, row in rows[named:]])


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that hold anything, each with the number of its line.

    Raises
    ------
    InputError
        If the file cannot be read or is no CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            yield from ((reader.line_num, row) for row in reader if row)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no CSV file: byte {error.start} is no UTF-8 text.") from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file: {error}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


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
        shown = json.dumps(cell if len(cell) <= 60 else cell[:57] + "...", ensure_ascii=False)
        raise InputError(f"{path}, line {line} holds {shown}, which is no number.") from None
