"""The initial state from an `.npz` file, a run's own archive among them."""

from pathlib import Path

from rnnviz.files.npz_in import NpzFile, check_ending, under
from rnnviz.model.config import Network
from rnnviz.model.initial_state import State, check_state, checked_state

_ARCHIVED = "initial_state."
"""What a run's own archive puts before h and c."""


def read_state(path: Path, network: Network, batch_size: int) -> State:
    """h, and c for an LSTM, each (L·D, N, H); in a run's own archive `initial_state.h` and `initial_state.c`.

    Raises
    ------
    InputError
        If the file is missing or no `.npz` file, or holds anything but a state of this network and batch size.
    """
    check_ending(path)
    file = NpzFile(path)
    names = {name.removeprefix(_ARCHIVED): name for name in under(_ARCHIVED, file.headers)}
    check_state(network, batch_size, {name: file.headers[stored].shape for name, stored in names.items()})
    return checked_state(network, batch_size, {name: file.read(stored) for name, stored in names.items()})
