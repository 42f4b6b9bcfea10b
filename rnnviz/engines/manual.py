"""The manual recurrence: the cell's own lines, compiled into NumPy calls (`cells.interpreters.numpy_program`). Its
backward pass starts from stored states, and from gates stored in the trace's arrays of their gradients, which need no
more room; other values of a block of time steps are computed again."""

from collections.abc import Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from rnnviz.cells.interpreters.numpy_backward import NumpyBackward, pass_nothing
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import model_name
from rnnviz.core.gradients import gradient, gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.backward import Arrays, BackwardTask, BlockGradients, LanePass, run_stack_backward
from rnnviz.engines.base import EngineReport, LayerTask, Progress, file_version, run_stack
from rnnviz.engines.packing import PackedLanePass, run_packed


class ManualLayers:
    """Runs layers, or parts of them, one by one; see `engines.base.RunLayer`."""

    def __init__(self, kept: Iterable[str]) -> None:
        """`kept` are the values to give besides the states."""
        self._kept = tuple(kept)
        self._lane: tuple[int, int] | None = None
        self._programs: dict[int, NumpyProgram] = {}
        self._arranged: dict[Hashable, FloatArray] = {}

    def __call__(self, task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        p, (timesteps, samples, _) = task.parameters, task.x.shape
        if task.lane != self._lane:
            self._lane, self._programs, self._arranged = task.lane, {}, {}
        # A cell without recurrent rows has no recurrent product.
        step = samples * getattr(p, "h2h_weight", p.i2h_bias).size
        with threads_for(step, max(step, timesteps * samples * p.i2h_weight.size)):
            program = self._programs.get(samples)
            if program is None:
                program = NumpyProgram(task.cell, vars(p), samples, self._kept, arranged=self._arranged)
                self._programs = {samples: program}
            return program.run(task.x, task.state, task.series, backward=task.backward, progress=progress)


class ManualBackward:
    """A way to compute the gradients of one block of time steps after the other; see `engines.backward`."""

    def __init__(self, kept: Arrays) -> None:
        """`kept` are values (L, D, T, N, H) that the forward pass stored besides the states, by name."""
        self._kept = kept
        self._lane: tuple[int, int] | None = None
        self._layer: NumpyBackward

    def advance(self, task: BackwardTask) -> Arrays:
        series = {s: np.empty((*task.x.shape[:2], a.shape[1]), task.x.dtype) for s, a in task.state.items()}
        program = NumpyProgram(task.cell, vars(task.parameters), task.x.shape[1])
        return program.run(np.ascontiguousarray(task.x), task.state, series)

    def gradients(self, task: BackwardTask) -> BlockGradients:
        p, samples = task.parameters, task.x.shape[1]
        if task.lane != self._lane:
            self._lane, self._layer = task.lane, NumpyBackward(task.cell, vars(p))
        # The arrays of a backward direction are read in the order that they have in memory.
        reverse = task.direct.strides[0] < 0
        order = np.s_[:: -1 if reverse else 1]
        parts = {name: (task.state[name][np.newaxis], array[:-1]) for name, array in task.states.items()}
        before = {name: np.concatenate([a[order] for a in arrays][order]) for name, arrays in parts.items()}
        for b, (rows, state) in task.begins.items():
            for name, array in state.items():
                before[name][order][b, rows] = array
        step = samples * getattr(p, "h2h_weight", p.i2h_bias).size
        x, direct = np.ascontiguousarray(task.x[order]), task.direct[order]
        after = {**task.states, **{name: task.part(array) for name, array in self._kept.items()}}
        after = {name: array[order] for name, array in after.items()}
        pass_on = dict.fromkeys(np.flatnonzero(task.cuts).tolist(), pass_nothing) | dict(task.pass_on)
        found = self._layer.run(
            x, before, after, direct, task.final, pass_on, reverse=reverse, during_steps=threads_for(step, step)
        )
        over_time = {name: array[order] for name, array in (found.u | found.states).items()}
        # Of a gate that no state depends on, the gradient is zeros.
        for gate in set(task.cell.gate_symbols) - over_time.keys():
            over_time[gate] = np.zeros((*task.x.shape[:2], len(p.i2h_bias) // task.cell.gate_count), task.x.dtype)
        return BlockGradients(over_time, found.x[order], found.before, found.parameters)


class ManualEngine:
    """The cell's lines over every layer and direction."""

    version = f"numpy {np.__version__}"

    def __init__(self) -> None:
        self._kept: tuple[Trace | None, Arrays] = None, {}

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        # Infinities and NaNs are results to be shown, not accidents to be warned of.
        with np.errstate(all="ignore"):
            kept = {} if inputs.loss is None else _gates(inputs.network, trace)
            self._kept = trace, kept
            lengths = partial(run_packed, _cost_of_call)
            run_stack(inputs, trace, ManualLayers(kept), progress, run_lengths=lengths, kept=kept)
        return EngineReport()

    def states(self, network: Network) -> tuple[str, ...]:
        return network.kind.state_symbols

    def gradients(self, network: Network) -> tuple[str, ...]:
        return gradient_names(network)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        (forward, kept), self._kept = self._kept, (None, {})
        with np.errstate(all="ignore"):
            layer = ManualBackward(kept if forward is trace else {})
            longest = _block_length(inputs.network, inputs.batch_size)
            packs = inputs.lengths and all(s in trace for s in inputs.network.kind.state_symbols)
            run_stack_backward(inputs, trace, layer, progress, longest, PackedLanePass if packs else LanePass)
        return EngineReport()


class OtherWeightsEngine(ManualEngine):
    """The same with the weights of another file, `Inputs.weights`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.version = file_version(Path(model_name(name).path))


def _gates(network: Network, trace: Trace) -> Arrays:
    """The arrays of the gates' gradients, in which there is room for the gates until then."""
    named = set(network.graph.values) - set(network.kind.state_symbols)
    gates = (gate for gate in network.kind.gate_symbols if gate in named and gradient(gate) in trace)
    return {gate: trace[gradient(gate)] for gate in gates}


_BLOCK_VALUES = 1 << 20
"""The gates of a block of the backward pass: they stay in the processor's cache."""


def _block_length(network: Network, batch_size: int) -> int:
    """The number of time steps of a block, in which more is computed than the sums of the parameters' gradients."""
    weights = max(network.kind.parameter_count(network.sizes(k)) for k in range(network.num_layers))
    return max(1, max(_BLOCK_VALUES, 2 * weights) // (batch_size * network.kind.gate_count * network.hidden_size))


def _cost_of_call(weights: int) -> int:
    """The number of multiplications that cost as much as a call of a program."""
    return (1 << 20) + weights


_WORTH_SHARING, _NEVER_SHARED = 1 << 19, 1 << 13
"""Multiplications of a step's product from which on a second thread saves time, and those up to which OpenBLAS uses one
thread: setting a limit takes longer than the product."""


@cache
def _blas() -> ThreadpoolController:
    # Looking through the process's libraries takes milliseconds, and numpy's is there from the start.
    return ThreadpoolController().select(user_api="blas")


def threads_for(step: int, largest: int) -> AbstractContextManager[object]:
    """Limit BLAS to one thread for layers of few multiplications: in the recurrent product of a `step`, and in the
    `largest` of its products."""
    if step >= _WORTH_SHARING or largest <= _NEVER_SHARED:
        return nullcontext()
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit
