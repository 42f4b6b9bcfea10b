"""A model file: its recurrent layers and named arrays, each read by itself, and the stacks that the layers form."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.activations import Activation
from rnnviz.core.bounded_read import reading
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, printable
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass


@dataclass(frozen=True)
class Tensor:
    """The shape of an array in a file, its type by numpy's name or "bfloat16", and the dict or list that holds it.

    `unreadable` is why its numbers cannot be read, and `assumption` what reading them takes for granted.
    """

    shape: tuple[int, ...]
    dtype: str
    scope: str = ""
    unreadable: str = ""
    assumption: str = ""


@dataclass(frozen=True)
class TensorFile:
    """The arrays of a file by name, in its order; `read` gives one as `widened` does, and `texts` describe
    PyTorch's modules, as in `torch_networks`."""

    tensors: Mapping[str, Tensor]
    read: Callable[[str], FloatArray]
    texts: Mapping[str, str] = field(default_factory=dict)

    def replaced(self, tensors: Mapping[str, Tensor], made: Mapping[str, Callable[[], FloatArray]]) -> "TensorFile":
        """The file with other arrays; `made` computes some of them."""
        return replace(self, tensors=tensors, read=lambda name: made[name]() if name in made else self.read(name))


DTYPES = ("float16", "bfloat16", "float32", "float64")
"""The types of weights that are read; the first two are widened to float32, which is exact."""

RNN_CELLS = ("rnn_tanh", "rnn_relu")
"""The cells of a network with a single gate."""

OWN_PARAMETERS = frozenset(name for cell in CELLS.values() for name in cell.own_parameters)
"""The parameters that only some cells have."""


def cells_of_arrays(gates: int, own: Collection[str]) -> tuple[str, ...]:
    """The cells of `gates` blocks of recurrent rows, the parameters `own` and fewest others, the likeliest first."""
    fitting = [c for c in CELLS.values() if len(c.recurrent_gates) == gates and set(own) <= set(c.own_parameters)]
    if not fitting:
        return ()
    least = min(len(cell.own_parameters) for cell in fitting)
    fitting = [cell for cell in fitting if len(cell.own_parameters) == least]
    if fitting[0].name in RNN_CELLS:
        return RNN_CELLS
    return tuple(c.name for c in sorted(fitting, key=lambda c: c.gate_symbols != fitting[0].gate_symbols))


def named_activations(cell: str, activations: Sequence[Activation]) -> tuple[str, ...] | None:
    """The activations of a cell's roles as a config names them; None if they are the cell's own."""
    own = [activation for _, activation in CELLS[cell].activations]
    return None if list(activations) == own else tuple(activation.key for activation in activations)


def ask_for_cell(cells: tuple[str, ...]) -> str:
    """The reason of a supported entry of one of `cells` whose activations are not in its file."""
    if cells == RNN_CELLS:
        return 'the file does not contain the activation: give cell = "rnn_tanh" or cell = "rnn_relu"'
    if len(cells) > 1:
        return "the file does not say reset_after: choose the cell gru if it is set, else gru_reset_before"
    return f"the file does not say its activations: choose the cell {cells[0]} if they are sigmoid and tanh"


INITIAL_STATES = ("unknown", "zeros", "stored", "input", "computed")
"""Where a model's own run starts from: the file cannot say; zeros; numbers in the file; those that the caller of the
model gives; those that another part of it computes."""

EVERY_STEP = "without lengths, rnnviz computes every time step, also those that the model skips"
"""The assumption of a run of an entry that has `masking`."""


@dataclass(frozen=True)
class Entry:
    """A recurrent network that a model file holds.

    `name` is unique in its file. Sizes are None only where an unsupported entry leaves them open, and `dtype` is how
    the weights are stored. `reason` says why an entry is not supported, or what else must be known of one that is;
    it ends a sentence, as do `assumptions`: the conditions of a run that the file does not state. `cells` are those
    that the file admits: the user chooses one where `cell` is None, or another one than `cell`. `biases` is None where
    not known, and `initial_state` one of INITIAL_STATES. `masking` describes the time steps that the model skips, and
    `lengths` belong to the samples, as far as the file has them. `batch_size` is N of a stored initial state, None
    where all samples share it; `load.entries_of` fills it in. `reverse` is whether the only direction reads from the
    end, and `part` whether the network is a layer of another entry; `nodes` describe the nodes of an ONNX graph that it
    is made of, from the bottom. Others are keys of a config.
    """

    name: str
    cell: str | None = None
    input_size: int | None = None
    hidden_size: int | None = None
    num_layers: int | None = None
    bidirectional: bool | None = None
    dtype: str | None = None
    supported: bool = True
    reason: str = ""
    cells: tuple[str, ...] = ()
    biases: bool | None = None
    initial_state: str = "unknown"
    masking: str = ""
    assumptions: tuple[str, ...] = ()
    batch_size: int | None = None
    reverse: bool = False
    projection_size: int | None = None
    clip: float | None = None
    activations: tuple[str, ...] | None = None
    lengths: tuple[int, ...] = ()
    part: bool = False
    nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Escape the texts of a file, which could break a line, control a terminal, or be invalid Unicode."""
        for name in ("name", "reason", "masking"):
            object.__setattr__(self, name, printable(getattr(self, name)))
        for name in ("assumptions", "nodes"):
            object.__setattr__(self, name, tuple(map(printable, getattr(self, name))))
        assert self.initial_state in INITIAL_STATES

    @property
    def directions(self) -> str:
        """The directions as tables of entries show them: forward, backward, both, or "?"."""
        if self.bidirectional is None:
            return "?"
        return "both" if self.bidirectional else "backward" if self.reverse else "forward"

    @property
    def choice(self) -> str:
        """The property of the network that the user chooses by its cell: "activation" or "cell"."""
        return "cell" if len(self.cells) > 1 and self.cells != RNN_CELLS else "activation"

    @property
    def settings(self) -> tuple[str, ...]:
        """The keys of a config that change the cell, such as "clip = 3.0"."""
        keys = {"projection_size": self.projection_size, "clip": self.clip}
        listed = {} if self.activations is None else {"activations": json.dumps(self.activations)}
        return tuple(f"{key} = {value}" for key, value in (keys | listed).items() if value is not None)

    @property
    def leaves_initial_state_open(self) -> bool:
        """Whether the model's own initial state is not in the file, so that the user must choose one."""
        return self.initial_state in ("input", "computed")

    def network(self, cell: str | None = None) -> Network:
        """The network of the entry; `cell` is needed if the file does not name it."""
        inputs, hidden, layers, both = self.input_size, self.hidden_size, self.num_layers, self.bidirectional
        if not self.supported or inputs is None or hidden is None or layers is None or both is None:
            raise InputError(f"{self.name} cannot be run: {self.reason}.")
        chosen = cell or self.cell
        if chosen is None:
            raise InputError(f"{self.name} cannot be run as it is: {self.reason}.")
        admitted = self.cells or (self.cell,)
        if chosen not in admitted:
            allowed = " or ".join(f'"{name}"' for name in admitted)
            raise InputError(f'{self.name} can be run as the cell {allowed}, not as "{chosen}".')
        dtype = "float64" if self.dtype == "float64" else "float32"
        return Network(
            *(chosen, inputs, hidden, layers, both, self.reverse),
            dtype=dtype,
            projection_size=self.projection_size,
            clip=self.clip,
            activations=self.activations,
        )


def widened(array: NDArray[np.generic], dtype: str) -> FloatArray:
    """Values of a type in DTYPES as float32, or float64 if that is their type; bfloat16 comes as its bits in uint16."""
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(np.float64 if dtype == "float64" else np.float32, copy=False)


def stored_dtype(dtype: str) -> np.dtype[np.generic]:
    """The little-endian type of numbers in a file; that of bfloat16 is uint16, as `widened` takes it."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")


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
    """An entry, and what reads its parameters and its stored initial state, or raises an UnreadableError."""

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
        """The weights of a supported entry by Gluon's names, with zeros for biases that it lacks; not yet checked."""
        return self._read(name, lambda layer: layer.read())

    def initial_state(self, name: str) -> Arrays:
        """The stored initial state of an entry by symbol, each (L·D, N, H), N = 1 for all samples; {} if none is."""
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
    return StoredLayer(replace(entry, supported=False, reason=reason), dict)


def with_stacks(layers: Sequence[StoredLayer], below: Mapping[int, int]) -> dict[tuple[int, ...], StoredLayer]:
    """The layers in their order by their numbers, and before the bottom one of each chain the chain as one network.

    `below[k]` is the number of the layer whose whole output the layer k reads. Only layers that fit are joined.
    """
    fitting = {k: lower for k, lower in below.items() if _fits_on(layers[k].entry, layers[lower].entry)}
    chains = [tuple(chain_from(top, fitting)[::-1]) for top in sorted(fitting.keys() - set(fitting.values()))]
    found: dict[tuple[int, ...], StoredLayer] = {}
    for number, layer in enumerate(layers):
        found |= {chain: _stacked([layers[k] for k in chain]) for chain in chains if chain[0] == number}
        found[number,] = replace(layer, entry=replace(layer.entry, part=any(number in chain for chain in chains)))
    return found


def _stacked(layers: Sequence[StoredLayer]) -> StoredLayer:
    """Layers that feed each other, from the bottom, as one network."""
    first, last = layers[0].entry, layers[-1].entry
    entries = [layer.entry for layer in layers]
    reasons = dict.fromkeys(entry.reason for entry in entries if entry.reason)
    entry = replace(
        first,
        name=f"{first.name}..{last.name}",
        num_layers=len(layers),
        reason="; ".join(reasons),
        biases=any(entry.biases for entry in entries),
        nodes=tuple(text for entry in entries for text in entry.nodes),
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


def chain_from(top: int, below: Mapping[int, int]) -> list[int]:
    chain = [top]
    while (lower := below.get(chain[-1])) is not None and lower not in chain:
        chain.append(lower)
    return chain
