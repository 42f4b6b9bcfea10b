"""The weights of one entry, checked against the network that they are for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import Activation, affine, linear
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.io.model_formats.rnn_entry import Entry, ModelFile


def choose(entries: Sequence[Entry], name: str | None, path: Path) -> Entry:
    """The entry of that name, or the only one, of the file `path`, which has at least one.

    Raises
    ------
    InputError
        If there is none of that name, or several and no name; the sentence lists them.
    """
    if name is None and len(entries) == 1:
        return entries[0]
    listed = ", ".join(f'"{entry.name}"' for entry in entries)
    if name is None:
        raise InputError(f"{path} holds {len(entries)} recurrent networks, and entry must name one of them: {listed}.")
    for entry in entries:
        if entry.name == name:
            return entry
    raise InputError(f'{path} contains no recurrent network "{name}": entry must be one of {listed}.')


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
        check_values(name, array, network, rounded=rounded)
    return Parameters(network, arrays)


def widened(array: NDArray[np.generic], dtype: str) -> FloatArray:
    """Values as float32, or as float64 if that is their type; `dtype` is one of `entry.DTYPES`.

    bfloat16, which numpy has no type for, comes as its bits in uint16.
    """
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(np.float64 if dtype == "float64" else np.float32, copy=False)


def _check_network(entry: Entry, network: Network) -> None:
    """Check the shapes of all arrays against the network, before any of them is read."""
    if entry.reverse and not network.reverse:
        raise InputError(
            f"network.reverse = false is not allowed: {entry.name} reads the sequence from its end, so it must be true."
        )
    stored = entry.network(network.cell)
    if (entry.clip, entry.activations) != (None, None) and settings_in_float32(stored) != settings_in_float32(network):
        settings = ", ".join(entry.settings)
        raise InputError(f"{entry.name} has {settings}, but the network has not: [network] must have the same.")
    held = stored.parameter_shapes()
    needed = network.parameter_shapes()
    for name in {**held, **needed}:
        if name not in held or name not in needed:
            raise InputError(
                f"{entry.name} has {_extent(entry)}, but the network has network.num_layers = {network.num_layers} "
                f"and network.bidirectional = {str(network.bidirectional).lower()}."
            )
        if held[name] != needed[name]:
            raise InputError(
                f"{entry.name} has the array {name} of the shape {held[name]}, but the network needs {needed[name]}."
            )


def settings_in_float32(network: Network) -> tuple[float | None, list[Activation]]:
    """The clip and the activation of each role, with their numbers as an ONNX file holds them."""
    found = [activation for _, activation in replace(network, clip=None).kind.activations]
    clip = None if network.clip is None else float(np.float32(network.clip))
    return clip, [
        linear if activation == affine else activation.in_float32()
        for activation in found
        if isinstance(activation, Activation)
    ]


def _extent(entry: Entry) -> str:
    return f"num_layers = {entry.num_layers} and bidirectional = {str(entry.bidirectional).lower()}"


def check_values(name: str, array: FloatArray, network: Network, *, rounded: bool) -> None:
    """Refuse an array with a value that is not finite, or that the network's dtype does not hold.

    Raises
    ------
    InputError
        With the array's name and the first such value or both types.
    """
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
