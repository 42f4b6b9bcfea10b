"""How later values depend on earlier ones: by the Jacobians of a lane's steps, and through all lanes by the norms of a
hidden value's gradients, as in Madsen, "Visualizing memorization in RNNs" (Distill, 2019). And curves of gradients over
time: of the loss, of a selected value, and of single steps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.jacobians import EXACT_UP_TO, Floats, StepJacobians
from rnnviz.cells.interpreters.numpy_backward import NumpyBackward
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import allocate_array
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, lane_text, time_blocks
from rnnviz.dependence.gradient_flow import norm_of
from rnnviz.engines.base import Progress
from rnnviz.frozen import dataclass
from rnnviz.reading.arrays import ArrayReader
from rnnviz.steps.inputs import followed, layer_input
from rnnviz.verify.result import RunResult

_NORMS_EFFORT, _PRODUCT_EFFORT = 6e9, 1e9
"""About the number of multiplications of a second."""
_EFFORT_OF_CALLS = 1e5
"""Multiplications that take as long as the calls of a product."""
_BLOCK_VALUES, _BACKWARD_VALUES = 1 << 19, 1 << 18
_MOST_DECADES = 6.0
_NAMED, _COMPANIONS = 4, 2
"""The most lanes, and the most other states, whose curves have a name in the legend."""
_NOTHING = 1e-290
"""Gradients up to this size are 0. Beyond them are subnormal numbers, which take a hundred times as long."""


class LaneSteps:
    """The inputs and previous states of an engine's steps of one lane and sample, in float64."""

    def __init__(self, inputs: Inputs, trace: Trace, layer: int, direction: int, sample: int) -> None:
        self.inputs, self.trace = inputs, trace
        self.lane, self.sample = (layer, direction), sample
        self.cell, self.length = inputs.network.kind, inputs.length(sample)
        parameters = inputs.of_engine(trace.engine).parameters.layer(layer, direction)
        self.parameters = {name: array.astype(np.float64) for name, array in vars(parameters).items()}
        self._reader = ArrayReader(inputs, trace)

    @property
    def known(self) -> bool:
        """Whether the trace has all that the steps read. A recording may lack some of it."""
        return len(followed(self.inputs, self.trace, *self.lane)) == self.inputs.timesteps

    @property
    def weights(self) -> int:
        """The number of weights that a step multiplies with its previous state."""
        return sum(array.size for name, array in self.parameters.items() if array.ndim == 2 and name != "i2h_weight")

    @property
    def sizes(self) -> dict[str, int]:
        """H or P of each state by symbol."""
        return self.cell.state_sizes(self.inputs.network.sizes(self.lane[0]))

    def read(self, times: slice) -> tuple[Floats, dict[str, Floats]]:
        """The layer input (B, I), and the previous state (B, H) or (B, P) by name, of each of some time steps."""
        one = slice(self.sample, self.sample + 1)
        x = layer_input(self.inputs, self.trace, self.lane[0], times, one)[:, 0].astype(np.float64)
        sizes = self.sizes.items()
        return x, {s: self._reader.before(s, *self.lane, times, one, slice(0, size))[:, 0] for s, size in sizes}

    def jacobians(self, times: NDArray[np.int64]) -> StepJacobians:
        """The Jacobians of some time steps (B,), which ascend."""
        starts = np.flatnonzero(np.diff(times, prepend=-2) != 1)
        parts = [self.read(slice(int(run[0]), int(run[-1]) + 1)) for run in np.split(times, starts[1:])]
        x = np.concatenate([part for part, _ in parts])
        before = {symbol: np.concatenate([states[symbol] for _, states in parts]) for symbol in self.sizes}
        return StepJacobians(self.cell, self.parameters, x, before)


@dataclass(frozen=True, eq=False)
class JacobianNorms:
    """Spectral norms of Jacobians of one lane and sample (K,): of the `whole` state, and of h with the others fixed.

    `log_product` is the natural logarithm of the norm of the product of the last `product_steps` Jacobians of the whole
    state; if not `exact`, of the product with one random vector.
    """

    times: NDArray[np.int64]
    whole: Floats
    hidden: Floats
    product_steps: int
    log_product: float
    exact: bool

    @property
    def growth(self) -> float:
        """The mean factor per time step of the product: a geometric mean."""
        return float(np.exp(self.log_product / self.product_steps))


def jacobian_norms(steps: LaneSteps, check: Progress) -> JacobianNorms:
    """The spectral norms of the Jacobians of a lane, of as many steps as take about a second."""
    symbols = tuple(steps.sizes)
    size = sum(steps.sizes.values())
    effort = 60.0 * size**3 if size <= EXACT_UP_TO else 64.0 * steps.weights
    count = min(steps.length, max(16, int(_NORMS_EFFORT / effort)))
    times = np.unique(np.linspace(0, steps.length - 1, count).round().astype(np.int64))
    found: list[tuple[Floats, Floats]] = []
    for places in time_blocks(range(len(times)), _steps_at_once(steps), backward=False):
        of, go_on = steps.jacobians(times[places]), partial(check, 0.8 * places.start / len(times))
        whole = of.spectral_norms(symbols, go_on)
        found.append((whole, whole if len(symbols) == 1 else of.spectral_norms(symbols[:1], go_on)))
    whole, hidden = (np.concatenate(norms) for norms in zip(*found, strict=True))
    product_steps, log_product = _product(steps, size, lambda done: check(0.8 + 0.2 * done))
    return JacobianNorms(times, whole, hidden, product_steps, log_product, exact=size <= EXACT_UP_TO)


def _product(steps: LaneSteps, size: int, check: Progress) -> tuple[int, float]:
    """The number of multiplied steps, the last ones, and the logarithm of their product's norm or of its growth."""
    exact = size <= EXACT_UP_TO
    rows = np.eye(size) if exact else np.random.default_rng(0).normal(size=(1, size))
    effort = _EFFORT_OF_CALLS + len(rows) * steps.weights
    count = min(steps.length, max(16, int(_PRODUCT_EFFORT / effort)))
    backward = steps.inputs.network.backward(steps.lane[1])
    whole = range(count) if backward else range(steps.length - count, steps.length)
    if not exact:
        rows /= np.linalg.norm(rows)
    ends = np.cumsum(list(steps.sizes.values()))[:-1]
    d = dict(zip(steps.sizes, np.split(rows[:, np.newaxis], ends, axis=-1), strict=True))
    logarithm, done = 0.0, 0
    for times in time_blocks(whole, _steps_at_once(steps), backward=not backward):
        of = steps.jacobians(np.arange(times.start, times.stop))
        for place in range(of.steps)[:: 1 if backward else -1]:
            check(done / count)
            done += 1
            d = of.transposed(d, slice(place, place + 1))
            with np.errstate(all="ignore"):
                scale = float(np.sqrt(sum(np.square(array).sum() for array in d.values())))
            if scale == 0.0 or not np.isfinite(scale):
                return count, float(np.log(scale)) if scale else -np.inf
            logarithm += float(np.log(scale))
            d = {symbol: array / scale for symbol, array in d.items()}
    product = np.concatenate(list(d.values()), axis=-1)[:, 0]
    return count, logarithm + float(np.log(np.linalg.norm(product, 2)))


def _steps_at_once(steps: LaneSteps) -> int:
    return max(1, _BLOCK_VALUES // (sum(steps.sizes.values()) * max(1, steps.cell.gate_count)))


@dataclass(frozen=True, eq=False)
class Influence:
    """The norms of a hidden value's gradients by hidden states (L, D, T) and inputs (T,); 0 below 1e-290."""

    engine: str
    where: Location
    hidden: Floats
    inputs: Floats

    def at(self, layer: int | None, direction: int, timestep: int) -> float:
        """The norm of a hidden state of a lane, or without a layer of an input."""
        return float(self.inputs[timestep] if layer is None else self.hidden[layer, direction, timestep])

    @property
    def largest(self) -> float:
        """The largest finite norm; at least 1, that of the state that has the value."""
        return max(float(array.max(where=np.isfinite(array), initial=0.0)) for array in (self.hidden, self.inputs))

    @property
    def decades(self) -> float:
        """How many powers of ten below the largest norm are distinguished: as many as there are, from 1 to 6."""
        least = min(float(array.min(where=array > 0.0, initial=1.0)) for array in (self.hidden, self.inputs))
        return float(np.clip(np.ceil(np.log10(self.largest / least)), 1.0, _MOST_DECADES))


def is_known(result: RunResult, where: Location, engine: str) -> bool:
    """Whether an engine has all the hidden states that the influence on a value needs. A recording may lack some."""
    lanes = [(where.layer, where.direction)]
    lanes += [(layer, d) for layer in range(where.layer) for d in range(result.inputs.network.directions)]
    timesteps = result.inputs.timesteps
    return all(len(followed(result.inputs, result[engine], *lane)) == timesteps for lane in lanes)


def influence(
    result: RunResult, where: Location, engine: str | None = None, check: Progress = lambda fraction: None
) -> Influence:
    """The influence of every state and input of a sample on a hidden value; InputError if the engine lacks states."""
    engine = result.reference.engine if engine is None else engine
    if not is_known(result, where, engine):
        raise InputError(
            f"The influence on {where} is not known: {display_name(engine)} recorded too few hidden states."
        )
    inputs, trace, network, timesteps = result.inputs, result[engine], result.inputs.network, result.inputs.timesteps
    directions, units = network.directions, network.output_size
    hidden: Floats = np.zeros((network.num_layers, directions, timesteps))

    def of_lane(done: int, fraction: float) -> None:
        check((done + fraction) / ((where.layer + 1) * directions))

    above = _zeros(timesteps, directions * units)
    above[where.timestep, where.direction * units + where.unit] = 1.0
    for layer in reversed(range(where.layer + 1)):
        below = _zeros(timesteps, network.layer_input_size(layer))
        for direction in range(directions):
            done = (where.layer - layer) * directions + direction
            steps = LaneSteps(inputs, trace, layer, direction, where.sample)
            direct = above[:, direction * units : (direction + 1) * units]
            hidden[layer, direction] = _run_lane(steps, direct, below, partial(of_lane, done))
        above = below
    return Influence(trace.engine, where, hidden, norm_of(above))


def _zeros(timesteps: int, size: int) -> Floats:
    array: Floats = np.asarray(allocate_array("float64", (timesteps, size)))
    array[...] = 0.0
    return array


def _run_lane(steps: LaneSteps, direct: Floats, below: Floats, check: Progress) -> Floats:
    """Norms (T,) of a lane's gradients, from the layer above's (T, H); adds the input's to `below` (T, I)."""
    network, backward = steps.inputs.network, steps.inputs.network.backward(steps.lane[1])
    norms: Floats = np.zeros(steps.inputs.timesteps)
    reached = np.flatnonzero(_any_left(direct))
    if not len(reached):
        return norms
    whole = range(int(reached[0]), steps.length) if backward else range(int(reached[-1]) + 1)
    layer = NumpyBackward(steps.cell, steps.parameters)
    carried = {symbol: np.zeros((1, size)) for symbol, size in steps.sizes.items()}
    length = max(1, _BACKWARD_VALUES // (network.hidden_size * max(1, steps.cell.gate_count)))
    # In the order of the forward pass within a block, and of the backward pass from block to block.
    order = slice(None, None, -1 if backward else 1)
    done = 0
    for times in time_blocks(whole, length, backward=not backward):
        check(done / len(whole))
        done += times.stop - times.start
        x, before = steps.read(times)
        # (B, 1, I) and (B, 1, H), in the order of the forward pass.
        read = (np.ascontiguousarray(array[order][:, np.newaxis]) for array in (x, *before.values(), direct[times]))
        x, *states, of_output = read
        with np.errstate(all="ignore"):
            of = layer.run(x, dict(zip(before, states, strict=True)), {}, of_output, carried)
            norms[times] = norm_of(of.states[steps.cell.state_symbols[0]][order][:, 0])
            below[times] += of.x[order][:, 0]
        carried = of.before
        left = reached > times.stop - 1 if backward else reached < times.start
        if not left.any() and not any(_any_left(array).any() for array in carried.values()):
            break
    return norms


def _any_left(gradients: Floats) -> NDArray[np.bool_]:
    """Which rows (B, H) have a gradient that is not too small, or NaN."""
    return np.asarray(~(np.abs(gradients) <= _NOTHING).all(axis=-1))


@dataclass(frozen=True, eq=False)
class FlowCurve:
    """Norms over time (T,), with name and description; a `thin` curve has no name in the legend."""

    name: str
    why: str
    values: Floats
    thin: bool = False
    dashed: bool = False


def loss_curves(result: RunResult, where: Location, states: Mapping[str, Floats]) -> tuple[FlowCurve, ...]:
    """Norms of the gradients of the loss: of h in every lane, and of the other states in the selected one.

    `states` are the states of one sample by symbol, (L, D, T).
    """
    first, *lanes = _lane_curves(result, where, states["h"], "h of {lane}", "Norm of the gradient of h.")
    others = [
        FlowCurve(name, f"Norm of the gradient of {name} in the selected lane.", norms[where.index[:2]], dashed=True)
        for name, norms in states.items()
        if name != "h"
    ]
    return _within((first, *others[:_COMPANIONS], *lanes), result.inputs.length(where.sample))


def influence_curves(result: RunResult, influence: Influence) -> tuple[FlowCurve, ...]:
    """Norms of the gradients of a value, by the states of every lane that it depends on, and by the inputs."""
    why = "Norm of the gradient of the selected value with respect to h."
    lanes = _lane_curves(result, influence.where, influence.hidden, "to {lane}", why)
    why = "Norm of the gradient with respect to each input."
    inputs = FlowCurve("to the input", why, influence.inputs, dashed=True)
    return _within((*lanes, inputs), result.inputs.length(influence.where.sample))


def _lane_curves(result: RunResult, where: Location, norms: Floats, name: str, why: str) -> list[FlowCurve]:
    """A curve for each lane that a gradient reaches, that of `where` first. The last of many lanes have no names."""
    here = where.index[:2]
    lanes = [
        here,
        *(lane for lane in reversed(list(np.ndindex(norms.shape[:2]))) if lane != here and norms[lane].any()),
    ]
    return [
        FlowCurve(name.format(lane=lane_text(result.inputs.network, Location(*lane))), why, norms[lane], i >= _NAMED)
        for i, lane in enumerate(lanes)
    ]


def step_curves(result: RunResult, where: Location, norms: JacobianNorms) -> tuple[FlowCurve, ...]:
    """The spectral norms at every step, from those at some; of h alone, too, if there are more states."""
    symbols = result.inputs.network.kind.state_symbols
    whole = "h" if len(symbols) == 1 else f"({', '.join(symbols)})"
    curves = [(whole, "Largest factor by which a step can stretch a gradient of the whole state.", norms.whole)]
    if len(symbols) > 1:
        curves.append(("h", "The same of h alone, with the other states held fixed.", norms.hidden))
    times = np.arange(result.shape[2], dtype=np.float64)
    with np.errstate(all="ignore"):
        found = [(name, why, np.exp(np.interp(times, norms.times, np.log(values)))) for name, why, values in curves]
    return _within([FlowCurve(*each) for each in found], result.inputs.length(where.sample))


def _within(curves: Iterable[FlowCurve], length: int) -> tuple[FlowCurve, ...]:
    """The curves with NaN in padding."""
    return tuple(
        replace(curve, values=np.where(np.arange(len(curve.values)) < length, curve.values, np.nan)) for curve in curves
    )
