"""The compiled program: its calls and its orders in memory."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CELLS, CellSpec, Gate, ParameterSpec, StateSpec, Step, Values
from rnnviz.cells.activations import clip, elu, sigmoid, tanh
from rnnviz.cells.gru import GRU
from rnnviz.cells.interpreters import layout
from rnnviz.cells.interpreters.numpy_program import NumpyProgram, listing
from rnnviz.cells.lstm import LSTM
from tests.cases import cases
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer, stepwise_states

LSTM_LISTING = cases(__file__)["lstm-listing"]


def run(layer: DrawnLayer, program: NumpyProgram, names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    out = layer.outputs(names)
    program.run(layer.x, layer.state, out)
    return out


def test_the_calls_of_an_lstm_are_listed_for_its_lines():
    assert listing(LSTM) == LSTM_LISTING


@pytest.mark.parametrize("name", ALL_CELLS)
def test_states_that_are_not_stored_are_still_computed(name):
    layer = draw_layer(ALL_CELLS[name], timesteps=5)
    for order in ("samples", "features"):
        kept = layer.outputs()
        final = NumpyProgram(layer.cell, layer.parameters, 3, (), order).run(layer.x, layer.state, kept)
        alone = {"h": np.empty_like(kept["h"])}
        other = NumpyProgram(layer.cell, layer.parameters, 3, (), order).run(layer.x, layer.state, alone)
        assert np.array_equal(alone["h"], kept["h"])
        assert all(np.array_equal(other[key], final[key]) for key in final)


def test_a_value_that_is_not_requested_is_not_computed():
    layer = draw_layer(LSTM)
    with pytest.raises(KeyError, match="computes h, c alone, but out has i, h, c"):
        NumpyProgram(LSTM, layer.parameters, 3).run(layer.x, layer.state, layer.outputs(("i",)))


def test_the_parameters_and_the_state_are_only_read():
    for name, cell in ALL_CELLS.items():
        layer = draw_layer(cell)
        before = {key: array.copy() for key, array in (layer.parameters | layer.state | {"x": layer.x}).items()}
        for array in (layer.parameters | layer.state | {"x": layer.x}).values():
            array.flags.writeable = False
        run(layer, NumpyProgram(cell, layer.parameters, 3))
        assert all(np.array_equal(array, before[k]) for k, array in (layer.parameters | layer.state).items()), name


def test_a_program_runs_again_and_final_states_are_the_caller_s():
    layer = draw_layer(LSTM)
    program, out = NumpyProgram(LSTM, layer.parameters, 3), layer.outputs()
    first = program.run(layer.x, layer.state, out)
    kept = {key: array.copy() for key, array in first.items()}
    second = program.run(layer.x, first, layer.outputs())
    assert all(np.array_equal(first[key], kept[key]) for key in kept)
    assert not np.array_equal(second["h"], first["h"])


def test_blocks_of_one_time_step(monkeypatch):
    """The state that goes from block to block is not overwritten where the next one begins."""
    layer = draw_layer(CELLS["gru_reset_before"], timesteps=6)
    expected = run(layer, NumpyProgram(layer.cell, layer.parameters, 3, ("r", "n")), ("r", "n"))
    for name in ("_BLOCK_BYTES", "_TILED_BLOCK_BYTES"):
        monkeypatch.setattr(layout, name, 1)
    seen: list[float] = []
    for order in ("samples", "features"):
        out, program = layer.outputs(("r", "n")), NumpyProgram(layer.cell, layer.parameters, 3, ("r", "n"), order)
        program.run(layer.x, layer.state, out, progress=seen.append)
        for key, array in expected.items():
            np.testing.assert_allclose(out[key], array, rtol=0.0, atol=1e-14)
    assert seen == [n / 6 for n in range(1, 7)] * 2


def test_infinities_and_nans_pass_through():
    layer = draw_layer(GRU).in_type("float32")
    layer.x[1, 0, 0], layer.state["h"][1, 2] = np.nan, np.inf
    with np.errstate(all="ignore"):
        h = run(layer, NumpyProgram(GRU, layer.parameters, 3))["h"]
    assert np.isfinite(h[0, 0]).all()
    assert np.isnan(h[1:, 0]).all()
    assert np.isfinite(h[:, 2]).all()


def coupled_by_interpolation(u: Values, v: Values, state: Values, p: Values) -> Step:
    """(1 - i) · c + i · g, where c may be infinite."""
    i = sigmoid(u.i + v.i)
    c = (1 - i) * state.c + i * sigmoid(u.g + v.g)
    return Step(i=i, c=c, h=sigmoid(c))


def test_an_infinite_state_stays_one():
    """a + z · (b - a) is only taken for (1 - z) · a + z · b where a has a limit: of infinity it would make a NaN."""
    cell = CellSpec("coupled", "", coupled_by_interpolation, LSTM.gates[:1] + LSTM.gates[2:3], states=LSTM.states)
    layer = draw_layer(cell)
    layer.state["c"][0, 0] = np.inf
    out = run(layer, NumpyProgram(cell, layer.parameters, 3))
    assert np.isposinf(out["c"][:, 0, 0]).all()


def test_the_cells_need_numpy_alone():
    script = (
        "import sys\nfrom rnnviz.cells.interpreters import numpy_program, bounded_backward, numpy_backward, symbols\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))\n"
        "print(*sorted({'.'.join(m.split('.')[:2]) for m in sys.modules if m.startswith('rnnviz.')}))"
    )
    answer = subprocess.run([sys.executable, "-S", "-c", _PATHS + script], capture_output=True, text=True, check=True)
    packages, parts = answer.stdout.splitlines()
    # Cython's runtime comes with NumPy.
    assert {p for p in packages.split() if not p.startswith(("_", "cython"))} == {"numpy", "rnnviz"}
    assert parts == "rnnviz.cells rnnviz.frozen"


_PATHS = f"import sys; sys.path[:0] = {sys.path!r}\n"


NAMES = [("half", "v"), ("u", "half"), ("product", "t0"), ("tanh", "add"), ("W_h2h", "product"), ("h_next", "all_u")]


@pytest.mark.parametrize(("parameter", "state"), NAMES)
def test_states_and_parameters_may_have_the_names_of_what_a_program_uses(parameter, state):
    def step(u, v, previous, p):
        new = sigmoid(u.a + v.a) * previous[state] + 0.5 * p[parameter]
        return Step(**{state: new, "h": tanh(new) + elu(1 - sigmoid(new))})

    states, parameters = (StateSpec("h"), StateSpec(state)), (ParameterSpec(parameter),)
    layer = draw_layer(CellSpec("x", "", step, (Gate("a", ""),), states=states, parameters=parameters))
    found, expected = run(layer, NumpyProgram(layer.cell, layer.parameters, 3)), stepwise_states(layer)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name][1:], rtol=0.0, atol=1e-14)


def test_a_step_that_reads_no_input():
    def step(u, v, state, p):
        return Step(h=0.5 * state.h)

    cell = CellSpec("halved", "", step, LSTM.gates[:1], recurrent_gates=())
    layer = draw_layer(cell, timesteps=3)
    h = run(layer, NumpyProgram(cell, layer.parameters, 3))["h"]
    np.testing.assert_array_equal(h, np.stack([0.5**t * layer.state["h"] for t in (1, 2, 3)]))


TERMS: dict[str, Callable[..., Any]] = {
    "a product of parameters": lambda h, y, z, cut: y * z,
    "a square": lambda h, y, z, cut: y * y,
    "products with one parameter": lambda h, y, z, cut: y * h - h * z,
    "a product in a product": lambda h, y, z, cut: y * (z * h),
    "a parameter": lambda h, y, z, cut: y,
    "a difference of parameters": lambda h, y, z, cut: y - z,
    "numbers": lambda h, y, z, cut: 0.5 - y * 0.5 + 0.25,
    "a clipped product": lambda h, y, z, cut: cut(y * h),
    "a state and a clipped parameter": lambda h, y, z, cut: h + cut(y),
}


@pytest.mark.parametrize("order", ["samples", "features"])
@pytest.mark.parametrize("term", TERMS)
def test_terms_beside_the_parts_of_a_sigmoid(term, order):
    """Each may be halved once, or not at all, to give 1 / (1 + exp(-sum))."""

    def step(u, v, state, p):
        return Step(h=sigmoid(u.a + v.a + TERMS[term](state.h, p.y, p.z, clip.with_constants(0.2))))

    cell = CellSpec(term, "", step, (Gate("a", ""),), parameters=(ParameterSpec("y"), ParameterSpec("z")))
    layer = draw_layer(cell, timesteps=1)
    out, p, h = layer.outputs(), layer.parameters, layer.state["h"]
    NumpyProgram(cell, p, 3, (), order).run(layer.x, layer.state, out)
    parts = layer.x[0] @ p["i2h_weight"].T + p["i2h_bias"] + h @ p["h2h_weight"].T + p["h2h_bias"]
    total = parts + TERMS[term](h, p["y"], p["z"], lambda x: np.clip(x, -0.2, 0.2))
    np.testing.assert_allclose(out["h"][0], 1 / (1 + np.exp(-total)), rtol=0.0, atol=1e-13)
