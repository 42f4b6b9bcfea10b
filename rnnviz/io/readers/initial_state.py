"""The initial state from an `.npz` file, a run's own archive among them, or from a model file."""

from functools import partial
from pathlib import Path

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.initial_state import State, check_state, checked_state
from rnnviz.core.npz import read_npz
from rnnviz.io.model_formats.load import StoredNetwork

_ARCHIVED = "initial_state."
"""The prefix of h and c in the archive of a run."""


def read_state(path: Path, network: Network, batch_size: int) -> State:
    """h, and c for an LSTM, each (L·D, N, H); in a run's own archive `initial_state.h` and `initial_state.c`.

    Raises
    ------
    InputError
        If the file is missing or no `.npz` file, or holds anything but a state of this network and batch size.
    """
    arrays = read_npz(path, _ARCHIVED, partial(check_state, network, batch_size))
    return checked_state(network, batch_size, arrays)


def stored_state(stored: StoredNetwork, network: Network, batch_size: int) -> State:
    """The initial state that a model file stores, for each of `batch_size` samples.

    Raises
    ------
    InputError
        If the file stores none for this network, or one for another number of samples.
    """
    assert stored.entry is not None
    arrays, name = stored.initial_state, stored.entry.name
    if not arrays:
        raise InputError(
            f'the model file stores no initial state of {name}: initial_state.source must be "zeros" or "normal", '
            "or initial_state.path an .npz file."
        )
    samples = arrays["h"].shape[1]
    if samples not in (1, batch_size):
        raise InputError(
            f"the initial state of {name} is stored for {samples} samples, but there are {batch_size}: "
            f"sequence.batch_size must be {samples}."
        )
    whole = {
        kind: np.broadcast_to(array, (array.shape[0], batch_size, array.shape[2])) for kind, array in arrays.items()
    }
    return checked_state(network, batch_size, whole)
