"""One step as the audit takes it: the textbook's numbers, with bounds made of the sizes of all terms, one by one."""

from math import sqrt

import numpy as np
import pytest

from rnnviz.core.cells import CELLS
from rnnviz.core.parameters import LayerParameters
from rnnviz.verify.running_error import BoundedArray, exact
from rnnviz.verify.step_bounds import (
    AuditedLayer,
    audited_layer,
    lstm_cells,
    lstm_gates,
    lstm_hidden,
    next_hidden,
)
from tests.oracles.recurrence import next_state

SAMPLES, INPUTS, SIZE = 3, 5, 4
UNITS = np.array([3, 1])
"""Which units are audited, in an order of their own."""


def layer_of(cell: str, dtype: str = "float64", eps: float = 0.0) -> tuple[LayerParameters, AuditedLayer]:
    gates = CELLS[cell].gate_count
    rng = np.random.default_rng(gates)
    rows = gates * SIZE
    shapes = (rows, INPUTS), (rows, SIZE), (rows,), (rows,)
    p = LayerParameters(*(rng.normal(size=shape).astype(dtype) for shape in shapes))
    return p, audited_layer(cell, gates, p, UNITS, eps)


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
    p: LayerParameters, x: np.ndarray, h: np.ndarray, gate: int, unit: int, eps: float
) -> tuple[BoundedArray, BoundedArray]:
    row = gate * SIZE + unit
    return affine(p.i2h_weight, p.i2h_bias, x, row, eps), affine(p.h2h_weight, p.h2h_bias, h, row, eps)


def joined(a: BoundedArray, b: BoundedArray) -> BoundedArray:
    return BoundedArray(a.value + b.value, a.bound + b.bound, a.eps)


def weights_of(p: LayerParameters) -> tuple[np.ndarray, ...]:
    return p.i2h_weight, p.h2h_weight, p.i2h_bias, p.h2h_bias


@pytest.mark.parametrize("cell", ["rnn_relu", "rnn_tanh", "gru"])
def test_a_step_has_the_textbooks_numbers_and_the_bounds_of_its_terms(cell: str) -> None:
    p, layer = layer_of(cell)
    x, h, _ = read()
    found = next_hidden(layer, x, h, h[:, UNITS])
    assert found.value.shape == found.bound.shape == (SAMPLES, 2)
    for n in range(SAMPLES):
        right = next_state(cell, weights_of(p), x[n], h[n], None)[0]
        for place, unit in enumerate(UNITS):
            gates = [sums(p, x[n], h[n], gate, unit, layer.eps) for gate in range(layer.gates)]
            if cell == "gru":
                r, z = joined(*gates[0]).sigmoid(), joined(*gates[1]).sigmoid()
                new = (gates[2][0] + r * gates[2][1]).tanh()
                expected = z.complement() * new + z * exact(h[n, [unit]], layer.eps)
            else:
                total = joined(*gates[0])
                expected = total.relu() if cell == "rnn_relu" else total.tanh()
            assert found.value[n, place] == pytest.approx(right[unit], abs=1e-14)
            assert found.bound[n, place] == pytest.approx(expected.bound[0], rel=1e-12, abs=0.0)


@pytest.mark.parametrize("backward", [False, True])
def test_an_lstm_carries_its_cell_state_and_what_is_not_sure_of_it_from_step_to_step(backward: bool) -> None:
    p, layer = layer_of("lstm")
    xs = np.random.default_rng(2).normal(size=(3, SAMPLES, INPUTS))
    hs = np.random.default_rng(3).normal(size=(3, SAMPLES, SIZE))
    c0 = read()[2]
    gates = [lstm_gates(layer, xs[t], hs[t]) for t in range(3)]
    f, i_g, o = (
        BoundedArray(*(np.stack([getattr(g[k], kind) for g in gates]) for kind in ("value", "bound")), layer.eps)
        for k in range(3)
    )
    cells, last = lstm_cells(f, i_g, exact(c0[:, UNITS], layer.eps), backward=backward)
    hidden = lstm_hidden(o, cells)
    for n in range(SAMPLES):
        c_right = c0[n]
        carried = {unit: exact(c0[n, [unit]], layer.eps) for unit in UNITS}
        for t in reversed(range(3)) if backward else range(3):
            right, c_right = next_state("lstm", weights_of(p), xs[t, n], hs[t, n], c_right)
            for place, unit in enumerate(UNITS):
                i, forget, g, out = (joined(*sums(p, xs[t, n], hs[t, n], k, unit, layer.eps)) for k in range(4))
                carried[unit] = forget.sigmoid() * carried[unit] + i.sigmoid() * g.tanh()
                expected = out.sigmoid() * carried[unit].tanh()
                assert cells.value[t, n, place] == pytest.approx(c_right[unit], abs=1e-14)
                assert cells.bound[t, n, place] == pytest.approx(carried[unit].bound[0], rel=1e-12, abs=0.0)
                assert hidden.value[t, n, place] == pytest.approx(right[unit], abs=1e-14)
                assert hidden.bound[t, n, place] == pytest.approx(expected.bound[0], rel=1e-12, abs=0.0)
    end = 0 if backward else 2
    np.testing.assert_array_equal(last.value, cells.value[end])
    np.testing.assert_array_equal(last.bound, cells.bound[end])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_is_judged_in_the_coarser_precision_of_its_weights_and_of_what_is_asked(dtype: str) -> None:
    limits = np.finfo(dtype)
    for eps, expected in ((0.0, limits.eps), (1e-20, limits.eps), (2.0**-10, 2.0**-10)):
        layer = layer_of("gru", dtype, eps)[1]
        assert (layer.eps, layer.largest) == (float(expected), float(limits.max))
    assert {array.dtype for array in (layer.i2h, layer.h2h, layer.i2h_bias, layer.h2h_bias)} == {np.dtype("float64")}
    assert {array.dtype for array in (layer.i2h_magnitude, layer.h2h_magnitude)} == {np.dtype(dtype)}


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "h", "weight", "bias"])
def test_a_term_that_is_not_finite_decides_its_sum_and_leaves_the_bound_to_the_others(where: str, bad: float) -> None:
    p, _ = layer_of("rnn_relu")
    x, h, _ = read()
    arrays = {"x": x, "h": h, "weight": p.h2h_weight, "bias": p.i2h_bias}
    places = {"x": (1, 2), "h": (1, 2), "weight": (UNITS[1], 0), "bias": UNITS[1]}
    arrays[where][places[where]] = 0.0
    quiet = next_hidden(audited_layer("rnn_relu", 1, p, UNITS), x, h, h[:, UNITS])
    arrays[where][places[where]] = bad
    with np.errstate(invalid="ignore"):
        found = next_hidden(audited_layer("rnn_relu", 1, p, UNITS), x, h, h[:, UNITS])
        for n in range(SAMPLES):
            right = np.maximum(p.i2h_weight @ x[n] + p.i2h_bias + p.h2h_weight @ h[n] + p.h2h_bias, 0.0)
            for place, unit in enumerate(UNITS):
                value, bound = found.value[n, place], found.bound[n, place]
                np.testing.assert_allclose(value, right[unit], rtol=1e-12)
                touched = n == 1 if where in "xh" else place == 1
                assert np.isfinite(bound)
                if not touched:
                    assert (value, bound) == (quiet.value[n, place], quiet.bound[n, place])
