"""Interface of the engines, and stacked layers in one or both directions around any implementation of one layer.
Lane k is layer·D + direction; the next layer reads concat(forward, backward) on the feature axis at the same t."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.arrays import Library, step_values
from rnnviz.core.config import Network, parameter_name
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs, State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters, Parameters
from rnnviz.core.trace import Trace, add_array
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.frozen import dataclass

Progress: TypeAlias = Callable[[float], None]
"""Called with the fraction of an engine's work that is done, 0 to 1."""


@dataclass(frozen=True)
class Equality:
    """Two arrays of one engine that must be equal, and the name of this check. `known_issue` says which bug of the
    library makes it fail, if one does."""

    name: str
    left: FloatArray
    right: FloatArray
    known_issue: str = ""


@dataclass(frozen=True)
class EngineReport:
    """Report of an engine's run: `seconds` of further things, such as `gluon.fused`, and its own checks. `printed` is
    the output of a custom step; of a recording, `missing` names arrays that it lacks (see `Trace.missing`), `precision`
    is the type that it holds if that is not the network's, and `computed_in` the one that it was computed in."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    equalities: tuple[Equality, ...] = ()
    printed: str = ""
    missing: frozenset[str] = frozenset()
    precision: str = ""
    computed_in: str = ""


class Engine(Protocol):
    """One way to compute the network."""

    @property
    def version(self) -> str:
        """The library and its version, for a bug report."""

    def states(self, network: Network) -> tuple[str, ...]:
        """The symbols of the states over time that `run` fills, h first."""

    def gradients(self, network: Network) -> tuple[str, ...]:
        """Names of the gradients over time that `run_backward` gives, such as "grad.h"; () if the engine has none."""

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Compute the network. Raises EngineError if the engine cannot compute it, and InputError if the file that the
        engine is named by is not valid."""

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Compute the gradients of the loss `inputs.loss` after `run`. Raises EngineError if the engine cannot."""


class LibraryEngine:
    """Defaults of engines that call a library's layers, and compute the lines of custom cells themselves."""

    def states(self, network: Network) -> tuple[str, ...]:
        return ("h",) if network.custom is None else network.kind.state_symbols

    def gradients(self, network: Network) -> tuple[str, ...]:
        return ()

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        return EngineReport()


@dataclass(frozen=True)
class FileWeightsEngine(LibraryEngine):
    """The forward pass of `engine` on the weights that `read`, its framework's own reader, finds in the file, or
    refuses by an EngineError."""

    engine: Engine
    read: Callable[[Path, Network], Parameters]
    path: Path

    @property
    def version(self) -> str:
        return self.engine.version

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Compute the network with the file's parameters."""
        return self.engine.run(replace(inputs, parameters=self.read(self.path, inputs.network)), trace, progress)


def file_version(path: Path) -> str:
    """The name of a file or folder and when it was saved, so that two runs of one can be distinguished."""
    with suppress(OSError):
        # A folder does not change with the content of its files.
        newest = max(file.stat().st_mtime for file in (path, *(path.iterdir() if path.is_dir() else ())))
        saved = datetime.fromtimestamp(newest).isoformat(" ", "seconds")
        return f"{path.name}, saved {saved}"
    return path.name


@dataclass(frozen=True, eq=False)
class LayerTask:
    """One layer in one direction, and the arrays for its values. `x` is the layer's input (T, N, I), `state` the state
    before the first step, (N, U) by name; `series` has an array (T, N, U) to fill for each state that is kept. `lane`
    is the index (layer, direction). Of samples of different lengths a task is a part: `start` is its first time step,
    `samples` are those computed in it. Of rows of packed samples, `computed` (N,) are the numbers of time steps before
    padding."""

    cell: CellSpec
    parameters: LayerParameters
    x: FloatArray
    state: Mapping[str, FloatArray]
    series: Mapping[str, FloatArray]
    backward: bool
    lane: tuple[int, int] = (0, 0)
    start: int = 0
    samples: slice | NDArray[np.intp] = field(default_factory=lambda: slice(None))
    computed: NDArray[np.intp] | None = None

    @property
    def timesteps(self) -> range:
        """Every t in the order of computation."""
        return range(len(self.x))[:: -1 if self.backward else 1]


RunLayer: TypeAlias = Callable[[LayerTask, Progress], Mapping[str, FloatArray]]
"""How one layer is computed in one direction: fills the task's series, returns the final state by name."""

RunLengths: TypeAlias = Callable[[Sequence[int], RunLayer, LayerTask, Progress], Mapping[str, FloatArray]]
"""How a layer is run on samples of different lengths; see `run_in_parts`."""

Join: TypeAlias = Callable[[FloatArray, FloatArray | None], FloatArray]
"""How the directions of a layer (D, T, N, H) become the input (T, N, D·H) of the next one; see `layer_output`."""


def layer_output(hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """concat(forward, backward) on the feature axis at the same t: (D, T, N, H) gives (T, N, D·H)."""
    if len(hidden) == 1 and out is None:
        only: FloatArray = hidden[0]
        return only
    return np.concatenate(list(hidden), axis=-1, out=out)


def run_stack(
    inputs: Inputs,
    trace: Trace,
    run_layer: RunLayer,
    progress: Progress,
    join: Join = layer_output,
    run_lengths: RunLengths | None = None,
    kept: Mapping[str, FloatArray] = {},
) -> None:
    """Fill the trace's states, out and final states, samples of different lengths by `run_lengths`. `kept` has an array
    (L, D, T, N, H) to fill for each other value that `run_layer` gives."""
    network = inputs.network
    states = dict(inputs.initial_state)
    lanes = network.num_layers * network.directions
    x = inputs.sequence
    for layer in range(network.num_layers):
        for direction in range(network.directions):
            k = layer * network.directions + direction

            def lane_progress(done: float, k: int = k) -> None:
                progress((k + done) / lanes)

            task = LayerTask(
                cell=network.kind,
                parameters=inputs.parameters.layer(layer, direction),
                x=x,
                state={name: array[k] for name, array in states.items()},
                series={name: trace[name][layer, direction] for name in states if name in trace}
                | {name: array[layer, direction] for name, array in kept.items()},
                backward=network.backward(direction),
                lane=(layer, direction),
            )
            run = partial(run_lengths or run_in_parts, inputs.lengths, run_layer) if inputs.lengths else run_layer
            for name, array in run(task, lane_progress).items():
                trace[f"state.{name}"][k] = array
        # Two directions are joined where out will stand in the end: a copy in memory would grow with the sequence.
        last = layer == network.num_layers - 1
        x = join(trace.hidden[layer], trace.output if last or network.directions == 2 else None)


PART_VALUES = 1 << 22
"""Values of the layer input and of the states that a part of a task copies at most."""


def run_in_parts(
    lengths: Sequence[int], run_layer: RunLayer, task: LayerTask, progress: Progress
) -> dict[str, FloatArray]:
    """Run a layer on samples of different lengths, in parts in which the same samples are computed; by name the states
    (N, U) after the last computed step of each. Padding is neither read nor written. A sample of a backward layer
    enters at its own length - 1 with its initial state; one of a forward layer leaves there with its final one."""
    states = {name: np.array(array) for name, array in task.state.items()}
    timesteps, samples, features = task.x.shape
    widest = max(features, *(array.shape[-1] for array in states.values()))
    longest, whole, done = max(1, PART_VALUES // (samples * widest)), sum(lengths), 0
    for part, active in computed_parts(lengths, range(timesteps), backward=task.backward):
        if not len(active):
            continue
        for times in time_blocks(part, longest, backward=task.backward):
            every = len(active) == samples
            count = (times.stop - times.start) * len(active)
            x, state, series = task.x[times], states, {name: array[times] for name, array in task.series.items()}
            if not every:
                x, state = x[:, active], {name: array[active] for name, array in states.items()}
                series = {n: np.empty((len(x), len(active), a.shape[2]), a.dtype) for n, a in series.items()}

            def part_progress(fraction: float, done: int = done, count: int = count) -> None:
                progress((done + fraction * count) / whole)

            piece = replace(task, x=x, state=state, series=series, start=times.start, samples=active)
            for name, final in run_layer(piece, part_progress).items():
                states[name][active] = final
            if not every:
                for name, array in series.items():
                    task.series[name][times, active] = array
            done += count
    return states


def initial_states(state: State, layer: int, directions: int) -> list[FloatArray]:
    """The initial states of one layer, each (D, N, H)."""
    return [np.ascontiguousarray(array[layer * directions : (layer + 1) * directions]) for array in state.values()]


def with_head(inputs: Inputs, trace: Trace) -> Trace:
    """The trace with the result of the dense layer behind the network, if the run has one and the trace has not."""
    if inputs.head is None or HEAD in trace:
        return trace
    head = inputs.head.of(trace.output, inputs.lengths)
    if trace.folder is not None:
        stored = add_array(trace.folder, HEAD, str(head.dtype), head.shape)
        stored[...] = head
        head = stored
    return trace.with_arrays({HEAD: head})


def fill_layer(trace: Trace, layer: int, out: FloatArray, finals: Sequence[FloatArray]) -> None:
    """Write a layer's out (T, N, D·H) and final states, each (D, N, H), into the trace; P for H if h is projected."""
    layers, directions, _, _, size = trace.shape
    for direction in range(directions):
        trace.hidden[layer, direction] = out[..., direction * size : (direction + 1) * size]
    names = (name for name in trace if name.startswith("state."))
    for name, final in zip(names, finals, strict=True):
        trace[name][layer * directions : (layer + 1) * directions] = final
    if layer == layers - 1:
        trace.output[:] = out


def parameters_of(inputs: Inputs, layer: int) -> Iterator[tuple[str, FloatArray]]:
    """The parameters of a layer, such as (G·H, I), by the names that they have in a network of this layer alone."""
    for direction in range(inputs.network.directions):
        for name, array in vars(inputs.parameters.layer(layer, direction)).items():
            yield parameter_name(0, direction, name), array


Arrays: TypeAlias = Mapping[str, Any]
"""Arrays of the library by name: parameters, or a state."""

Step: TypeAlias = Callable[[Any, Arrays], Arrays]
"""step(x, state): the new state, and perhaps other values, from the layer input (N, I) and the previous state."""


def cell_step(library: Library) -> Callable[[LayerTask, Arrays], Step]:
    """The step that computes the cell's lines on the arrays of a library."""
    return lambda task, parameters: partial(step_values, task.cell, parameters, library=library)


def unrolled(
    step_of: Callable[[LayerTask, Arrays], Step],
    to_library: Callable[[FloatArray], Any],
    to_numpy: Callable[[Any], FloatArray],
) -> RunLayer:
    """A way to run one layer; see `RunLayer`."""

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        step = step_of(task, {name: to_library(array) for name, array in vars(task.parameters).items()})
        state = {name: to_library(array) for name, array in task.state.items()}
        for done, t in enumerate(task.timesteps, start=1):
            values = step(to_library(task.x[t]), state)
            state = {name: values[name] for name in state}
            for name, series in task.series.items():
                series[t] = to_numpy(state[name])
            progress(done / len(task.x))
        return {name: to_numpy(array) for name, array in state.items()}

    return run_layer
