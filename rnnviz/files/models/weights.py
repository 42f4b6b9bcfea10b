"""The weights of one entry, checked against the network that they are for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnviz.files.models.entry import Entry, ModelFile
from rnnviz.model.arrays import FloatArray
from rnnviz.model.config import Network
from rnnviz.model.errors import InputError
from rnnviz.model.parameters import Parameters


def choose(entries: Sequence[Entry], name: str | None) -> Entry:
    """The entry of that name, or the only one.

    Raises
    ------
    InputError
        If there is none, or several and no name; the sentence lists them.
    """
    if not entries:
        raise InputError("it holds no recurrent layer")
    if name is None:
        if len(entries) > 1:
            raise InputError(f"it holds several recurrent layers, name one of them: {_listed(entries)}")
        return entries[0]
    for entry in entries:
        if entry.name == name:
            return entry
    raise InputError(f'it holds no recurrent layer "{name}": it holds {_listed(entries)}')


def read_weights(model: ModelFile, entry: Entry, network: Network, *, rounded: bool = False) -> Parameters:
    """The parameters of `network` from `entry`.

    With `rounded`, float64 weights are rounded to the network's dtype; without it that is refused where it would
    change one.

    Raises
    ------
    InputError
        If the entry is not supported, is another network, or holds a value that is not finite or not exact in the
        network's dtype; both sides are named.
    """
    _check_network(entry, network)
    arrays = model.parameters(entry.name)
    for name, array in arrays.items():
        _check_values(name, array, network, rounded)
    return Parameters(network, arrays)


def widened(array: NDArray[np.generic], dtype: str) -> FloatArray:
    """Numbers as float32, or as float64 if that is what they are; `dtype` is one of `entry.DTYPES`.

    bfloat16, which numpy has no type for, comes as its bits in uint16.
    """
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(np.float64 if dtype == "float64" else np.float32)


def _listed(entries: Sequence[Entry]) -> str:
    return ", ".join(f'"{entry.name}"' for entry in entries)


def _check_network(entry: Entry, network: Network) -> None:
    held = entry.network(network.cell)
    for key in ("cell", "input_size", "hidden_size", "num_layers", "bidirectional"):
        asked, there = getattr(network, key), getattr(held, key)
        if asked != there:
            raise InputError(
                f"{entry.name} has {key} = {_toml(there)}, but the network has network.{key} = {_toml(asked)}: "
                f"its {_shapes(held)}, and the network needs {_shapes(network)}."
            )


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _shapes(network: Network) -> str:
    shapes = network.parameter_shapes()
    return f"l0_i2h_weight of {shapes['l0_i2h_weight']} and {len(shapes)} arrays in all"


def _check_values(name: str, array: FloatArray, network: Network, rounded: bool) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(f"{name} holds {array[place]} at {list(place)}: every weight must be a finite number.")
    if array.dtype.name == network.dtype or (array.dtype == np.float32 and network.dtype == "float64"):
        return
    with np.errstate(over="ignore"):
        kept = array.astype(network.dtype)
    if not np.isfinite(kept).all() or not (rounded or np.array_equal(kept.astype(array.dtype), array)):
        raise InputError(
            f"{name} is stored in {array.dtype}, and its values are not exact in {network.dtype}: "
            f'network.dtype must be "{array.dtype}".'
        )
