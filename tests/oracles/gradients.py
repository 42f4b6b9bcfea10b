"""The gradients of a network by torch.autograd from plain loops in float64: sample by sample, step by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.cells.interpreters.arrays import gate_parts, leaf_of_parts, named_values
from rnnviz.core.gradients import OF_OUTPUT, LossGradient, gradient_names
from rnnviz.core.inputs import Inputs

torch = pytest.importorskip("torch")


def oracle_gradients(inputs: Inputs) -> dict[str, NDArray[np.float64]]:
    """Every gradient by its name in a trace.

    The lines of the cell are given PyTorch's functions; their values are compared with plain Python elsewhere.
    """
    from rnnviz.engines.torch import LIBRARY

    network, loss = inputs.network, inputs.loss
    assert loss is not None
    p = {name: _leaf(array) for name, array in inputs.parameters.items()}
    start = {s: _leaf(array) for s, array in inputs.initial_state.items()}
    x = _leaf(inputs.sequence)
    states: dict[tuple[str, int, int, int, int], Any] = {}
    total = torch.zeros((), dtype=torch.float64)
    for n in range(inputs.batch_size):
        times = range(inputs.length(n))
        below = [x[t, n][None] for t in times]
        for layer in range(network.num_layers):
            sides = []
            for direction in range(network.directions):
                prefix, row = f"{'lr'[direction]}{layer}_", layer * network.directions + direction
                own = {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}
                state = {s: array[row, n][None] for s, array in start.items()}
                backward, side = network.backward(direction), {}
                last = None
                for t in reversed(times) if backward else times:
                    if last is not None and loss.cuts(max(t, last)):
                        state = {s: array.detach() for s, array in state.items()}
                    u = gate_parts(network.kind.gate_symbols, own, "i2h", below[t], LIBRARY)
                    v = gate_parts(network.kind.recurrent_gates, own, "h2h", state["h"], LIBRARY)
                    values = named_values(network.kind, own, leaf_of_parts(own, u, v, state), LIBRARY)
                    state = {s: values[s] for s in state}
                    # The output is another node than the state that the next step reads.
                    side[t], last = state["h"] + 0.0, t
                    for s, array in (u | state | {"out": side[t]}).items():
                        array.retain_grad()
                        states[s, layer, direction, t, n] = array
                total = total + _final_part(loss, state, row, n)
                sides.append(side)
            below = [torch.cat([side[t] for side in sides], dim=1) for t in times]
        if loss.out is not None:
            total = total + sum((_tensor(loss.out[t, n]) * below[t][0]).sum() for t in times)
    if loss.value is not None:
        layer, direction, t, n, unit = loss.value
        total = total + states["out", layer, direction, t, n][0, unit]
    total.backward()
    found = {f"grad.parameters.{name}": _gradient(array) for name, array in p.items()}
    found |= {f"grad.{s}0": _gradient(array) for s, array in start.items()} | {"grad.input": _gradient(x)}
    for name in gradient_names(network):
        symbol = "h" if name == OF_OUTPUT else name.removeprefix("grad.")
        found[name] = np.zeros(network.hidden_shape(inputs.timesteps, inputs.batch_size, symbol))
    for (s, *index), array in states.items():
        found[f"grad.{s}"][tuple(index)] = _gradient(array)[0]
    return found


def _final_part(loss: LossGradient, state: Mapping[str, Any], row: int, n: int) -> Any:
    return sum((_tensor(given[row, n]) * state[s][0]).sum() for s, given in loss.state.items())


def _tensor(array: NDArray[np.floating]) -> Any:
    return torch.from_numpy(np.array(array, np.float64))


def _leaf(array: NDArray[np.floating]) -> Any:
    return _tensor(array).requires_grad_()


def _gradient(array: Any) -> NDArray[np.float64]:
    return np.zeros(array.shape) if array.grad is None else array.grad.numpy()
