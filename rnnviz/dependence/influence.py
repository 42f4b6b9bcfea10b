"""The gradient of one hidden value with respect to every earlier hidden state and input.

It is one backward pass of one sample whose loss is this value, in float64, from the states that an engine stored. Its
norms over the units say how strongly each state and input influences the value, as in Madsen, "Visualizing memorization
in RNNs" (Distill, 2019).
"""

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.jacobians import Floats
from rnnviz.cells.interpreters.numpy_backward import NumpyBackward
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import allocate_array
from rnnviz.core.trace_index import Location, time_blocks
from rnnviz.dependence.gradient_flow import norm_of
from rnnviz.dependence.jacobian_norms import LaneSteps
from rnnviz.engines.base import Progress
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import followed
from rnnviz.verify.result import RunResult

_BLOCK_VALUES = 1 << 18
_LACKS = "The influence on {where} is not known: {engine} recorded too few hidden states."
_MOST_DECADES = 6.0
_NOTHING = 1e-290
"""Gradients up to this size are 0. Beyond them are subnormal numbers, which take a hundred times as long."""


@dataclass(frozen=True, eq=False)
class Influence:
    """The norms of the gradients of one hidden value.

    Attributes
    ----------
    engine:
        The engine whose states are read.
    where:
        The value.
    hidden:
        (L, D, T): the norm over the units of its gradient with respect to each hidden state; 0 where none reaches, and
        below 1e-290.
    inputs:
        (T,): that with respect to the input x_t.
    """

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


def lacks_states(where: Location, engine: str) -> str:
    """The sentence that an engine has too few hidden states for the influence on a value."""
    return _LACKS.format(where=where, engine=display_name(engine))


def is_known(result: RunResult, where: Location, engine: str) -> bool:
    """Whether an engine has all the hidden states that the influence on a value needs. A recording may lack some."""
    lanes = [(where.layer, where.direction)]
    lanes += [(layer, d) for layer in range(where.layer) for d in range(result.inputs.network.directions)]
    timesteps = result.inputs.timesteps
    return all(len(followed(result.inputs, result[engine], *lane)) == timesteps for lane in lanes)


def influence(
    result: RunResult, where: Location, engine: str | None = None, check: Progress = lambda fraction: None
) -> Influence:
    """The influence of every state and input of a sample on one of its hidden values.

    Raises rnnviz.InputError if the engine is a recording that lacks hidden states.
    """
    engine = result.reference.engine if engine is None else engine
    if not is_known(result, where, engine):
        raise InputError(lacks_states(where, engine))
    inputs, trace, network, timesteps = result.inputs, result[engine], result.inputs.network, result.inputs.timesteps
    directions, units = network.directions, network.output_size
    hidden: Floats = np.zeros((network.num_layers, directions, timesteps))
    above = _zeros(timesteps, directions * units)
    above[where.timestep, where.direction * units + where.unit] = 1.0
    for layer in reversed(range(where.layer + 1)):
        below = _zeros(timesteps, network.layer_input_size(layer))
        for direction in range(directions):
            done = (where.layer - layer) * directions + direction

            def lane_check(fraction: float, done: int = done) -> None:
                check((done + fraction) / ((where.layer + 1) * directions))

            steps = LaneSteps(inputs, trace, layer, direction, where.sample)
            direct = above[:, direction * units : (direction + 1) * units]
            hidden[layer, direction] = _run_lane(steps, direct, below, lane_check)
        above = below
    return Influence(trace.engine, where, hidden, norm_of(above))


def _zeros(timesteps: int, size: int) -> Floats:
    array: Floats = np.asarray(allocate_array("float64", (timesteps, size)))
    array[...] = 0.0
    return array


def _run_lane(steps: LaneSteps, direct: Floats, below: Floats, check: Progress) -> Floats:
    """The norms (T,) of the gradients of a lane's states; adds those of the layer input to `below` (T, I).

    `direct` (T, H) is the contribution of the layer above; in the lane of the value, 1 in its place.
    """
    network, backward = steps.inputs.network, steps.inputs.network.backward(steps.lane[1])
    norms: Floats = np.zeros(steps.inputs.timesteps)
    reached = np.flatnonzero(_any_left(direct))
    if not len(reached):
        return norms
    whole = range(int(reached[0]), steps.length) if backward else range(int(reached[-1]) + 1)
    layer = NumpyBackward(steps.cell, steps.parameters)
    carried = {symbol: np.zeros((1, size)) for symbol, size in steps.sizes.items()}
    length = max(1, _BLOCK_VALUES // (network.hidden_size * max(1, steps.cell.gate_count)))
    # In the order of the forward pass within a block, and of the backward pass from block to block.
    order = slice(None, None, -1 if backward else 1)
    done = 0
    for times in time_blocks(whole, length, backward=not backward):
        check(done / len(whole))
        done += times.stop - times.start
        x, before = steps.read(times)
        with np.errstate(all="ignore"):
            of = layer.run(
                *_of_one_sample(x, before, order),
                {},
                np.ascontiguousarray(direct[times][order][:, np.newaxis]),
                carried,
            )
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


def _of_one_sample(x: Floats, before: dict[str, Floats], order: slice) -> tuple[Floats, dict[str, Floats]]:
    """The layer input (B, 1, I) and the previous states (B, 1, H), in the order of the forward pass."""
    states = {name: np.ascontiguousarray(array[order][:, np.newaxis]) for name, array in before.items()}
    return np.ascontiguousarray(x[order][:, np.newaxis]), states
