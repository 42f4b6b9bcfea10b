"""The backward pass over stacked layers in one or both directions, around any implementation of some steps of a lane.

Lanes from the top, each from its last computed step, in blocks that begin at the engine's own stored states: one block
is in memory. Gradients of the layer below are added up where they stay, in its "grad.out".

Automatic differentiation needs two graphs. In the first, each step reads the state before it, and a probe is added to
each new state: a leaf that has its gradient, and whose value is the stored state less this one. In the second, all
steps are samples of one step from the stored states: the other gradients come from few large products.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from itertools import pairwise, product
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, Library, leaf_of_parts, named_values
from rnnviz.cells.interpreters.graph import Node, evaluate
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.config import parameter_name
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.engines.base import PART_VALUES, Equality, Progress, layer_output
from rnnviz.frozen import dataclass

Arrays = Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class BackwardTask:
    """B time steps of a lane, in the order of the forward pass, in which the same S samples are computed.

    `x` (B, S, I) is the layer input; (S, U) by symbol are `state` before the first step, and `final`, the gradients of
    the states after the last one, from later steps and from the loss; `states` (B, S, U) those after each step that the
    trace has; `direct` (B, S, H) the gradients of h that do not come from the next step. `cuts` (B,) says where
    truncation lets no gradient pass to the step before; the first is False. `of` gives the block (B, S, U) of an array
    (T, N, U). `begins` has of rows of packed samples by step the rows in which a sample begins with its states, (S', U)
    by symbol; `pass_on` changes the gradients of the states before a step.
    """

    cell: CellSpec
    parameters: LayerParameters
    x: FloatArray
    state: Arrays
    states: Arrays
    direct: FloatArray
    final: Arrays
    cuts: NDArray[np.bool_]
    lane: tuple[int, int]
    times: slice
    samples: NDArray[np.intp]
    backward: bool
    of: Callable[[FloatArray], FloatArray]
    begins: Mapping[int, tuple[Sequence[int], Arrays]] = field(default_factory=dict)
    pass_on: Mapping[int, Callable[[Arrays], None]] = field(default_factory=dict)

    def part(self, array: FloatArray) -> FloatArray:
        """(B, S, U): the block of an array over time, (L, D, T, N, U)."""
        return self.of(array[self.lane])


@dataclass(frozen=True, eq=False)
class BlockGradients:
    """The gradients of a `BackwardTask`: of states and pre-activations `over_time` (B, S, U), as far as the trace has
    them, of the layer input `x` (B, S, I), of the `state` before the first step (S, U), and of the `parameters` by
    their names."""

    over_time: Arrays
    x: FloatArray
    state: Arrays
    parameters: Arrays


class BackwardLayer(Protocol):
    """How some time steps of a lane are computed."""

    def advance(self, task: BackwardTask) -> Arrays:
        """The states (S, U) after the last step; asked for only if the trace lacks a state."""

    def gradients(self, task: BackwardTask) -> BlockGradients:
        """The gradients of the steps."""


def run_stack_backward(
    inputs: Inputs,
    trace: Trace,
    layer: BackwardLayer,
    progress: Progress,
    longest: int | None = None,
    lane_type: "type[LanePass] | None" = None,
) -> None:
    """Fill the trace's gradients; parameters' gradients of several blocks are summed in float64."""
    network = inputs.network
    places = product(reversed(range(network.num_layers)), range(network.directions))
    lanes = [(lane_type or LanePass)(inputs, trace, layer, place) for place in places]
    for lane in lanes:
        lane.fill_direct()
    trace[OF_INPUT][:] = 0
    for place, lane in enumerate(lanes):

        def lane_progress(done: float, place: int = place) -> None:
            progress((place + done) / len(lanes))

        lane.run(longest, lane_progress)


_LARGEST_STACK = 1 << 27
"""How many values of states and gates a library's stack may hold for its gradients."""


def stack_gradient(inputs: Inputs) -> FloatArray | None:
    """The gradient of out (T, N, D·H) from which a library's stack of layers gives the gradients of a run. None if it
    would give others, as it has no truncation and returns the top layer's hidden values alone, or would hold too many
    values of all time steps."""
    network, loss = inputs.network, inputs.loss
    assert loss is not None
    top, shape = network.num_layers - 1, inputs.hidden_shape
    values = prod(network.hidden_shape(inputs.timesteps, inputs.batch_size)) * (network.kind.gate_count + 2)
    if loss.truncate or (loss.value and loss.value[0] < top) or values > _LARGEST_STACK:
        return None
    directs = (loss.direct(network, top, d, range(inputs.timesteps), inputs.batch_size) for d in range(shape[1]))
    return layer_output(np.stack([np.zeros(shape[2:], network.dtype) if d is None else d for d in directs]))


def stack_equalities(
    inputs: Inputs, trace: Trace, of_x: FloatArray, found: Sequence[FloatArray], known_issues: Mapping[str, str] = {}
) -> tuple[Equality, ...]:
    """Equalities of a library's stack of layers and its steps: gradients of the input, and `found`, gradients of the
    initial states and of the parameters in their order; see `Equality.known_issue`."""
    names = [OF_INPUT, *(gradient(f"{s}0") for s in inputs.network.kind.state_symbols)]
    names += [f"{OF_PARAMETERS}{name}" for name in inputs.network.parameter_shapes()]
    return tuple(
        Equality(f"the fused stack's {name} is that of the steps", array, trace[name], known_issues.get(name, ""))
        for name, array in zip(names, (of_x, *found), strict=True)
    )


@dataclass(frozen=True, eq=False)
class LaneBlock(ABC):
    """B time steps of S rows of a lane: samples, or packed ones."""

    times: slice
    samples: NDArray[np.intp]
    backward: bool

    @abstractmethod
    def of(self, array: FloatArray) -> FloatArray:
        """The block of an array (T, N, U) in the order of the forward pass, (B, S, U)."""

    @abstractmethod
    def put(self, array: FloatArray, values: FloatArray, *, add: bool = False) -> None:
        """Write the block of an array (T, N, U), or add to it."""


@dataclass(frozen=True, eq=False)
class _Part(LaneBlock):
    """Some time steps of a lane, and the samples that are computed in all of them, which may be every one."""

    every: bool

    def of(self, array: FloatArray) -> FloatArray:
        part = array[self.times] if self.every else array[self.times, self.samples]
        return part[::-1] if self.backward else part

    def put(self, array: FloatArray, values: FloatArray, *, add: bool = False) -> None:
        index = self.times if self.every else (self.times, self.samples)
        ordered = values[::-1] if self.backward else values
        if add and self.every:
            array[self.times] += ordered
        else:
            array[index] = array[index] + ordered if add else ordered

    @property
    def steps(self) -> range:
        """The time steps in the order of the forward pass."""
        return range(self.times.start, self.times.stop)[:: -1 if self.backward else 1]

    def begins(self, lengths: Sequence[int]) -> NDArray[np.bool_]:
        """(S,): whether the first step of a sample is the first one of the block."""
        first = self.steps[0]
        return np.array([lengths[n] == first + 1 if self.backward else first == 0 for n in self.samples])


class LanePass:
    """The backward pass of one lane, block by block."""

    def __init__(self, inputs: Inputs, trace: Trace, layer: BackwardLayer, lane: tuple[int, int]) -> None:
        assert inputs.loss is not None
        self._inputs, self._trace, self._layer, self._lane, self._loss = inputs, trace, layer, lane, inputs.loss
        self._network = inputs.network
        self._row = lane[0] * inputs.network.directions + lane[1]
        self._lengths = inputs.places.every_length
        self._backward = inputs.network.backward(lane[1])
        self._sums: dict[str, FloatArray] = {}

    def fill_direct(self) -> None:
        """Write the part of grad.out that comes from the loss: from out, or from the one value."""
        of_out, samples, timesteps = self._trace[OF_OUTPUT][self._lane], len(self._lengths), self._inputs.timesteps
        longest = max(1, PART_VALUES // (samples * self._network.output_size))
        for times in time_blocks(range(timesteps), longest, backward=False):
            direct = self._loss.direct(self._network, *self._lane, range(times.start, times.stop), samples)
            of_out[times] = 0 if direct is None else direct

    def run(self, longest: int | None, progress: Progress) -> None:
        """Fill the gradients of the lane; its parts of the gradients of the layer below are added."""
        trace, loss, symbols = self._trace, self._loss, self._network.kind.state_symbols
        blocks = self._blocks(longest)
        starts = self._start_states(blocks)
        carried = {s: np.array(array[self._row]) for s, array in loss.state.items()}
        initial = {s: trace[gradient(f"{s}0")][self._row] for s in symbols}
        done, whole = 0, sum(self._lengths)
        for block, start in zip(reversed(blocks), reversed(starts), strict=True):
            final = {s: array[block.samples] for s, array in carried.items()}
            found = self._layer.gradients(self._task(block, start, final, self._cuts(block.steps)))
            self._store(block, found)
            begins = block.begins(self._lengths)
            cut = loss.cuts(block.steps[0] + int(block.backward))
            for symbol in symbols:
                initial[symbol][block.samples[begins]] = found.state[symbol][begins]
                carried[symbol][block.samples[~begins]] = 0 if cut else found.state[symbol][~begins]
            done += len(block.steps) * len(block.samples)
            progress(done / whole)
        self._store_sums()

    def _store(self, block: LaneBlock, found: BlockGradients) -> None:
        """Write the gradients of a block, and add the gradients of the layer input and of the parameters to others."""
        # Sums that overflow are results to be shown.
        with np.errstate(all="ignore"):
            for name in self._trace.over_time():
                if name.startswith(GRADIENT) and name != OF_OUTPUT:
                    block.put(self._trace[name][self._lane], found.over_time[name.removeprefix(GRADIENT)])
            self._pass_down(block, found.x)
            for name, array in found.parameters.items():
                known = self._sums.get(name)
                self._sums[name] = array if known is None else np.add(known, array, dtype=np.float64)

    def _store_sums(self) -> None:
        with np.errstate(all="ignore"):
            for name, array in self._sums.items():
                self._trace[f"{OF_PARAMETERS}{parameter_name(*self._lane, name)}"][...] = array
        self._sums = {}

    def _blocks(self, longest: int | None) -> list[_Part]:
        """The blocks of the lane in the order of the forward pass."""
        network, count, backward = self._network, len(self._lengths), self._backward
        widest = network.kind.gate_count * network.hidden_size + network.input_size
        most = max(1, PART_VALUES // (count * widest))
        most = most if longest is None else min(most, longest)
        return [
            _Part(times, samples, backward, len(samples) == count)
            for part, samples in computed_parts(self._lengths, range(self._inputs.timesteps), backward=backward)
            if len(samples)
            for times in time_blocks(part, most, backward=backward)
        ]

    def _start_states(self, blocks: Sequence[_Part]) -> list[Arrays]:
        """The states (S, U) before each block: stored ones, or those that the layer computes from block to block."""
        carried = {s: np.array(array[self._row]) for s, array in self._inputs.initial_state.items()}
        stored = {s: self._trace[s][self._lane] for s in carried if s in self._trace}
        starts: list[Arrays] = []
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            goes_on = block.samples[~block.begins(self._lengths)]
            for symbol, series in stored.items():
                if len(goes_on):
                    before = block.steps[0] + (1 if block.backward else -1)
                    carried[symbol][goes_on] = series[before, goes_on]
            start = {symbol: array[block.samples] for symbol, array in carried.items()}
            starts.append(start)
            if len(stored) < len(carried) and following is not None:
                for symbol, array in self._layer.advance(self._task(block, start, {}, self._cuts(block.steps))).items():
                    carried[symbol][block.samples] = array
        return starts

    def _task(self, block: LaneBlock, state: Arrays, final: Arrays, cuts: NDArray[np.bool_]) -> BackwardTask:
        (k, direction), trace, kind = self._lane, self._trace, self._network.kind
        if k == 0:
            x = block.of(self._inputs.sequence)
        else:
            parts = [block.of(hidden) for hidden in trace.hidden[k - 1]]
            # It has the order in memory that all other arrays have.
            order = -1 if parts[0].strides[0] < 0 else 1
            x = np.concatenate([part[::order] for part in parts], axis=-1)[::order]
        return BackwardTask(
            cell=kind,
            parameters=self._inputs.parameters.layer(k, direction),
            x=x,
            state=state,
            states={s: block.of(trace[s][self._lane]) for s in kind.state_symbols if s in trace},
            direct=block.of(trace[OF_OUTPUT][self._lane]),
            final=final,
            cuts=cuts,
            lane=self._lane,
            times=block.times,
            samples=block.samples,
            backward=block.backward,
            of=block.of,
        )

    def _cuts(self, steps: range) -> NDArray[np.bool_]:
        """(B,): whether truncation lets no gradient pass from a step to the one before it."""
        if self._loss.truncate is None:
            return np.zeros(len(steps), np.bool_)
        return np.array([False, *(self._loss.cuts(max(pair)) for pair in pairwise(steps))])

    def _pass_down(self, block: LaneBlock, of_x: FloatArray) -> None:
        """Add the gradients of the layer input to those of the layer below, or of the sequence."""
        layer, _ = self._lane
        if layer == 0:
            block.put(self._trace[OF_INPUT], of_x, add=True)
            return
        size = self._trace.shape[-1]
        for direction, of_out in enumerate(self._trace[OF_OUTPUT][layer - 1]):
            block.put(of_out, of_x[..., direction * size : (direction + 1) * size], add=True)


LONGEST = 1024
"""The most time steps of a block: each step of a graph has many small arrays."""


@dataclass(frozen=True)
class Autograd:
    """The automatic differentiation of a library: arrays of which no gradient, or one, is asked for (`constant`,
    `leaf`), `numbers` of an array, the same values through which no gradient passes (`detached`), a context in which
    operations are recorded, and `gradients` of leaves, the last argument, from outputs and their gradients."""

    library: Library
    constant: Callable[[FloatArray], Any]
    leaf: Callable[[FloatArray], Any]
    numbers: Callable[[Any], FloatArray]
    detached: Callable[[Any], Any]
    recording: Callable[[], AbstractContextManager[object]]
    gradients: Callable[[Sequence[Any], Sequence[FloatArray], Sequence[Any]], list[Any]]


class StepGraph(ABC):
    """The steps of a block, as operations of a library."""

    @abstractmethod
    def step(self, b: int, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The states after step b by symbol, from those before it."""

    @abstractmethod
    def gradients(self, before: Arrays, of_states: Arrays) -> tuple[Arrays, FloatArray, Arrays]:
        """The gradients of all steps as samples of one step, from the states before and their gradients, (B·S, U) by
        symbol. They belong to the states and the pre-activations, as far as they are known, to the layer input (B·S,
        I), and to parameters."""


class AutogradLayer:
    """A `BackwardLayer` by a library's automatic differentiation."""

    def __init__(self, autograd: Autograd) -> None:
        self._autograd = autograd

    def graph(self, task: BackwardTask) -> StepGraph:
        """The steps of a task: the lines of the cell, unless a library has a layer that computes it."""
        return CellGraph(self._autograd, task)

    def advance(self, task: BackwardTask) -> Arrays:
        graph, library = self.graph(task), self._autograd
        state = {s: library.constant(array) for s, array in task.state.items()}
        for b in range(len(task.x)):
            state = dict(graph.step(b, state))
            state |= {s: library.constant(array[b]) for s, array in task.states.items()}
        return {s: library.numbers(array) for s, array in state.items()}

    def gradients(self, task: BackwardTask) -> BlockGradients:
        graph, library = self.graph(task), self._autograd
        after: dict[str, list[FloatArray]] = {s: [] for s in task.state}
        probes: list[Any] = []
        outputs: list[Any] = []
        of_outputs: list[FloatArray] = []
        with library.recording():
            start = {s: library.leaf(array) for s, array in task.state.items()}
            state: dict[str, Any] = start
            for b, cut in enumerate(task.cuts):
                if cut:
                    state = {s: library.detached(array) for s, array in state.items()}
                new = graph.step(b, state)
                for s in state:
                    computed = np.broadcast_to(library.numbers(new[s]), task.state[s].shape)
                    stored = task.states[s][b] if s in task.states else computed
                    probes.append(library.leaf(_difference(stored, computed)))
                    state = {**state, s: new[s] + probes[-1]}
                    after[s].append(stored)
                outputs.append(state["h"])
                of_outputs.append(task.direct[b])
            # MXNet reads only one gradient of an output.
            of_outputs[-1] = of_outputs[-1] + task.final["h"]
            outputs += [array for s, array in state.items() if s != "h"]
            of_outputs += [task.final[s] for s in state if s != "h"]
        found = library.gradients(outputs, of_outputs, [*start.values(), *probes])
        symbols, steps, samples = tuple(task.state), *task.x.shape[:2]
        of_start, of_probes = found[: len(symbols)], found[len(symbols) :]
        of_states = {s: np.concatenate(of_probes[place :: len(symbols)]) for place, s in enumerate(symbols)}
        before = {s: np.concatenate([task.state[s], *after[s][:-1]]) for s in symbols}
        over_time, of_x, of_parameters = graph.gradients(before, of_states)
        blocks = {s: array.reshape(steps, samples, -1) for s, array in over_time.items()}
        state = dict(zip(symbols, of_start, strict=True))
        return BlockGradients(blocks, of_x.reshape(task.x.shape), state, of_parameters)


def _difference(stored: FloatArray, computed: FloatArray) -> FloatArray:
    """The stored state less the computed one, 0 where both are the same infinity."""
    with np.errstate(all="ignore"):
        return np.subtract(stored, computed, out=np.zeros_like(stored), where=stored != computed)


class CellGraph(StepGraph):
    """The lines of a cell on the arrays of a library."""

    def __init__(self, autograd: Autograd, task: BackwardTask) -> None:
        self._autograd, self._task = autograd, task
        self._p = {name: autograd.constant(array) for name, array in vars(task.parameters).items()}
        steps, samples, features = task.x.shape
        self._x = np.ascontiguousarray(task.x).reshape(-1, features)
        parts = self._part("i2h", self._p, autograd.constant(self._x))
        self._u = {gate: array.reshape(steps, samples, -1) for gate, array in parts.items()}

    def _part(self, kind: str, p: Mapping[str, Any], read: Any) -> dict[str, Any]:
        """The input parts "i2h" or the recurrent parts "h2h" of each gate, (S, H)."""
        gates = self._task.cell.gate_symbols if kind == "i2h" else self._task.cell.recurrent_gates
        if not gates:
            return {}
        rows = self._autograd.library.product(read, p[f"{kind}_weight"]) + p[f"{kind}_bias"]
        size = rows.shape[1] // len(gates)
        return {gate: rows[:, k * size : (k + 1) * size] for k, gate in enumerate(gates)}

    def step(self, b: int, state: Mapping[str, Any]) -> Mapping[str, Any]:
        u, v = {gate: array[b] for gate, array in self._u.items()}, self._part("h2h", self._p, state["h"])
        values = named_values(self._task.cell, self._p, leaf_of_parts(self._p, u, v, state), self._autograd.library)
        return {s: values[s] for s in state}

    def gradients(self, before: Arrays, of_states: Arrays) -> tuple[Arrays, FloatArray, Arrays]:
        library, cell = self._autograd, self._task.cell
        values = graph_of(cell).values
        # Of states that are the same value, the first one has the whole gradient.
        symbols = {values[s]: s for s in reversed(list(of_states))}
        probes: dict[str, Any] = {}

        def probed(name: str, array: Any) -> Any:
            # A value of parameters alone is there once for all samples.
            probes[name] = library.leaf(np.zeros((len(self._x), array.shape[-1]), self._x.dtype))
            return array + probes[name]

        with library.recording():
            p = {name: library.leaf(array) for name, array in vars(self._task.parameters).items()}
            x, state = library.leaf(self._x), {s: library.constant(array) for s, array in before.items()}
            u = {gate: probed(f"u.{gate}", part) for gate, part in self._part("i2h", p, x).items()}
            v = self._part("h2h", p, state["h"])
            layer = ArrayLayer.of(cell, p, library.library)

            def apply(node: Node, args: Sequence[Any]) -> Any:
                value = layer.apply(node, args)
                return probed(symbols[node], value) if node in symbols else value

            found = evaluate(list(values.values()), leaf_of_parts(p, u, v, state), apply)
        wanted = [x, *p.values(), *probes.values()]
        of_nodes: dict[Node, FloatArray] = {}
        for s, array in of_states.items():
            of_nodes[values[s]] = of_nodes[values[s]] + array if values[s] in of_nodes else array
        # A state that a step only hands on contributes nothing to a parameter.
        given = {node: array for node, array in of_nodes.items() if node.op != "state"}
        with library.recording():
            # A state may be a parameter, which is there once for all samples, and may depend on no leaf.
            outputs = [found[node] + library.leaf(np.zeros_like(array)) for node, array in given.items()]
        arrays = library.gradients(outputs, list(given.values()), wanted)
        of_x, of_p = arrays[0], dict(zip(p, arrays[1:], strict=False))
        of_probes = dict(zip(probes, arrays[1 + len(p) :], strict=True))
        over_time = {gate: of_probes[f"u.{gate}"] for gate in cell.gate_symbols}
        totals = {s: of_nodes[node] for node, s in symbols.items()}
        return over_time | {s: of_probes.get(s, totals.get(s, array)) for s, array in of_states.items()}, of_x, of_p
