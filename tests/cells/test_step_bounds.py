"""One step of the audit: the oracle's numbers, with bounds from the sizes of all terms, one by one."""

from math import sqrt

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.activations import relu, sigmoid, tanh
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.running_error import BoundedArray, exact
from tests.oracles.cell_loops import cell_values

SAMPLES, INPUTS, SIZE = 3, 5, 4
UNITS = np.array([3, 1])
"""The audited units, in an arbitrary order."""


Parameters = dict[str, np.ndarray]


def layer_of(cell: str, dtype: str = "float64", eps: float = 0.0) -> tuple[Parameters, BoundedLayer]:
    gates = len(CELLS[cell].gates)
    rng = np.random.default_rng(gates)
    rows = gates * SIZE
    shapes = {"i2h_weight": (rows, INPUTS), "h2h_weight": (rows, SIZE), "i2h_bias": (rows,), "h2h_bias": (rows,)}
    p = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return p, BoundedLayer(CELLS[cell], p, UNITS, eps)


def next_hidden(layer: BoundedLayer, x: np.ndarray, h: np.ndarray) -> BoundedArray:
    """h (M, U) from x (M, I) and h (M, H)."""
    values, _ = BoundedBlock(layer, x[np.newaxis], h[np.newaxis], {}, 0).follow({})
    return values["h"][0]


def read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (M, I), h (M, H) and c (M, H)."""
    rng = np.random.default_rng(9)
    return tuple(rng.normal(size=(SAMPLES, size)) for size in (INPUTS, SIZE, SIZE))


def affine(weight: np.ndarray, bias: np.ndarray, v: np.ndarray, row: int, eps: float) -> BoundedArray:
    """One sum of terms with its bound, over as many terms as both sums of a gate have."""
    terms = [float(w) * float(x) for w, x in zip(weight[row], v, strict=True)] + [float(bias[row])]
    value = sum(terms)
    bound = eps * (1 + sum(abs(term) for term in terms) + sqrt(INPUTS + SIZE) * abs(value))
    return BoundedArray(np.array([value]), np.array([bound]), eps)


def sums(
    p: Parameters, x: np.ndarray, h: np.ndarray, gate: int, unit: int, eps: float
) -> tuple[BoundedArray, BoundedArray]:
    row = gate * SIZE + unit
    return affine(p["i2h_weight"], p["i2h_bias"], x, row, eps), affine(p["h2h_weight"], p["h2h_bias"], h, row, eps)


def joined(a: BoundedArray, b: BoundedArray) -> BoundedArray:
    return BoundedArray(a.value + b.value, a.bound + b.bound, a.eps)


@pytest.mark.parametrize("cell", ["rnn_relu", "rnn_tanh", "gru"])
def test_a_step_equals_the_oracle_with_the_bounds_of_its_terms(cell):
    p, layer = layer_of(cell)
    x, h, _ = read()
    found = next_hidden(layer, x, h)
    assert found.value.shape == found.bound.shape == (SAMPLES, 2)
    expected_h = cell_values(cell, p, x[np.newaxis], {"h": h})["h"][0]
    for n, right in enumerate(expected_h):
        for place, unit in enumerate(UNITS):
            gates = [sums(p, x[n], h[n], gate, unit, layer.eps) for gate in range(len(layer.cell.gates))]
            if cell == "gru":
                r, z = sigmoid(joined(*gates[0])), sigmoid(joined(*gates[1]))
                new = tanh(gates[2][0] + r * gates[2][1])
                expected = (1 - z) * new + z * exact(h[n, [unit]], layer.eps)
            else:
                total = joined(*gates[0])
                expected = relu(total) if cell == "rnn_relu" else tanh(total)
            assert found.value[n, place] == pytest.approx(right[unit], abs=1e-14)
            assert found.bound[n, place] == pytest.approx(expected.bound[0], rel=1e-12, abs=0.0)


@pytest.mark.parametrize("backward", [False, True])
def test_an_lstm_passes_its_cell_state_and_its_bound_from_step_to_step(backward):
    p, layer = layer_of("lstm")
    xs = np.random.default_rng(2).normal(size=(3, SAMPLES, INPUTS))
    hs = np.random.default_rng(3).normal(size=(3, SAMPLES, SIZE))
    c0 = read()[2]
    found, carried = BoundedBlock(layer, xs, hs, {}, 0).follow({"c": exact(c0[:, UNITS], layer.eps)}, backward=backward)
    cells, hidden, last = found["c"], found["h"], carried["c"]
    for n in range(SAMPLES):
        c_right = c0[n]
        own = {unit: exact(c0[n, [unit]], layer.eps) for unit in UNITS}
        for t in reversed(range(3)) if backward else range(3):
            values = cell_values("lstm", p, xs[t : t + 1, n : n + 1], {"h": hs[t, n : n + 1], "c": c_right[np.newaxis]})
            right, c_right = values["h"][0, 0], values["c"][0, 0]
            for place, unit in enumerate(UNITS):
                i, forget, g, out = (joined(*sums(p, xs[t, n], hs[t, n], k, unit, layer.eps)) for k in range(4))
                own[unit] = sigmoid(forget) * own[unit] + sigmoid(i) * tanh(g)
                expected = sigmoid(out) * tanh(own[unit])
                assert cells.value[t, n, place] == pytest.approx(c_right[unit], abs=1e-14)
                assert cells.bound[t, n, place] == pytest.approx(own[unit].bound[0], rel=1e-12, abs=0.0)
                assert hidden.value[t, n, place] == pytest.approx(right[unit], abs=1e-14)
                assert hidden.bound[t, n, place] == pytest.approx(expected.bound[0], rel=1e-12, abs=0.0)
    end = 0 if backward else 2
    np.testing.assert_array_equal(last.value, cells.value[end])
    np.testing.assert_array_equal(last.bound, cells.bound[end])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_uses_the_coarser_of_weight_and_requested_precision(dtype):
    limits = np.finfo(dtype)
    for eps, expected in ((0.0, limits.eps), (1e-20, limits.eps), (2.0**-10, 2.0**-10)):
        assert layer_of("gru", dtype, eps)[1].eps == float(expected)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "h", "weight", "bias"])
def test_a_term_that_is_not_finite_decides_its_sum_and_leaves_the_bound_to_the_others(where, bad):
    p, _ = layer_of("rnn_relu")
    x, h, _ = read()
    arrays = {"x": x, "h": h, "weight": p["h2h_weight"], "bias": p["i2h_bias"]}
    places = {"x": (1, 2), "h": (1, 2), "weight": (UNITS[1], 0), "bias": UNITS[1]}
    arrays[where][places[where]] = 0.0
    quiet = next_hidden(BoundedLayer(CELLS["rnn_relu"], p, UNITS), x, h)
    arrays[where][places[where]] = bad
    with np.errstate(invalid="ignore"):
        found = next_hidden(BoundedLayer(CELLS["rnn_relu"], p, UNITS), x, h)
        for n in range(SAMPLES):
            right = np.maximum(p["i2h_weight"] @ x[n] + p["i2h_bias"] + p["h2h_weight"] @ h[n] + p["h2h_bias"], 0.0)
            for place, unit in enumerate(UNITS):
                value, bound = found.value[n, place], found.bound[n, place]
                np.testing.assert_allclose(value, right[unit], rtol=1e-12)
                touched = n == 1 if where in "xh" else place == 1
                assert np.isfinite(bound)
                if not touched:
                    assert (value, bound) == (quiet.value[n, place], quiet.bound[n, place])
