"""An open model file: its layers, each read by itself, and the stacks that they form."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.rnn_entry import Entry

Arrays: TypeAlias = dict[str, FloatArray]


class UnreadableError(Exception):
    """A layer cannot be read. Its text is the reason: lower case, no full stop."""


@contextmanager
def readable(what: object) -> Iterator[None]:
    """Raise an error of reading a layer or a file as an InputError about `what`."""
    try:
        with reading(what):
            yield
    except (UnreadableError, RecursionError) as error:
        raise InputError(f"{what} cannot be read: {error}.") from error


@dataclass(frozen=True)
class StoredLayer:
    """An entry and a function that reads its parameters, by Gluon's names.

    `read_state` reads the stored initial state as `ModelFile.initial_state` gives it. Both raise an UnreadableError if
    the file has another format.
    """

    entry: Entry
    read: Callable[[], Arrays]
    read_state: Callable[[], Arrays] = dict


class ModelFile:
    """An open model file with known entries. Weights are not read yet, if the format permits that."""

    def __init__(self, path: Path, layers: Iterable[StoredLayer], numbered: str = "{}#{}") -> None:
        """Keep the layers in their order; one whose name is taken gets a number behind it, as in "lstm#2"."""
        self._path = path
        self._layers: dict[str, StoredLayer] = {}
        for layer in layers:
            name, number = layer.entry.name, 1
            while name in self._layers:
                number += 1
                name = numbered.format(layer.entry.name, number)
            self._layers[name] = replace(layer, entry=replace(layer.entry, name=name))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every recurrent network in the order of the file; those that cannot be run with the reason."""
        return tuple(layer.entry for layer in self._layers.values())

    def parameters(self, name: str) -> Arrays:
        """The weights of the supported entry `name`, by Gluon's names and in Gluon's order of gates.

        Biases that the layer does not have are zeros. Arrays are float32 or float64; `load.read_weights` checks their
        names, shapes and values against the network that they are for.
        """
        return self._read(name, lambda layer: layer.read())

    def initial_state(self, name: str) -> Arrays:
        """The stored initial state of an entry whose `initial_state` is "stored", empty for any other.

        "h", and "c" for an LSTM, each (L·D, N, H) in the order of `layer·D + direction`. N is 1 where every sample
        starts from the same numbers.
        """
        return self._read(name, lambda layer: layer.read_state())

    def _read(self, name: str, read: Callable[[StoredLayer], Arrays]) -> Arrays:
        layer = self._layers.get(name)
        if layer is None:
            raise InputError(f'{self._path} contains no recurrent layer "{name}".')
        if not layer.entry.supported:
            raise InputError(f"{self._path}: {name} cannot be run: {layer.entry.reason}.")
        with readable(f"{self._path}: {name}"):
            return read(layer)


def unsupported(entry: Entry, reason: str) -> StoredLayer:
    """A layer that is listed, and not read."""

    def read() -> Arrays:
        raise UnreadableError(reason)

    return StoredLayer(replace(entry, supported=False, reason=reason), read)


def with_stacks(layers: Sequence[StoredLayer], below: Mapping[int, int]) -> list[StoredLayer]:
    """The layers in their order, and before the bottom layer of each chain the chain as one network.

    `below[k]` is the number of the layer whose whole output the layer k reads. Only layers that fit are joined.
    """
    fitting = {k: lower for k, lower in below.items() if _fits_on(layers[k].entry, layers[lower].entry)}
    stacks = [(chain[0], _stacked([layers[k] for k in chain])) for chain in _chains(fitting)]
    found = []
    for number, layer in enumerate(layers):
        found += [stack for bottom, stack in stacks if bottom == number]
        found.append(layer)
    return found


def _stacked(layers: Sequence[StoredLayer]) -> StoredLayer:
    """Layers that feed each other, from the bottom, as one network named after the first and the last."""
    first, last = layers[0].entry, layers[-1].entry
    entries = [layer.entry for layer in layers]
    reasons = dict.fromkeys(entry.reason for entry in entries if entry.reason)
    entry = replace(
        first,
        name=f"{first.name}..{last.name}",
        num_layers=len(layers),
        reason="; ".join(reasons),
        biases=any(entry.biases for entry in entries),
        masking="; ".join(dict.fromkeys(entry.masking for entry in entries if entry.masking)),
        assumptions=tuple(dict.fromkeys(text for entry in entries for text in entry.assumptions)),
    )

    def read() -> Arrays:
        # l0_… and r0_… of each layer
        return {
            f"{name[0]}{number}{name[2:]}": array
            for number, layer in enumerate(layers)
            for name, array in layer.read().items()
        }

    def read_state() -> Arrays:
        states = [layer.read_state() for layer in layers]
        # A layer whose samples all start from the same state has it once.
        samples = max((array.shape[1] for state in states for array in state.values()), default=1)
        return {
            kind: np.concatenate([np.repeat(state[kind], samples // state[kind].shape[1], axis=1) for state in states])
            for kind in states[0]
        }

    return StoredLayer(entry, read, read_state)


def _fits_on(upper: Entry, lower: Entry) -> bool:
    """Whether both can be layers of one network, with the output of `lower` as the input of `upper`."""
    # What else must be known of both has to be the same, too, such as that they compute backward.
    same = (
        *("cell", "cells", "hidden_size", "projection_size", "clip", "activations"),
        *("bidirectional", "dtype", "reason", "initial_state", "reverse"),
    )
    return (
        upper.supported
        and lower.supported
        and lower.hidden_size is not None
        and upper.input_size == lower.hidden_size * (2 if lower.bidirectional else 1)
        and all(getattr(upper, name) == getattr(lower, name) for name in same)
    )


def _chains(below: Mapping[int, int]) -> Iterator[list[int]]:
    """The chains that end where nothing reads on, from the bottom."""
    for top in sorted(below):
        if top not in below.values():
            chain = [top]
            while (lower := below.get(chain[-1])) is not None and lower not in chain:
                chain.append(lower)
            yield chain[::-1]
