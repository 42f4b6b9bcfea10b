"""The initial state from an `.npz` file, a run's own archive among them."""

from functools import partial
from pathlib import Path

from rnnviz.model.config import Network
from rnnviz.model.initial_state import State, check_state, checked_state
from rnnviz.model.npz_file import read_npz

_ARCHIVED = "initial_state."
"""What a run's own archive puts before h and c."""


def read_state(path: Path, network: Network, batch_size: int) -> State:
    """h, and c for an LSTM, each (L·D, N, H); in a run's own archive `initial_state.h` and `initial_state.c`.

    Raises
    ------
    InputError
        If the file is missing or no `.npz` file, or holds anything but a state of this network and batch size.
    """
    arrays = read_npz(path, _ARCHIVED, partial(check_state, network, batch_size))
    return checked_state(network, batch_size, arrays)
