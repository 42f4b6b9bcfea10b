"""Rounding bounds: true of what float32 and float64 programs compute."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec, Gate, ParameterSpec, Step, Values
from rnnviz.cells.activations import ACTIVATIONS, sigmoid, tanh
from rnnviz.cells.gru import GRU
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer, _limits_by_output, largest_magnitude
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, exact
from rnnviz.cells.lstm import LSTM, LSTM_PROJECTION
from rnnviz.cells.rnn import RNN_RELU
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def traced(layer: DrawnLayer, *, backward: bool = False) -> dict[str, NDArray[np.floating]]:
    out = layer.outputs()
    NumpyProgram(layer.cell, layer.parameters, layer.batch_size).run(layer.x, layer.state, out, backward=backward)
    return out


def ours(
    layer: DrawnLayer,
    own: dict[str, NDArray[np.floating]],
    units: NDArray[np.intp] | None,
    stored_as: str = "",
    *,
    backward: bool = False,
    narrowed: bool = True,
) -> dict[str, BoundedArray]:
    bounded = BoundedLayer(layer.cell, layer.parameters, units, 0.0, stored_as, stored_as)
    chosen = bounded.units
    carried = {name: bounded.leaf(array[:, chosen]) for name, array in layer.state.items() if name != "h"}
    mine = own if units is None else {name: array[:, :, units] for name, array in own.items()}
    before = layer.before(own["h"], backward=backward)
    mine = mine if narrowed else {}
    values, last = BoundedBlock(bounded, layer.x, before, mine, 0).follow(carried, backward=backward)
    return values | ({"last": last["c"]} if "c" in last else {})


@pytest.mark.parametrize("clip", [None, 0.25])
@pytest.mark.parametrize("name", sorted(ALL_CELLS))
def test_hidden_values_are_within_the_limits_of_the_cell(name, clip):
    cell = ALL_CELLS[name] if clip is None else ALL_CELLS[name].with_clip(clip)
    layer = draw_layer(cell, timesteps=20, scale=3.0)
    own = traced(layer)
    low, high = BoundedLayer(cell, layer.parameters).hidden_limits(layer.before(own["h"]))
    assert (own["h"] >= low).all()
    assert (own["h"] <= high).all()


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole"])
def test_hidden_values_narrow_a_cell_state_that_is_not_recorded(name):
    layer = draw_layer(ALL_CELLS[name], timesteps=400, scale=0.3)
    # It forgets nothing, so that the bound of c grows with every step.
    layer.parameters["i2h_bias"][:8] = np.repeat([-4.0, 12.0], 4)
    layer = layer.in_type("float32")
    own = traced(layer)
    narrow, free = ours(layer, {"h": own["h"]}, None), ours(layer, {"h": own["h"]}, None, narrowed=False)
    for state in ("c", "h"):
        assert np.median(narrow[state].bound[-1]) < 0.75 * np.median(free[state].bound[-1])
    assert (np.abs(own["c"] - narrow["c"].value) <= ALLOWED * narrow["c"].bound).all()


@pytest.mark.parametrize("name", ["lstm_projection", "gru_reset_before"])
def test_units_of_a_step_that_mixes_them_need_all(name):
    layer = draw_layer(CELLS[name])
    with pytest.raises(ValueError, match="computed from others"):
        BoundedLayer(layer.cell, layer.parameters, np.array([0]))


@pytest.mark.parametrize("name", ["rnn_tanh", "lstm", "lstm_peephole", "lstm_coupled", "gru"])
def test_some_units_are_computed_as_among_all(name):
    layer = draw_layer(CELLS[name], timesteps=30)
    own, units = traced(layer), np.array([1, 3])
    some, every = ours(layer, own, units), ours(layer, own, None)
    for key, value in some.items():
        np.testing.assert_allclose(value.value, every[key].value[..., units], rtol=1e-13)
        np.testing.assert_allclose(value.bound, every[key].bound[..., units], rtol=1e-6)


def test_a_wrong_state_is_outside_and_makes_no_later_step_wrong():
    layer = draw_layer(LSTM, timesteps=60, hidden_size=8).in_type("float32")
    # No other step reads the wrong value.
    layer.parameters["h2h_weight"][:] = 0.0
    own = traced(layer)
    own["h"][30, 0, 3] += 1e-3
    found = ours(layer, own, None)
    outside = np.abs(own["h"] - found["h"].value) > ALLOWED * found["h"].bound
    assert outside[30, 0, 3]
    assert outside.sum() == 1


def test_overflow_of_an_exponential_is_unknown():
    value = exact(np.array([80.0, 100.0, np.inf]), 2.0**-23).activated(ACTIVATIONS["exponential"])
    assert np.isfinite(value.bound[0])
    assert np.isposinf(value.bound[1])
    assert value.value[2] == np.inf


@pytest.mark.parametrize("bound", [0.0, 2.0**-20])
def test_limits_by_the_output_hold_the_state_and_are_tight(bound):
    """c is between the limits that h = o · tanh(c) gives, whatever an engine's rounding and the error of o were."""
    generator, eps = np.random.default_rng(3), 2.0**-23
    layer = BoundedLayer(LSTM, draw_layer(LSTM).in_type("float32").parameters)
    o, c = generator.uniform(0.05, 1.0, 20_000), generator.uniform(-3.0, 3.0, 20_000)
    moved = np.clip(o + generator.uniform(-1.0, 1.0, o.shape) * ALLOWED * bound, 0.0, 1.0).astype(np.float32)
    squashed = np.tanh(c).astype(np.float32)
    h = moved * np.nextafter(squashed, generator.choice([-2.0, 2.0], c.shape).astype(np.float32))
    low, high = _limits_by_output(layer, BoundedArray(o, np.full_like(o, bound), eps), h.astype(np.float64))
    assert ((low <= c) & (c <= high)).all()
    # Eight bounds of h, of a relative error of o and of a step of tanh, over its slope.
    size, slope = np.abs(np.tanh(c)), 1.0 - np.tanh(c) ** 2
    reach = ALLOWED * (bound * size + eps * o * (1.0 + size)) / np.maximum(o - ALLOWED * bound, 0.0)
    assert ((high - low)[reach < slope / 10] <= 2.5 * (reach / slope)[reach < slope / 10]).all()


def test_limits_by_a_closed_output_gate_are_infinite():
    layer = BoundedLayer(LSTM, draw_layer(LSTM).parameters)
    low, high = _limits_by_output(layer, BoundedArray(np.full(1, 1e-9), np.full(1, 1e-9), 2.0**-23), np.zeros(1))
    assert (low[0], high[0]) == (-np.inf, np.inf)


def unsquashed(u: Values, v: Values, state: Values, p: Values) -> Step:
    """h follows from the previous c, which has no limit, and from a gate named as h is."""
    h = sigmoid(u.h + v.h) * state.c
    return Step(c=h + u.h, h=h)


def test_a_state_that_is_not_h_has_no_limits():
    cell = CellSpec("unsquashed", "", unsquashed, (Gate("h", ""),), states=LSTM.states)
    low, high = BoundedLayer(cell, draw_layer(cell).parameters).hidden_limits(np.ones((2, 4)))
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()


def shared_parts(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The parts of a sum that something else reads, too."""
    return Step(h=tanh(u.a + v.a), x=u.a * v.a)


def test_the_sum_of_two_parts_has_their_bounds_alone():
    cell = CellSpec("shared", "", shared_parts, (Gate("a", ""),))
    layer = draw_layer(cell).in_type("float32")
    bounded = BoundedLayer(cell, layer.parameters)
    parts = bounded.parts(layer.x, layer.before(traced(layer)["h"]))
    u, v = (next(value for node, value in parts.items() if node.op == op) for op in "uv")
    np.testing.assert_array_equal((u + v).bound, u.bound + v.bound)
    assert (u + v).partial
    assert u.value.shape == (4, 3, 4)


@pytest.mark.parametrize("stored_as", ["", "float16"])
def test_rounding_of_recorded_values_widens_the_bounds_of_what_reads_them(stored_as):
    """By half a unit in the last place of every term, an eighth of which is in each of the eight bounds."""
    layer = draw_layer(CELLS["rnn_tanh"], timesteps=2).in_type("float32")
    hidden = layer.before(traced(layer)["h"])
    bounded, plain = (BoundedLayer(layer.cell, layer.parameters, None, 0.0, kind, kind) for kind in (stored_as, ""))
    (wide,), (narrow,) = (list(b.parts(layer.x, hidden).values()) for b in (bounded, plain))
    half = 2.0**-11 if stored_as else 0.0
    p = {name: np.abs(array.astype(np.float64)) for name, array in layer.parameters.items()}
    x, h = (np.maximum(np.abs(array.astype(np.float64)), 2.0**-14) for array in (layer.x, hidden))
    expected = half * (x @ p["i2h_weight"].T + h @ p["h2h_weight"].T) / ALLOWED
    np.testing.assert_allclose(wide.bound - narrow.bound, expected, rtol=1e-5, atol=1e-15)


def halved(u: Values, v: Values, state: Values, p: Values) -> Step:
    return Step(h=0.5 * state.h)


def test_a_step_that_reads_no_rows():
    cell = CellSpec("halved", "", halved, (Gate("a", ""),), recurrent_gates=())
    layer = draw_layer(cell)
    before = layer.before(traced(layer)["h"])
    values, _ = BoundedBlock(BoundedLayer(cell, layer.parameters), layer.x, before, {}, 0).follow({})
    np.testing.assert_array_equal(values["h"].value, 0.5 * before)
    np.testing.assert_allclose(values["h"].bound, 2.0**-52 * np.abs(0.5 * before), rtol=1e-9)


def test_the_scale_of_hidden_values_is_their_largest_magnitude_after_zeros():
    assert BoundedLayer(LSTM, draw_layer(LSTM).parameters).hidden_scale == 1.0
    assert BoundedLayer(RNN_RELU, draw_layer(RNN_RELU).parameters).hidden_scale == np.inf
    layer = draw_layer(LSTM_PROJECTION)
    scale = BoundedLayer(LSTM_PROJECTION, layer.parameters).hidden_scale
    np.testing.assert_array_equal(scale, np.abs(layer.parameters["h2r_weight"]).sum(axis=1))
    np.testing.assert_array_equal(largest_magnitude((np.array([-3.0, 0.0]), np.array([2.0, 0.0]))), [3.0, 1.0])


@pytest.mark.parametrize("stored_as", ["", "float16"])
def test_a_recorded_state_is_taken_with_its_own_rounding(stored_as):
    """After 17 steps: within eight roundings of the engine's type, and of the type it was stored in."""
    layer = draw_layer(LSTM, timesteps=17, scale=0.3).in_type("float32")
    layer.parameters["i2h_bias"][4:8] = 12.0
    own = traced(layer)
    last = ours(layer, own, None, stored_as)["last"]
    step = 2.0**-23 * np.abs(own["c"][16])
    if stored_as:
        step = step + 2.0**-11 * np.maximum(np.abs(own["c"][16]), 2.0**-14) / ALLOWED
    assert (last.bound <= step * (1.0 + 1e-6)).all()
    assert (np.abs(last.value - own["c"][16]) <= ALLOWED * step * (1.0 + 1e-6)).all()
    free = ours(layer, {"h": own["h"]}, None, stored_as, narrowed=False)["last"]
    assert (free.bound > last.bound).any()


def gate_of_both_states(u: Values, v: Values, state: Values, p: Values) -> Step:
    """An output gate that sees the new cell state and the previous h, unit by unit."""
    i, g = sigmoid(u.i + v.i), tanh(u.g + v.g)
    c = state.c + 0.1 * i * g
    o = sigmoid(u.o + v.o + 0.5 * c - 0.5 * state.h)
    return Step(c=c, o=o, h=o * tanh(c))


def gate_of_all_units(u: Values, v: Values, state: Values, p: Values) -> Step:
    """An output gate that sees the new cell state of every unit."""
    i, g = sigmoid(u.i + v.i), tanh(u.g + v.g)
    c = state.c + 0.1 * i * g
    o = sigmoid(u.o + v.o + 0.1 * (p.w @ c))
    return Step(c=c, o=o, h=o * tanh(c))


@pytest.mark.parametrize("step", [gate_of_both_states, gate_of_all_units])
def test_an_output_gate_that_reads_states_narrows_c(step):
    w = ParameterSpec("w", ("H", "H"), "weight")
    cell = CellSpec("both", "", step, tuple(Gate(k, k) for k in "igo"), states=LSTM.states, parameters=(w,))
    layer = draw_layer(cell, timesteps=170, scale=0.3).in_type("float32")
    own = traced(layer)
    narrow, free = ours(layer, {"h": own["h"]}, None), ours(layer, {"h": own["h"]}, None, narrowed=False)
    assert (narrow["last"].bound < 0.5 * free["last"].bound).any()
    assert (np.abs(own["c"] - narrow["c"].value) <= ALLOWED * narrow["c"].bound).all()


def test_what_is_unknown_stays_so_in_a_matrix_product():
    """Also where its weight is 0: the product is 0 of any number, but a NaN of infinity."""
    layer = draw_layer(LSTM_PROJECTION)
    layer.parameters["h2r_weight"][0] = 0.0
    size = layer.parameters["h2r_weight"].shape[1]
    bounded = BoundedLayer(layer.cell, layer.parameters)
    x = BoundedArray(np.ones((2, size)), np.zeros((2, size)), 2.0**-52)
    x.bound[1, 0] = np.inf
    (h2r,) = (node for node in bounded.graph.nodes if node.op == "matrix")
    product = bounded.product(h2r, x)
    np.testing.assert_array_equal(np.isposinf(product.bound).all(axis=1), [False, True])
    assert np.isfinite(product.bound[0]).all()


def test_a_state_that_is_read_has_the_bound_of_its_storage():
    layer = draw_layer(GRU).in_type("float32")
    before = layer.before(traced(layer)["h"])
    bounded = BoundedLayer(GRU, layer.parameters, None, 0.0, "float16", "")
    (h,) = (node for node in trace(GRU).nodes if node.op == "state")
    read = BoundedBlock(bounded, layer.x, before, {}, 0).leaf(h)
    np.testing.assert_array_equal(read.bound, np.maximum(np.abs(before, dtype=float), 2.0**-14) * 2.0**-10 / 16.0)
