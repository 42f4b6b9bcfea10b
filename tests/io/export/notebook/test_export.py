"""A notebook recomputes the run with NumPy, and fails if one of its numbers differs."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import gradient_names
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.export.notebook import UNPACKED, WRITTEN_OUT, assignment, recorded, tolerances, write_notebook
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.factories import make_result, result_of, with_judgment
from tests.io.export.notebook.running import code_of, index_of, prose_of, read, run
from tests.oracles.recurrence import recurrence

CELLS = ["rnn_relu", "rnn_tanh", "lstm", "gru"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    cases(__file__)["networks"],
    ids=str,
)
def test_a_notebook_computes_the_results_of_the_oracle(tmp_path, network):
    result = make_result(**{"dtype": "float64", "num_layers": 2, **network})
    count = write_notebook(result, tmp_path / "run.ipynb")
    names, printed = run(code_of(tmp_path / "run.ipynb"))
    expected, layout = recurrence(result.inputs), result.config.network.layout
    out = expected.output.swapaxes(0, 1) if layout == "NTC" else expected.output
    tolerance = 1e-5 if result.config.network.dtype == "float32" else 1e-12
    np.testing.assert_allclose(names["out_numpy"], out, rtol=0, atol=tolerance)
    assert names["out_numpy"].dtype == result.config.network.dtype
    for layer, direction in np.ndindex(expected.hidden.shape[:2]):
        own = names[f"h_{'lr'[direction]}{layer}"]
        np.testing.assert_allclose(own, expected.hidden[layer, direction], rtol=0, atol=tolerance)
    np.testing.assert_array_equal(names["out"], result["gluon"].output_in(layout), strict=True)
    np.testing.assert_array_equal(names["state"][0], result["gluon"].state_h, strict=True)
    assert len(read(tmp_path / "run.ipynb").cells) == count
    assert network["cell"] not in CELLS or "projection_size" in network or printed.startswith("Without MXNet")


def test_unrolled_steps_equal_the_loop(tmp_path):
    for timesteps in (1, 2, 5):
        result = make_result(cell="lstm", timesteps=timesteps, bidirectional=True)
        write_notebook(result, tmp_path / "run.ipynb")
        cells = code_of(tmp_path / "run.ipynb")
        spelled = [k for k, source in enumerate(cells) if source.startswith("x = x0[")]
        assert len(spelled) == 2 * min(timesteps, 2)
        for place, t in zip(spelled, [0, 1, -1, -2] if timesteps > 1 else [0, -1], strict=True):
            names, _ = run(cells[: place + 1])
            side = 0 if t >= 0 else 1
            expected = recurrence(result.inputs).hidden[0, side, t, 0]
            np.testing.assert_allclose(names["h"], expected, rtol=0, atol=1e-6)


def test_the_inputs_equal_those_of_the_run_to_the_last_bit(tmp_path):
    result = make_result(cell="lstm", num_layers=2, bidirectional=True, hidden_size=12)
    write_notebook(result, tmp_path / "run.ipynb")
    names, _ = run(code_of(tmp_path / "run.ipynb"))
    inputs = result.inputs
    for name, array in inputs.parameters.items():
        np.testing.assert_array_equal(names[name], array, strict=True)
    np.testing.assert_array_equal(names["dat"], inputs.sequence.swapaxes(0, 1), strict=True)
    for own, array in zip(names["initial_state"], inputs.initial_state.values(), strict=True):
        np.testing.assert_array_equal(own, array, strict=True)
    np.testing.assert_array_equal(names["recorded_out"], result.reference.output_in("NTC"), strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_a_notebook_fails_when_any_one_parameter_is_another(tmp_path, cell):
    result = make_result(cell=cell, num_layers=2, bidirectional=True)
    write_notebook(result, tmp_path / "run.ipynb")
    cells = code_of(tmp_path / "run.ipynb")
    for name, array in result.inputs.parameters.items():
        perturbed = list(cells)
        # A unit that relu cuts off at every step would hide a smaller change.
        perturbed[index_of(cells, f"{name} = ")] += f"\n{name} = {name}.copy()\n{name}[{(1,) * array.ndim}] += 2"
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            run(perturbed)


def test_a_notebook_fails_in_the_lane_whose_recorded_number_is_another(tmp_path):
    write_notebook(make_result(cell="gru", num_layers=2, bidirectional=True), tmp_path / "run.ipynb")
    cells = code_of(tmp_path / "run.ipynb")
    place = index_of(cells, "recorded_r0 = ")
    assignment, comparison = cells[place].rsplit("\n", 1)
    cells[place] = f"{assignment}\nrecorded_r0[2, 1, 3] += 0.01\n{comparison}"
    run(cells[:place])
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 40"):
        run(cells[: place + 1])


def test_a_run_too_large_for_a_notebook_is_refused_and_a_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "run.ipynb"
    path.write_text("kept", encoding="utf-8")
    monkeypatch.setattr("rnnviz.io.export.notebook._MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="would contain 2 MiB of numbers, and at most 1 MiB are allowed"):
        write_notebook(make_result(timesteps=1000, batch_size=10, hidden_size=40), path)
    assert [(entry.name, entry.read_text(encoding="utf-8")) for entry in tmp_path.iterdir()] == [("run.ipynb", "kept")]


LENGTHS = (2, 5, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "way", "layout"),
    [
        *(("rnn_relu", "bidirectional", "NTC"), ("rnn_tanh", "reverse", "TNC"), ("lstm", "reverse", "NTC")),
        *(("gru", "bidirectional", "TNC"), ("gru", "forward", "NTC"), ("projection", "bidirectional", "TNC")),
    ],
)
def test_a_notebook_skips_padding(tmp_path, cell, way, layout):
    network = {"cell": "lstm", "projection_size": 3} if cell == "projection" else {"cell": cell}
    network |= {"layout": layout, "num_layers": 2, "dtype": "float64"}
    result = make_result(**network, batch_size=3, lengths=LENGTHS, **({way: True} if way != "forward" else {}))
    manual, x = result["manual"], np.array(result.inputs.sequence)
    for sample, length in enumerate(LENGTHS):
        x[length:, sample] = np.nan
    write_notebook(replace(result, inputs=replace(result.inputs, sequence=x)), tmp_path / "run.ipynb")
    names, _ = run(code_of(tmp_path / "run.ipynb"))
    np.testing.assert_allclose(names["out_numpy"], manual.output_in(layout), rtol=0, atol=1e-12)
    for layer, direction in np.ndindex(manual.shape[:2]):
        own = names[f"h_{'lr'[direction]}{layer}"]
        np.testing.assert_allclose(own, manual.hidden[layer, direction], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(names["lengths"], LENGTHS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "lengths", "backward"),
    [
        ({"cell": "lstm", "bidirectional": True, "num_layers": 2}, None, {"loss": "normal", "final_state": "normal"}),
        ({"cell": "gru", "bidirectional": True, "num_layers": 2}, [3, 6], {"final_state": "ones", "truncate": 2}),
        ({"cell": "gru_reset_before", "num_layers": 2}, None, {"value": [0, 0, 3, 1, 2]}),
        ({"cell": "lstm_coupled_peephole", "reverse": True}, [2, 6], {"truncate": 3}),
        ({"cell": "lstm", "projection_size": 2, "layout": "TNC"}, [6, 2], {"loss": "normal"}),
    ],
    ids=str,
)
def test_a_notebook_computes_the_backward_pass(tmp_path, network, lengths, backward):
    tables = {
        "network": {"input_size": 3, "hidden_size": 4, "dtype": "float64", **network},
        "sequence": {"timesteps": 6, "batch_size": 2, **({"lengths": lengths} if lengths else {})},
        "initial_state": {"source": "normal"},
        "compare": {"reference": "manual", "candidates": ["torch"]},
        "backward": {"enabled": True, **backward},
    }
    inputs = load_inputs(Config.from_mapping(tables))
    names = (*inputs.network.kind.state_symbols, *gradient_names(inputs.network))
    trace = trace_in_memory("manual", inputs.network, inputs.places, names)
    ManualEngine().run(inputs, trace, lambda _: None)
    ManualEngine().run_backward(inputs, trace, lambda _: None)
    write_notebook(result_of(inputs, {"manual": trace}), tmp_path / "run.ipynb")
    names, _ = run(code_of(tmp_path / "run.ipynb"))
    np.testing.assert_allclose(names["d_x0"], trace["grad.input"], atol=1e-12)
    np.testing.assert_allclose(names["grad_h_l0"], trace["grad.h"][0, 0], atol=1e-12)
    np.testing.assert_allclose(names["grad_out_l0"], trace["grad.out"][0, 0], atol=1e-12)
    for place, name in enumerate(inputs.network.kind.initializers()):
        found = names["d_parameters_l0"][place]
        np.testing.assert_allclose(found, trace[f"grad.parameters.l0_{name}"], atol=1e-12)


def test_gradients_are_compared_with_an_engine_that_has_all_of_them(tmp_path):
    result = make_result(gradients=("gluon", "manual"))
    lacking = {name: None for name in result["gluon"] if name.startswith("grad.") and "parameters" not in name}
    partial = result["gluon"].with_arrays(lacking)
    write_notebook(replace(result, traces={**result.traces, "gluon": partial}), tmp_path / "run.ipynb")
    assert "Compared with the gradients of manual." in prose_of(tmp_path / "run.ipynb")
    write_notebook(result_of(result.inputs, {"gluon": partial, "manual": partial}), tmp_path / "run.ipynb")
    assert "backward pass" not in prose_of(tmp_path / "run.ipynb")


def changed(index: tuple[int, ...], by: float) -> Callable[[Trace], None]:
    def edit(trace: Trace) -> None:
        trace.hidden[index] += by

    return edit


def unlike_in_the_last_digit(trace: Trace) -> None:
    trace.hidden[0, 0, -1, 1] = np.nextafter(trace.hidden[0, 0, -1, 1], 1)
    trace.output[-1, 1] = trace.state_h[0, 1] = trace.hidden[0, 0, -1, 1]


EXACT = {"rtol": 0.0, "atol": 0.0}
BUGS = "bug:no-h2h-bias", "bug:no-i2h-bias"
RUNS = {
    "right": ({}, ("gluon", True, True, "")),
    "gluon": ({"edits": {"gluon": changed((0, 0, 2, 1, 3), 0.5)}}, ("manual", True, False, "Gluon is wrong")),
    "drift": (
        {"edits": {"manual": unlike_in_the_last_digit}, "compare_with": EXACT},
        ("gluon", False, False, "differ by more than the tolerance"),
    ),
    "reference": ({"engines": (BUGS[0], "manual"), "cell": "gru"}, ("manual", True, True, "")),
    "all": ({"engines": BUGS, "cell": "gru"}, (BUGS[0], False, False, "Every engine of the run is wrong")),
    "recording": ({"engines": ("recording:golden.npz", "manual")}, ("manual", True, True, "")),
}


@pytest.mark.parametrize("name", RUNS)
def test_expected_values_are_those_of_an_engine_that_is_not_wrong(name, tmp_path):
    made, (engine, insists, insists_on_gluon, why) = RUNS[name]
    result = with_judgment(make_result(**made))
    if name == "recording":
        assert recorded(result).trace.engine == "recording:golden.npz"
        golden = replace(result.reference, missing=frozenset({"out"}))
        result = replace(result, traces={**result.traces, "recording:golden.npz": golden})
    known = recorded(result)
    assert (known.trace.engine, known.insists, known.insists_on_gluon) == (engine, insists, insists_on_gluon)
    assert why in known.why
    assert bool(why) == bool(known.why)
    write_notebook(result, tmp_path / "run.ipynb")
    run(code_of(tmp_path / "run.ipynb"))
    assert f"computed by {display_name(engine)}" in prose_of(tmp_path / "run.ipynb")


@pytest.mark.parametrize(
    ("dtype", "asked", "taken"),
    [("float32", {"rtol": 0.0, "atol": 0.0}, (1.3e-6, 1e-5)), ("float64", {"atol": 0.5}, (1e-7, 0.5))],
)
def test_the_tolerance_is_the_runs_but_no_stricter_than_the_dtypes(dtype, asked, taken):
    result = make_result(dtype=dtype, compare_with=asked)
    assert tolerances(result, result.reference) == taken
    coarse = replace(result.reference, precision="float16")
    assert tolerances(result, coarse)[0] == 1e-3


def assigned(array: FloatArray) -> tuple[FloatArray, str]:
    source = assignment("it", array)
    names = {"np": np, "base64": base64, "zlib": zlib}
    exec("\n".join([*UNPACKED, source]), names)
    return names["it"], source


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.data())
def test_any_floats_are_restored(dtype, data):
    shape = data.draw(arrays.array_shapes(max_dims=3))
    array = data.draw(arrays.arrays(dtype, shape))
    again, _ = assigned(array)
    np.testing.assert_array_equal(again, array, strict=True)
    known = ~np.isnan(array)
    np.testing.assert_array_equal(np.signbit(again)[known], np.signbit(array)[known])


def test_small_arrays_are_written_out_large_ones_packed_and_zeros_named():
    numbers = np.random.default_rng(5).uniform(0.1, 1.0, WRITTEN_OUT + 1)
    written, packed = assignment("it", numbers[:-1]), assignment("it", numbers)
    assert written.startswith("it = np.array([")
    assert repr(float(numbers[0])) in written
    assert packed.startswith("it = unpacked('''\n")
    assert assignment("it", np.zeros((2, 3), np.float32)) == "it = np.zeros((2, 3), 'float32')"
    assert max(map(len, f"{written}\n{packed}".splitlines())) <= 120
