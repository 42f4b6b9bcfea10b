"""What is done with a model file: list what it holds, and read one of its networks, both under a memory limit."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rnnviz.files.models.entry import Entry
from rnnviz.files.models.formats import NUMPY, format_of, open_model
from rnnviz.files.models.limits import limited_memory
from rnnviz.files.models.weights import check_values, choose, read_weights
from rnnviz.model.config import Config, Network, ParameterSource
from rnnviz.model.errors import InputError
from rnnviz.model.npz_file import NpzFile, read_npz
from rnnviz.model.parameters import Parameters, check_shapes
from rnnviz.model.progress import expect

_ROOM = 512 << 20
"""What reading may take beside the file and its weights: a library that is imported for it, among others."""
_FILE_COPIES = 3
"""How often a format that can only be read as a whole may hold the file."""
_WEIGHT_COPIES = 4
_GLUON = re.compile(r"(?:parameters\.)?[lr]\d+_(?:i2h|h2h)_(?:weight|bias)")


def entries_of(path: Path) -> tuple[Entry, ...]:
    """The recurrent networks that a model file holds; call it in a process of its own.

    Raises
    ------
    InputError
        If the file cannot be read, is of no known format, is damaged, or takes more memory than its size calls for.
    """
    with within(path, room_for_file(path)):
        return open_model(path).entries


def read_parameters(path: Path, entry: str | None, network: Network) -> Parameters:
    """The weights of an entry of a model file, or of its only one, as the parameters of `network`.

    What is refused, and when values are cast, is told in `weights.read_weights`; an `.npz` file that holds weights by
    Gluon's own names must hold nothing else, and is held against the network name by name.

    Raises
    ------
    InputError
        If the file cannot be read, or what it holds does not fit.
    """
    weights = _WEIGHT_COPIES * 8 * network.parameter_count
    size = network.parameter_count * (8 if network.dtype == "float64" else 4)
    with within(path, room_for_file(path) + weights):
        known = format_of(path)
        if known is NUMPY and entry is None and _holds_gluons_names(path):
            expect(size)
            arrays = read_npz(path, "parameters.", partial(check_shapes, network))
            for name, array in arrays.items():
                check_values(name, array, network, rounded=True)
            return Parameters(network, arrays)
        model = known.open(path)
        expect(size)
        return read_weights(model, choose(model.entries, entry, path), network, rounded=known is NUMPY)


def config_of(path: Path, entry: Entry, cell: str | None = None) -> Config:
    """A config that runs an entry of a model file on a random sequence; `cell` where the file does not tell it.

    Raises
    ------
    InputError
        As `Entry.network` does, with the file's path.
    """
    try:
        network = entry.network(cell)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    source = ParameterSource(initializer="file", path=str(path.absolute()), entry=entry.name)
    return Config(network, parameters=source).checked()


@contextmanager
def within(path: Path, allowance: int) -> Iterator[None]:
    """Read a model file with no more memory than `allowance`; raises an InputError where it takes more."""
    try:
        with limited_memory(allowance):
            yield
    except MemoryError as error:
        raise InputError(f"{path} asks for more memory than its weights need: it is too large, or damaged.") from error


def room_for_file(path: Path) -> int:
    """Bytes that opening a model file may take."""
    return _ROOM + _FILE_COPIES * _size(path)


def _size(path: Path) -> int:
    """Bytes of the file, or of the files in the folder; 0 where that cannot be told, which reading will tell."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.glob("*.npy"))
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


def _holds_gluons_names(path: Path) -> bool:
    return not path.is_dir() and any(_GLUON.fullmatch(name) for name in NpzFile(path).headers)
