"""Everything that a run reads, drawn or loaded once and handed to every engine.

As a folder: a JSON text, the sequence, and all other numbers in one file: a file for each would take longer to make.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.cell_json import cell_from_json, cell_to_json
from rnnviz.core.config import Config, InitialStateSource, Network
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import LossGradient, of_samples
from rnnviz.core.head import Head
from rnnviz.core.mmap_arrays import FloatArray, create_mapped, open_mapped, read_only, store_mapped
from rnnviz.core.multiscale import Pyramid, open_pyramids
from rnnviz.core.parameters import Parameters
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.core.trace_index import Places
from rnnviz.frozen import dataclass

State: TypeAlias = Mapping[str, FloatArray]
"""The arrays of a state by symbol, in the order of the cell's states: each (L·D, N, H) with index layer·D + direction.

With a projection h has P units.
"""

UNIFORM_STATE = 0.9
"""Limit of a uniform initial state: a hidden state of most cells lies between -1 and 1."""


def part_of_state(state: State, index: Any) -> State:
    """Some rows or samples of every array."""
    return {name: np.ascontiguousarray(array[index]) for name, array in state.items()}


def draw_initial_state(network: Network, source: InitialStateSource, batch_size: int) -> State:
    generator = np.random.default_rng(source.seed)
    shapes = {name: network.state_shape(batch_size, name) for name in network.kind.state_symbols}

    def draw(shape: tuple[int, ...]) -> FloatArray:
        if source.source == "uniform":
            return generator.uniform(-UNIFORM_STATE, UNIFORM_STATE, shape)
        return generator.normal(size=shape) if source.source == "normal" else np.zeros(shape)

    arrays = {name: draw(shape) for name, shape in shapes.items()}
    return checked_state(network, batch_size, arrays)


def checked_state(network: Network, batch_size: int, arrays: Mapping[str, FloatArray]) -> State:
    """Check and convert a given initial state. `arrays` is (L·D, N, H). Raises InputError as `check_state`."""
    check_state(network, batch_size, {name: array.shape for name, array in arrays.items()})
    return {name: read_only(arrays[name], network.dtype) for name in network.kind.state_symbols}


def check_state(network: Network, batch_size: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the shapes (L·D, N, H) of an initial state; InputError if one is missing, unknown or another."""
    names = network.kind.state_symbols
    for name in names:
        shape = network.state_shape(batch_size, name)
        if name not in shapes:
            raise InputError(f"The initial state lacks {name}, which must have the shape {shape}.")
        if shapes[name] != shape:
            raise InputError(
                f"{name} of the initial state has the shape {shapes[name]}, but the network needs {shape}."
            )
    for name in shapes:
        if name not in names:
            raise InputError(
                f"The initial state holds {name}, but the cell {network.cell} has only {', '.join(names)}."
            )


@dataclass(frozen=True)
class Inputs:
    """The numbers of one run, the same for every engine: a config with the final sizes, and x (T, N, I).

    `lengths` is () if no sample has padding, `loss` None without a backward pass. `assumptions` are clauses that a run
    of a model file takes for granted, `pyramids` coarser copies of a long sequence, mapped from `folder` as all arrays.
    `weights` are the parameters of engines that have their own, by engine; see `of_engine`. `head` is the dense layer
    behind the network, None without one.
    """

    config: Config
    sequence: FloatArray
    parameters: Parameters
    initial_state: State
    folder: Path | None = None
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)
    names: Names = UNNAMED
    assumptions: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    loss: LossGradient | None = None
    weights: Mapping[str, Parameters] = field(default_factory=dict)
    head: Head | None = None

    def of_engine(self, engine: str) -> "Inputs":
        """The inputs with which an engine computes, and is audited."""
        own = self.weights.get(engine)
        return self if own is None else replace(self, parameters=own, weights={})

    @property
    def network(self) -> Network:
        return self.config.network

    @property
    def timesteps(self) -> int:
        return int(self.sequence.shape[0])

    @property
    def batch_size(self) -> int:
        return int(self.sequence.shape[1])

    @cached_property
    def places(self) -> Places:
        """The sizes of a trace, the direction of each lane, and the lengths of the samples."""
        return Places.of(self.network, self.timesteps, self.batch_size, self.lengths)

    def length(self, sample: int) -> int:
        return self.lengths[sample] if self.lengths else self.timesteps

    @cached_property
    def seams(self) -> NDArray[np.int64]:
        """The time steps at which a new call of the layer begins, (K,)."""
        return np.array(self.config.sequence.seams or (), np.int64)

    def of_samples(self, samples: NDArray[np.intp]) -> "Inputs":
        """Some samples, in this order, without the names of a file."""
        sequence = np.ascontiguousarray(self.sequence[:, samples])
        lengths = self.places.of_samples(samples).lengths
        state, loss = part_of_state(self.initial_state, np.s_[:, samples]), of_samples(self.loss, samples)
        made = Inputs(self.config, sequence, self.parameters, state, lengths=lengths, loss=loss, weights=self.weights)
        return replace(made, head=self.head)

    @cached_property
    def hidden_shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        return self.network.hidden_shape(self.timesteps, self.batch_size)


Load: TypeAlias = Callable[[Config], Inputs]
"""A module-level function that draws or reads a run's inputs; it is called in the child process."""


def with_sequence_shape(config: Config, shape: tuple[int, int, int]) -> Config:
    """The config with the sizes of a sequence of the shape (T, N, I). Raises InputError if I differs."""
    timesteps, batch_size, features = shape
    if config.sequence.brings_input_size:
        config = replace(config, network=replace(config.network, input_size=features))
    if features != config.network.input_size:
        raise InputError(
            f"The input has {features} features, but network.input_size = {config.network.input_size}: set "
            f"network.input_size = {features} or use another file (shape (N, T, I) = "
            f"({batch_size}, {timesteps}, {features}))."
        )
    return replace(config, sequence=replace(config.sequence, batch_size=batch_size, timesteps=timesteps))


_ABOUT, _SEQUENCE, _NUMBERS = "inputs.json", "input.npy", "numbers.npy"


def save_inputs(folder: Path, inputs: Inputs) -> Inputs:
    """Write inputs to a new folder. `inputs` is (T, N, I). Raises OSError if the folder exists or the disk is full."""
    folder.mkdir(parents=True)
    cell, loss = inputs.network.custom, inputs.loss
    about: dict[str, Any] = {
        "config": inputs.config.to_mapping(),
        "cell": None if cell is None else cell_to_json(cell),
        "names": vars(inputs.names),
        "assumptions": inputs.assumptions,
        "lengths": inputs.lengths,
        "has_loss": loss is not None,
        "weights": list(inputs.weights),
        "head": None if inputs.head is None else inputs.head.size,
    }
    (folder / _ABOUT).write_bytes(json.dumps(about).encode())
    sequence = store_mapped(folder / _SEQUENCE, inputs.sequence)
    arrays = [*inputs.parameters.values(), *inputs.initial_state.values()]
    if loss is not None:
        arrays += [*(() if loss.out is None else (loss.out,)), *loss.state.values()]
    for parameters in inputs.weights.values():
        arrays += parameters.values()
    if inputs.head is not None:
        arrays += [inputs.head.weight, inputs.head.bias]
    numbers = create_mapped(folder / _NUMBERS, inputs.network.dtype, (sum(array.size for array in arrays),))
    for part, array in zip(_parts(numbers, [array.shape for array in arrays]), arrays, strict=True):
        part[...] = array
    stored = _inputs(inputs.config, sequence, numbers, folder, about)
    return replace(stored, names=inputs.names, assumptions=inputs.assumptions, lengths=inputs.lengths)


def open_inputs(folder: Path) -> Inputs:
    """The stored inputs, read-only and mapped. Raises OSError or ValueError if the folder does not hold them."""
    about = json.loads((folder / _ABOUT).read_bytes())
    config = Config.from_mapping(about["config"])
    if about["cell"] is not None:
        config = config.with_custom_cell(cell_from_json(about["cell"]))
    sequence, numbers = open_mapped(folder / _SEQUENCE), open_mapped(folder / _NUMBERS)
    return replace(
        _inputs(config, sequence, numbers, folder, about),
        pyramids=open_pyramids(folder),
        names=Names(**about["names"]),
        assumptions=tuple(about["assumptions"]),
        lengths=tuple(about["lengths"]),
    )


def _inputs(
    config: Config, sequence: FloatArray, numbers: FloatArray, folder: Path, about: Mapping[str, Any]
) -> Inputs:
    """The inputs whose parameters, initial state, loss gradients, weights of engines and dense layer follow in
    `numbers`, as far as `about` says that there are any."""
    network, backward, (timesteps, samples, _) = config.network, config.backward, sequence.shape
    has_loss, weights, units = about["has_loss"], about["weights"], about["head"]
    width = network.directions * network.output_size
    shapes = network.parameter_shapes()
    states = {symbol: network.state_shape(samples, symbol) for symbol in network.kind.state_symbols}
    has_out = has_loss and backward.loss != "value"
    out = [(timesteps, samples, width)] * has_out
    numbers.flags.writeable = False
    of_loss = [*out, *(states.values() if has_loss else ())]
    own = [shape for _ in weights for shape in shapes.values()]
    dense = [] if units is None else [(units, width), (units,)]
    parts = iter(_parts(numbers, [*shapes.values(), *states.values(), *of_loss, *own, *dense]))
    parameters = Parameters(network, {name: next(parts) for name in shapes})
    inputs = Inputs(config, sequence, parameters, {symbol: next(parts) for symbol in states}, folder)
    if has_loss:
        of_out = next(parts) if has_out else None
        loss = LossGradient(of_out, {s: next(parts) for s in states}, backward.value, backward.truncate)
        inputs = replace(inputs, loss=loss)
    inputs = replace(
        inputs, weights={name: Parameters(network, {array: next(parts) for array in shapes}) for name in weights}
    )
    return inputs if units is None else replace(inputs, head=Head(next(parts), next(parts), config.head.activation))


def _parts(numbers: FloatArray, shapes: Sequence[tuple[int, ...]]) -> Iterator[FloatArray]:
    """Views of consecutive numbers, of these shapes."""
    start = 0
    for shape in shapes:
        yield numbers[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
