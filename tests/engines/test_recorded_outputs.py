"""Recorded outputs as an engine, and the reader of their files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core import npz
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine, check_recording, engines_in, open_recording, precision
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.engines.recordings import Arrays, network_inputs, recorded
from tests.engines.test_gradients import inputs_of, with_gradients
from tests.io.model_formats.damage import KINDS, damaged
from tests.oracles.computed import assert_agrees, computed
from tests.oracles.recurrence import recurrence
from tests.shared_worker import run_shared
from tests.strategies import configs

__all__ = ["run_shared"]


def engine_of(path: Path, arrays: Arrays) -> RecordedEngine:
    np.savez(path, **arrays)
    return RecordedEngine(f"recording:{path}")


@given(config=configs(), fortran=st.booleans(), bytes_at_once=st.sampled_from((16, 1 << 20)))
def test_every_number_is_at_its_index(tmp_path_factory, config, fortran, bytes_at_once):
    inputs = load_inputs(config)
    order: Any = "F" if fortran else "C"
    arrays = {name: np.asarray(array, order=order) for name, array in recorded(inputs).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "_PIECE_BYTES", bytes_at_once)
        trace, report = computed(engine_of(tmp_path_factory.mktemp("recorded") / "a.npz", arrays), inputs)
    assert (report.missing, report.precision) == (frozenset(), "")
    assert_agrees(trace, recurrence(inputs), 1e-6 if config.network.dtype == "float32" else 0.0)


def test_progress_reaches_the_whole(tmp_path):
    inputs = network_inputs()
    told: list[float] = []
    engine = engine_of(tmp_path / "a.npz", recorded(inputs))
    trace, _ = computed(engine, inputs)
    engine.run(inputs, trace, told.append)
    # An array at a time: hidden, output, state, cell, cell_state.
    np.testing.assert_allclose(told, np.cumsum([120, 60, 24, 120, 24]) / 348)
    assert engine.states(inputs.network) == ("h", "c")


@pytest.mark.parametrize(
    ("network", "kept", "missing"),
    [
        ({"cell": "lstm"}, ("hidden",), {"out", "state.h", "state.c"}),
        ({"cell": "rnn_tanh"}, ("hidden",), {"out", "state.h"}),
        ({"cell": "gru", "num_layers": 1, "layout": "NTC"}, ("output",), {"h", "state.h"}),
        ({"cell": "gru", "num_layers": 1, "layout": "TNC"}, ("output",), {"h", "state.h"}),
        ({"cell": "lstm", "timesteps": 1}, ("state", "cell_state"), {"h", "out"}),
        ({"cell": "lstm", "timesteps": 1}, ("state", "cell_state", "output"), {"h"}),
    ],
)
def test_arrays_that_follow_from_the_recorded_ones_are_filled_and_listed_as_missing(tmp_path, network, kept, missing):
    inputs = network_inputs(**network)
    arrays = recorded(inputs)
    trace, report = computed(engine_of(tmp_path / "a.npz", {name: arrays[name] for name in kept}), inputs)
    assert report.missing == missing
    np.testing.assert_array_equal(trace.hidden, arrays["hidden"])
    np.testing.assert_array_equal(trace.output_in(inputs.network.layout), arrays["output"])
    np.testing.assert_array_equal(trace.state_h, arrays["state"])
    assert "c" not in trace


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_another_type_or_not_finite_are_at_their_index(tmp_path, dtype, order):
    inputs = network_inputs()
    arrays = {name: np.asarray(array, dtype, order=order) for name, array in recorded(inputs).items()}
    arrays["hidden"][1, 0, 3, 1, 2], arrays["hidden"][0, 1, 0, 0, 0] = np.nan, -np.inf
    trace, report = computed(engine_of(tmp_path / "a.npz", arrays), inputs)
    assert report.precision == dtype
    np.testing.assert_array_equal(trace.hidden, arrays["hidden"].astype(np.float32))


def test_the_type_of_the_computation_is_reported_and_has_to_be_one(tmp_path):
    inputs = network_inputs()
    arrays = {"hidden": recorded(inputs)["hidden"].astype(np.float16)}
    _, report = computed(engine_of(tmp_path / "a.npz", {**arrays, "computed_in": np.array("float32")}), inputs)
    assert (report.precision, report.computed_in) == ("float16", "float32")
    arrays["hidden"] = arrays["hidden"].astype(np.float32)
    _, report = computed(engine_of(tmp_path / "a.npz", {**arrays, "computed_in": np.array("bfloat16")}), inputs)
    assert (report.precision, report.computed_in) == ("", "bfloat16")
    path = tmp_path / "b.npz"
    for text, shown in ((np.array("int8"), "int8"), (np.ones(3), "no short text")):
        with pytest.raises(InputError) as caught:
            computed(engine_of(path, {**arrays, "computed_in": text}), inputs)
        assert str(caught.value) == (
            f"computed_in in {path} is {shown}: it must be bfloat16, float16, float32 or float64, "
            'as np.array("float32") stores it.'
        )


def test_a_number_beyond_the_networks_floats_becomes_infinite_without_a_warning(tmp_path):
    inputs = network_inputs()
    hidden = recorded(inputs)["hidden"].astype(np.float64)
    hidden[1, 1, 2, 1, 0] = -1e300
    trace, _ = computed(engine_of(tmp_path / "a.npz", {"hidden": hidden}), inputs)
    assert trace.hidden[1, 1, 2, 1, 0] == -np.inf


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kept", [("output",), ("state",), ("output", "state")])
def test_values_that_a_recording_does_not_determine_are_nan_and_missing(tmp_path, layers, kept):
    inputs = network_inputs("gru", num_layers=layers)
    arrays = recorded(inputs)
    trace, report = computed(engine_of(tmp_path / "a.npz", {name: arrays[name] for name in kept}), inputs)
    trace = replace(trace, missing=report.missing)
    assert trace.partial == (layers == 2 or "output" not in kept)
    for layer, direction in np.ndindex(layers, 2):
        told = trace.recorded(layer, direction)
        whole = "output" in kept and layer == layers - 1
        last = 0 if direction else 4
        assert list(told) == (list(range(5)) if whole else [last] if "state" in kept else [])
        for timestep in range(5):
            lane = trace.hidden[layer, direction, timestep]
            if timestep in told:
                np.testing.assert_array_equal(lane, arrays["hidden"][layer, direction, timestep])
            else:
                assert np.isnan(lane).all()


def test_a_recording_that_no_longer_fits_is_refused_as_at_first(tmp_path):
    path, inputs = tmp_path / "a.npz", network_inputs()
    engine = engine_of(path, recorded(inputs))
    np.savez(path, **recorded(network_inputs(timesteps=4)))
    with pytest.raises(InputError, match=r"has the shape \(2, 2, 4, 2, 3\)"):
        computed(engine, inputs)


LENGTHS = (2, 5, 1)


def padded(*, bidirectional: bool = True, layers: int = 2) -> tuple[Inputs, Arrays]:
    """Samples of different lengths, and all that a recording may hold of them."""
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 3, "num_layers": layers, "bidirectional": bidirectional}
    sequence = {"batch_size": 3, "timesteps": 5, "lengths": list(LENGTHS)}
    inputs = load_inputs(Config.from_mapping({"network": network, "sequence": sequence}))
    trace, _ = computed(ManualEngine(), inputs)
    assert trace.cell is not None
    assert trace.state_c is not None
    arrays = {"hidden": trace.hidden, "output": trace.output_in("NTC"), "state": trace.state_h}
    return inputs, {**arrays, "cell": trace.cell, "cell_state": trace.state_c}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_state_is_that_of_each_samples_last_step(tmp_path, bidirectional):
    inputs, arrays = padded(bidirectional=bidirectional)
    for name in ("hidden", "state"):
        trace, _ = computed(engine_of(tmp_path / "a.npz", {name: arrays[name]}), inputs)
        np.testing.assert_array_equal(trace.state_h, arrays["state"])
        for sample, length in enumerate(LENGTHS):
            assert not trace.hidden[:, :, length:, sample].any()
            last = np.s_[:, 0, length - 1, sample]
            np.testing.assert_array_equal(trace.hidden[last], arrays["hidden"][last])
            if bidirectional:
                np.testing.assert_array_equal(trace.hidden[:, 1, 0, sample], arrays["hidden"][:, 1, 0, sample])


@pytest.mark.parametrize(
    ("lengths", "error"),
    [
        (LENGTHS, ""),
        ((2.0, 5.0, 1.0), ""),
        ((2, 5, 3), "is 3 for sample 2, expected 1"),
        ((2, 5, np.nan), "is nan for sample 2, expected 1"),
        ((2, 5), "has the shape (2,), expected (N,) = (3,)"),
        (5, "has the shape (), expected (N,) = (3,)"),
        (("a", "b", "c"), "must be real numbers"),
    ],
)
def test_recorded_lengths_are_those_of_the_run(tmp_path, lengths, error):
    inputs, arrays = padded()
    engine = engine_of(tmp_path / "a.npz", {**arrays, "lengths": np.array(lengths)})
    if not error:
        computed(engine, inputs)
        return
    with pytest.raises(InputError) as caught:
        computed(engine, inputs)
    assert error in str(caught.value)


def test_recorded_lengths_of_a_run_without_any_are_t(tmp_path):
    inputs = network_inputs()
    computed(engine_of(tmp_path / "a.npz", {**recorded(inputs), "lengths": np.array([5, 5])}), inputs)
    with pytest.raises(InputError):
        computed(engine_of(tmp_path / "a.npz", {**recorded(inputs), "lengths": np.array([5, 4])}), inputs)


def recorded_gradients(inputs: Inputs, prefix: str = "") -> Arrays:
    """The hidden states and all gradients of manual."""
    trace, _ = with_gradients(ManualEngine(), inputs)
    arrays = {"hidden": trace.hidden} | {name: array for name, array in trace.items() if name.startswith("grad.")}
    return {f"{prefix}{name}": array for name, array in arrays.items()}


@pytest.fixture(scope="module")
def inputs():
    """Of a run with lengths and a backward pass."""
    return inputs_of("lstm", {}, [3, 7, 5])


@pytest.mark.parametrize("prefix", ["", "torch."])
def test_every_recorded_gradient_is_read(inputs, prefix, tmp_path):
    arrays = recorded_gradients(inputs, prefix)
    np.savez(tmp_path / "a.npz", **arrays)
    trace, report = with_gradients(RecordedEngine(f"recording:{tmp_path / 'a.npz'}"), inputs)
    assert report.missing == frozenset()
    for name, array in arrays.items():
        if "grad" in name:
            np.testing.assert_array_equal(trace[name.removeprefix(prefix)], array)


def test_a_gradient_of_another_shape_is_refused_in_a_run_with_a_backward_pass(inputs, tmp_path):
    arrays = recorded_gradients(inputs)
    arrays["grad.input"] = arrays["grad.input"].swapaxes(0, 1)
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"grad\.input in .* expected \(T, N, I\) = \(7, 3, 3\)"):
        check_recording(open_recording(f"recording:{tmp_path / 'a.npz'}"), inputs)


@pytest.mark.parametrize("kept", ["grad.parameters.", "grad.h"])
def test_a_run_has_the_gradients_of_a_recording_and_no_others(kept, tmp_path, run_shared):
    inputs = inputs_of("lstm", {}, None, num_layers=1, bidirectional=False)
    arrays = {
        name: array for name, array in recorded_gradients(inputs).items() if name == "hidden" or name.startswith(kept)
    }
    np.savez(tmp_path / "a.npz", **arrays)
    mapping = inputs.config.to_mapping()
    name = f"recording:{tmp_path / 'a.npz'}"
    config = Config.from_mapping({**mapping, "compare": {"reference": "manual", "candidates": [name]}})
    result = run_shared(config)
    trace = result.traces[name]
    assert {found for found in trace if found.startswith("grad.")} == arrays.keys() - {"hidden"}
    assert not any(found.startswith("grad.") for found in trace.missing)
    (comparison,) = result.comparisons
    found = comparison.gradients
    assert found.keys() == arrays.keys() - {"hidden"}
    assert not any(one.mismatched for one in found.values())


SAVED: dict[str, Callable[..., None]] = {"stored": np.savez, "compressed": np.savez_compressed}


def outcome_of(path: Path, inputs: Inputs, whole: Trace) -> str:
    """The sentence of a refusal, or "" if every array is read as it was recorded."""
    try:
        trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    except InputError as error:
        return str(error)
    for name in (whole.keys() & trace.keys()) - report.missing:
        np.testing.assert_array_equal(trace[name], whole[name])
    return ""


@pytest.mark.parametrize("cases", [20, pytest.param(500, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("how", SAVED)
def test_a_damaged_recording_is_refused_in_a_sentence_or_read_as_it_was_recorded(tmp_path, how, cases):
    inputs, path = network_inputs(), tmp_path / "golden.npz"
    SAVED[how](path, **recorded(inputs))
    content = path.read_bytes()
    whole, _ = computed(RecordedEngine(f"recording:{path}"), inputs)
    sentences = []
    for seed in range(cases):
        path.write_bytes(damaged(content, Random(seed), KINDS[seed % len(KINDS)]))
        sentences.append(outcome_of(path, inputs, whole))
    refused = list(filter(None, sentences))
    assert len(refused) > cases // 4
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in refused)


SOUGHT = "a recording holds hidden, output or state, alone or after an engine's name and a dot."


def save(path: Path, *owners: str, **arrays: Any) -> Path:
    """An archive in which each owner has these arrays; "" has them without a name."""
    np.savez(
        path, **{f"{owner}.{name}" if owner else name: a for owner in owners or ("",) for name, a in arrays.items()}
    )
    return path


def refusal(path: Path, inputs: Inputs, **changes: Any) -> str:
    """Why a recording is refused in which these arrays stand in for the right ones; None leaves one out."""
    arrays = {**recorded(inputs), **changes}
    save(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError) as caught:
        check_recording(open_recording(f"recording:{path}"), inputs)
    return str(caught.value)


def said_of(path: Path, engine: str = "") -> str:
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}{engine}")
    return str(caught.value)


def test_the_arrays_are_found_without_a_name_and_after_the_only_engine_s(tmp_path):
    for owner in ("", "manual", "./my.port.py"):
        path = save(tmp_path / "a.npz", owner, hidden=np.ones(2), state=np.ones(2), lengths=np.ones(2))
        recording = open_recording(f"recording:{path}")
        prefix = f"{owner}." if owner else ""
        assert recording.arrays == {"hidden": f"{prefix}hidden", "state": f"{prefix}state"}


def test_of_several_engines_one_must_be_named(tmp_path):
    path = save(tmp_path / "a.npz", "manual", "bug:no-h2h-bias", hidden=np.ones(2))
    assert engines_in(path) == ("manual", "bug:no-h2h-bias")
    assert open_recording(f"recording:{path}#manual").arrays == {"hidden": "manual.hidden"}
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}")
    assert str(caught.value) == (
        f"{path} has outputs of manual and bug:no-h2h-bias: name one of them, "
        f"recording:{path}#manual or recording:{path}#bug:no-h2h-bias."
    )
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}#gluon")
    assert str(caught.value) == (f'{path} has no arrays of the engine "gluon": it holds manual and bug:no-h2h-bias.')


def test_a_file_without_recorded_outputs_is_refused_with_its_arrays(tmp_path):
    path = save(tmp_path / "a.npz", **{f"weight_{k}": np.ones(1) for k in range(8)})
    assert said_of(path) == f"{path} holds weight_0, weight_1, weight_2, weight_3, weight_4 and 3 more: {SOUGHT}"
    assert said_of(path, "#manual") == (
        f'{path} has no arrays of the engine "manual": no array in it has an engine\'s name.'
    )
    assert engines_in(path) == ()


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], "no array"),
        (["b"], "b"),
        (["a\n\x1b[31m", "b" * 300], rf"a\n\x1b[31m and {'b' * 57}..."),
        (["c", "a", "b"], "a, b and c"),
        (["f", "e", "d", "c", "b", "a"], "a, b, c, d, e and f"),
        (["g", "f", "e", "d", "c", "b", "a"], "a, b, c, d, e and 2 more"),
        (["manual.cell", ".hidden", "manual.hidden.bias"], ".hidden, manual.cell and manual.hidden.bias"),
    ],
    ids=len,
)
def test_the_arrays_of_a_file_are_listed_in_order_and_cut(tmp_path, names, listed):
    path = save(tmp_path / "a.npz", **{name: np.ones(1) for name in names})
    assert said_of(path) == f"{path} holds {listed}: {SOUGHT}"
    assert engines_in(path) == ()


def test_unnamed_arrays_are_preferred_to_those_of_an_engine(tmp_path):
    path = tmp_path / "a.npz"
    for kind in ("hidden", "output", "state"):
        np.savez(path, **{kind: np.ones(1), "manual.state": np.ones(1), "cell": np.ones(1)})
        assert open_recording(f"recording:{path}").arrays == {kind: kind, "cell": "cell"}
        assert open_recording(f"recording:{path}#manual").arrays == {"state": "manual.state"}
        assert engines_in(path) == ("manual",)


@pytest.mark.parametrize(("network", "name", "axes"), cases(__file__)["refused-shapes"])
def test_another_shape_is_refused_with_both(tmp_path, network, name, axes):
    path, inputs = tmp_path / "a.npz", network_inputs(**network)
    assert refusal(path, inputs, **{name: np.ones((2, 9), np.float32)}) == (
        f"{name} in {path} has the shape (2, 9), expected {axes}: see File formats in the guide."
    )


@pytest.mark.parametrize("dtype", ["int32", "complex64", "U3"])
def test_non_floats_are_refused_with_the_types_allowed(tmp_path, dtype):
    path, inputs = tmp_path / "a.npz", network_inputs()
    hidden = recorded(inputs)["hidden"].astype(dtype)
    assert refusal(path, inputs, hidden=hidden) == (
        f"hidden in {path} holds values of the type {np.dtype(dtype)}: a recording holds float16, float32 or float64. "
        f"Convert other numbers, such as fixed-point ones."
    )


@pytest.mark.parametrize("types", [("float16", "float64"), (">f4", "float32"), ("float64", ">f8")])
def test_the_precision_is_that_of_the_coarsest_array(tmp_path, types):
    inputs = network_inputs("gru")
    kinds = dict(zip(("output", "state"), types, strict=True))
    arrays = {kind: recorded(inputs)[kind].astype(dtype) for kind, dtype in kinds.items()}
    recording = open_recording(f"recording:{save(tmp_path / 'a.npz', **arrays)}")
    assert precision(recording, check_recording(recording, inputs)) == np.dtype(types[0]).newbyteorder("=").name


def test_arrays_that_the_network_lacks_are_ignored(tmp_path):
    inputs = network_inputs("gru")
    path = save(tmp_path / "a.npz", **recorded(inputs), cell=np.ones(1), cell_state=np.array("none"))
    recording = open_recording(f"recording:{path}")
    assert list(check_recording(recording, inputs)) == ["hidden", "output", "state"]


@pytest.mark.parametrize(
    ("cell", "name", "meant"),
    [("lstm", "cells", "cell"), ("lstm", "hiden", "hidden"), ("gru", "gates", "r, z, n"), ("gru", "f", "")],
)
def test_an_array_with_an_unknown_name_is_refused_with_the_nearest_one(tmp_path, cell, name, meant):
    inputs = network_inputs(cell)
    said = refusal(tmp_path / "a.npz", inputs, **{name: np.ones(inputs.hidden_shape)})
    assert f"{name} in " in said
    assert meant in said


def test_a_gate_and_a_cell_state_are_there_by_their_symbols(tmp_path):
    inputs = network_inputs("lstm")
    arrays = recorded(inputs)
    cell = arrays.pop("cell")
    path = save(tmp_path / "a.npz", **arrays, c=cell, f=cell, input=np.ones(2))
    recording = open_recording(f"recording:{path}")
    found = check_recording(recording, inputs)
    assert (found["cell"].array, recording.arrays["cell"]) == ("c", "c")
    assert found["f"].array == "line.f"
