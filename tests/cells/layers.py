"""Layers of every cell with random numbers that are nowhere zero, and hypothesis's strategy for them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec, Sizes
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.numpy_backward import LayerGradients, NumpyBackward
from rnnviz.core.trace_index import Location
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.explain.forward import UnitArithmetic
from rnnviz.explain.lines import Line

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: load_cell(path) for path in sorted((ROOT / "resources" / "cells").glob("*.py"))}
ALL_CELLS = CELLS | EXAMPLES
"""The cells of the program and those of its example files."""

Arrays = dict[str, NDArray[np.floating]]


def lines_of_step(cell: CellSpec, parameters: Arrays, x: Any, state: Arrays, unit: int, size: str) -> tuple[Line, ...]:
    """The lines of one unit of a step in float64."""
    return UnitArithmetic(cell, parameters, x, state, Location(unit=unit), size).lines()


@dataclass(frozen=True)
class DrawnLayer:
    """A layer in one direction: its parameters, its input x (T, N, I), and its initial state (N, H) or (N, P)."""

    cell: CellSpec
    sizes: Sizes
    parameters: Arrays
    x: NDArray[np.floating]
    state: Arrays

    @property
    def batch_size(self) -> int:
        return self.x.shape[1]

    def in_type(self, dtype: str) -> "DrawnLayer":
        """The same numbers, rounded to another type."""

        def cast(arrays: Arrays) -> Arrays:
            return {name: array.astype(dtype) for name, array in arrays.items()}

        return replace(self, parameters=cast(self.parameters), x=self.x.astype(dtype), state=cast(self.state))

    def outputs(self, names: tuple[str, ...] = ()) -> Arrays:
        """Arrays for the states and some other values over time, full of NaN: what is left out stays visible."""
        sizes = dict.fromkeys(names, self.sizes.hidden_size) | self.cell.state_sizes(self.sizes)
        shape = self.x.shape[:2]
        return {name: np.full((*shape, size), np.nan, self.x.dtype) for name, size in sizes.items()}

    def before(self, hidden: NDArray[np.floating], *, backward: bool = False) -> NDArray[np.floating]:
        """The hidden values that each step reads, (T, N, H), from those that it gives."""
        initial = self.state["h"][np.newaxis].astype(hidden.dtype)
        return np.concatenate([hidden[1:], initial] if backward else [initial, hidden[:-1]])


def draw_layer(
    cell: CellSpec,
    seed: int = 0,
    *,
    timesteps: int = 4,
    batch_size: int = 3,
    input_size: int = 3,
    hidden_size: int = 4,
    projection_size: int | None = 2,
    scale: float = 0.6,
) -> DrawnLayer:
    """A layer whose weights, biases and states are normal, in float64."""
    generator = np.random.default_rng(seed)
    sizes = Sizes(input_size, hidden_size, projection_size if cell.projects else None)
    return DrawnLayer(
        cell,
        sizes,
        {name: generator.normal(0.0, scale, shape) for name, shape in cell.parameter_shapes(sizes).items()},
        generator.normal(size=(timesteps, batch_size, input_size)),
        {name: generator.normal(size=(batch_size, size)) for name, size in cell.state_sizes(sizes).items()},
    )


def drawn_layers(cell: CellSpec) -> st.SearchStrategy[DrawnLayer]:
    """Layers of one cell with drawn sizes."""
    return st.builds(
        draw_layer,
        st.just(cell),
        st.integers(0, 2**32 - 1),
        timesteps=st.integers(1, 6),
        batch_size=st.integers(1, 5),
        input_size=st.integers(1, 6),
        hidden_size=st.integers(1, 7),
        projection_size=st.integers(1, 5),
        scale=st.floats(0.2, 0.8),
    )


def stepwise_states(layer: DrawnLayer) -> Arrays:
    """The states by the step's own operations, the initial one first: (T + 1, N, H) by name."""
    states = [layer.state]
    for x in layer.x:
        found = step_values(layer.cell, layer.parameters, x, states[-1])
        # A value of parameters alone is there once for all samples.
        states.append({name: np.broadcast_to(found[name], array.shape) for name, array in layer.state.items()})
    return {name: np.stack([state[name] for state in states]) for name in layer.state}


def gradients_of(
    layer: DrawnLayer, direct: NDArray[np.floating] | None, final: Arrays, **options: Any
) -> LayerGradients:
    """The gradients of the sum of direct · h (T, N, H) and of final · the last states (N, H)."""
    states = stepwise_states(layer)
    before, after = ({name: array[part] for name, array in states.items()} for part in (slice(-1), slice(1, None)))
    return NumpyBackward(layer.cell, layer.parameters).run(layer.x, before, after, direct, final, **options)
