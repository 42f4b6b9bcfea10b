"""The slope of the loss along a random direction of each array, by central differences in float64: no backward pass."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.core.config import lane_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace

Arrays = Mapping[str, NDArray[np.float64]]
_STEP = 2.0**-18


def slopes(inputs: Inputs, trace: Trace) -> Iterator[tuple[str, float, float]]:
    """The name of each gradient without time that the trace has, its slope, and that of finite differences.

    Both are relative to the largest that the trace's gradient could have along such a direction.
    """
    generator = np.random.default_rng(0)
    given = {f"grad.parameters.{name}": array for name, array in inputs.parameters.items()}
    given |= {f"grad.{s}0": array for s, array in inputs.initial_state.items()}
    given |= {"grad.input": inputs.sequence}
    given = {name: array.astype(np.float64) for name, array in given.items()}
    for name, array in given.items():
        along = generator.normal(size=array.shape)
        if name == "grad.input":
            along *= [[[t < inputs.length(n)] for n in range(inputs.batch_size)] for t in range(inputs.timesteps)]
        if name not in trace or name in trace.missing:
            continue
        below, above = (_loss(inputs, {**given, name: array + step * along}) for step in (-_STEP, _STEP))
        gradient = trace[name].astype(np.float64)
        scale = float(np.linalg.norm(gradient) * np.linalg.norm(along)) or 1.0
        yield name, float(np.vdot(gradient, along)) / scale, (above - below) / (2.0 * _STEP * scale)


def _loss(inputs: Inputs, given: Arrays) -> float:
    network, loss, total = inputs.network, inputs.loss, 0.0
    assert loss is not None
    lengths = np.array([inputs.length(n) for n in range(inputs.batch_size)])
    below = given["grad.input"]
    for layer in range(network.num_layers):
        sides = []
        for direction in range(network.directions):
            lane, prefix = layer * network.directions + direction, f"grad.parameters.{lane_name(layer, direction)}_"
            own = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
            state = {s: given[f"grad.{s}0"][lane] for s in network.kind.state_symbols}
            hidden = np.zeros((inputs.timesteps, inputs.batch_size, network.output_size))
            steps = range(inputs.timesteps)
            for t in reversed(steps) if network.backward(direction) else steps:
                new, computed = step_values(network.kind, own, below[t], state), (t < lengths)[:, np.newaxis]
                state = {s: np.where(computed, new[s], array) for s, array in state.items()}
                hidden[t] = np.where(computed, new["h"], 0.0)
            direct = loss.direct(network, layer, direction, steps, inputs.batch_size)
            total += 0.0 if direct is None else float((direct * hidden).sum())
            total += sum(float((loss.state[s][lane] * array).sum()) for s, array in state.items())
            sides.append(hidden)
        below = np.concatenate(sides, axis=-1)
    return total
