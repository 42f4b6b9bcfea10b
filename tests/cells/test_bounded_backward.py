"""Bounds of gradients: correct backward passes are within them, others are not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.activations import ACTIVATIONS, relu
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.bounded_backward import BoundedBackward, BoundedGradients
from rnnviz.cells.interpreters.numpy_backward import LayerGradients, NumpyBackward
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, exact
from tests.cells.layers import ALL_CELLS, Arrays, DrawnLayer, draw_layer
from tests.cells.test_random_steps import random_cell

MOST = 2.0
"""Bounds that a correct backward pass may be off; the audit allows `ALLOWED`."""


@dataclass
class BackwardPass:
    """The forward values and gradients that an engine computed in the type of its layer, of one lane."""

    layer: DrawnLayer
    before: Arrays
    after: Arrays
    direct: NDArray[np.floating]
    final: Arrays
    found: LayerGradients

    @classmethod
    def of(cls, layer: DrawnLayer, seed: int = 0) -> "BackwardPass":
        after, generator = layer.outputs(), np.random.default_rng(seed)
        NumpyProgram(layer.cell, layer.parameters, layer.batch_size).run(layer.x, layer.state, after)
        before = {k: np.concatenate([layer.state[k][np.newaxis], array[:-1]]) for k, array in after.items()}
        direct = generator.normal(size=after["h"].shape).astype(layer.x.dtype)
        final = {k: generator.normal(size=array.shape).astype(array.dtype) for k, array in layer.state.items()}
        found = NumpyBackward(layer.cell, layer.parameters).run(layer.x, before, after, direct, final)
        return cls(layer, before, after, direct, final, found)

    def followed(self, *, own: bool, part: slice = slice(None)) -> tuple[BoundedGradients, dict[str, BoundedArray]]:
        """The gradients with bounds, with the engine's gradients of all states or of h alone, and the parameters'."""
        layer = self.layer
        bounded = BoundedLayer(layer.cell, layer.parameters)
        hidden = self.after if own else {"h": self.after["h"]}
        block = BoundedBlock(bounded, layer.x, self.before["h"], hidden, 0)
        block.follow({k: bounded.leaf(array) for k, array in layer.state.items() if k != "h"}, whole=True)
        given = {k: array for k, array in self.found.states.items() if own or k == "h"}
        carried = {k: bounded.leaf(array) for k, array in self.final.items() if k not in given}
        backward = BoundedBackward(bounded, block, layer.x, self.before["h"])
        gradients = backward.gradients(given, carried)
        sums: dict = {}
        backward.add_parameters(gradients, sums)
        return gradients, {name: s.bounded() for name, s in sums.items()}

    def off(self, *, own: bool = True) -> Iterator[tuple[str, float]]:
        """How many bounds each gradient is off, at most."""
        bounded, parameters = self.followed(own=own)
        found, cell = self.found, self.layer.cell
        yield "x", bounds_off(found.x, bounded.x)
        for gate, d in found.u.items():
            yield f"u.{gate}", bounds_off(d, bounded.u[gate])
        for gate, d in found.v.items():
            yield f"v.{gate}", bounds_off(d, bounded.v[gate])
        for symbol, d in found.states.items():
            owed = bounded.before[symbol][1:]
            if symbol == "h":
                owed = owed + exact(self.direct[:-1].astype(np.float64), owed.eps)
            if symbol in bounded.within:
                owed = owed + bounded.within[symbol][:-1]
            yield symbol, bounds_off(d[:-1], owed)
            yield f"{symbol}0", bounds_off(found.before[symbol], bounded.before[symbol][0])
        for name, expected in parameters.items():
            name, _, gate = name.partition(".")
            array = found.parameters[name]
            if gate:
                gates = cell.gate_symbols if name.startswith("i2h") else cell.recurrent_gates
                array = array.reshape(len(gates), -1, *array.shape[1:])[gates.index(gate)]
            yield name, bounds_off(array, expected)


def bounds_off(found: NDArray[np.floating], expected: BoundedArray) -> float:
    off = np.abs(found - expected.value)
    with np.errstate(all="ignore"):
        return float(np.where(off == 0.0, 0.0, off / expected.bound).max(initial=0.0))


def draw(cell: CellSpec, seed: int, dtype: str = "float32", timesteps: int = 10, scale: float = 0.4) -> DrawnLayer:
    sizes = {"timesteps": timesteps, "batch_size": 5, "hidden_size": 9, "projection_size": 5 if cell.projects else None}
    return draw_layer(cell, seed, scale=scale, **sizes).in_type(dtype)


@pytest.mark.parametrize("name", ALL_CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_correct_backward_passes_are_within_the_bounds(name, dtype):
    """With the engine's own gradients of c, or with carried ones."""
    for seed in range(2):
        computed = BackwardPass.of(draw(ALL_CELLS[name], seed, dtype), seed)
        for own in (True, False):
            off = dict(computed.off(own=own))
            assert max(off.values()) < MOST, off


@pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 300), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_correct_backward_passes_of_random_cells(seeds):
    for seed in seeds:
        computed = BackwardPass.of(draw(random_cell(seed), seed))
        for own in (True, False):
            assert max(off for _, off in computed.off(own=own)) < MOST, seed


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_correct_backward_passes_with_every_activation(activation):
    for cell in (CELLS["lstm"], CELLS["gru"]):
        for role, _ in cell.activations:
            changed = cell.with_activations(**{role: activation})
            with np.errstate(all="ignore"):
                off = dict(BackwardPass.of(draw(changed, 1, timesteps=2, scale=0.2)).off())
            assert max(off.values()) < MOST, (role, off)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh", "lstm_projection", "gru_reset_before", "lstm_peephole"])
def test_other_backward_passes_are_not(name):
    """A gradient that is off by a ten-thousandth is found at its own step, and that of a parameter by a thousandth."""
    computed = BackwardPass.of(draw(CELLS[name], 0))
    h = computed.found.states["h"]
    h[5] *= 1.0001
    assert dict(computed.off())["h"] > ALLOWED
    computed = BackwardPass.of(draw(CELLS[name], 0))
    for parameter in computed.found.parameters.values():
        parameter *= 1.001
    off = dict(computed.off())
    assert min(off[parameter] for parameter in computed.layer.parameters) > ALLOWED


def test_the_slope_within_a_kink_is_unknown():
    """The bound of relu's slope is its jump where the sign of the argument is not known, and where it is 0."""
    p = BoundedArray(np.array([0.0, 1e-8, -1e-8, 1.0, -1.0, 0.0]), np.array([*np.full(5, 1e-7), 0.0]), 2.0**-23)
    slopes = p.slopes(relu, p.activated(relu))
    assert slopes.bound.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    assert slopes.value.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_eight_bounds_of_a_slope_hold_it_within_eight_bounds_of_the_argument(activation):
    generator = np.random.default_rng(0)
    p = BoundedArray(generator.uniform(-4.0, 4.0, 4000), 10.0 ** generator.uniform(-8.0, -0.3, 4000), 2.0**-23)
    slopes = p.slopes(activation, p.activated(activation))
    for x in np.linspace(p.value - ALLOWED * p.bound, p.value + ALLOWED * p.bound, 33):
        off = np.abs(activation.slopes(x, activation.values(x)) - slopes.value)
        assert (off <= 1.02 * ALLOWED * slopes.bound + 1e-15).all()
