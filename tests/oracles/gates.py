"""Gates and cell states in plain Python, one number at a time, from the hidden states that an engine left."""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from tests.oracles.cell_loops import Layer, defaults_of, loop_of


class Activated(float):
    """The value of an activation, with its argument."""

    argument: float


def activated(function: Callable[[float], float], v: float) -> Activated:
    found = Activated(function(v))
    found.argument = v
    return found


def gates_of(
    inputs: Inputs, hidden: NDArray[np.floating], cells: NDArray[np.floating] | None = None
) -> dict[str, NDArray[np.float64]]:
    """By name ("i", "pre_i", "c") an array (L, D, T, N, H): what each step gives after the vector before it.

    `cells` are the engine's own cell states, which its peepholes read, if it records them.
    """
    cell = inputs.network.cell
    step = loop_of(cell)
    roles = {role: partial(activated, f) for role, f in defaults_of(cell).items()}
    found: dict[str, NDArray[np.float64]] = {}
    layers, directions, timesteps, samples, _ = hidden.shape
    for layer, direction, n in product(range(layers), range(directions), range(samples)):
        prefix, place = f"{'lr'[direction]}{layer}_", layer * directions + direction
        own = {name.removeprefix(prefix): a for name, a in inputs.parameters.items() if name.startswith(prefix)}
        parameters = Layer(own)
        names = inputs.network.kind.state_symbols
        initial = zip(names, inputs.initial_state.values(), strict=True)
        state = {name: array[place, n].tolist() for name, array in initial}
        for t in range(timesteps - 1, -1, -1) if direction else range(timesteps):
            x = inputs.sequence[t, n].tolist()
            if layer:
                x = [v for d in range(directions) for v in hidden[layer - 1, d, t, n].tolist()]
            for name, values in step(parameters, x, state, roles).items():
                numbers = {} if name == "h" else {name: values}
                if isinstance(values[0], Activated):
                    numbers[f"pre_{name}"] = [value.argument for value in values]
                for key, row in numbers.items():
                    found.setdefault(key, np.zeros(hidden.shape))[layer, direction, t, n] = row
                if name == "c":
                    state["c"] = values
            state["h"] = hidden[layer, direction, t, n].tolist()
            if cells is not None:
                state["c"] = cells[layer, direction, t, n].tolist()
    return found
