"""Exports for other programs: a row for each value, an archive of the arrays, with gates and padding."""

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnviz.core.config import CELL_NAMES
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.core.places import parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import engines_in, open_recording
from rnnviz.io.config_toml import parse_config
from rnnviz.io.export import data as table
from rnnviz.io.export.data import write_contributions, write_csv, write_npz
from rnnviz.verify.result import RunResult
from tests.factories import make_result, setting
from tests.oracles.gates import gates_of
from tests.padded import padded_results, result_alone
from tests.profiles import examples, nightly_except
from tests.verify.gradient_traces import traced

LSTM: dict[str, Any] = {"cell": "lstm", "bidirectional": True}


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    return header, rows


@pytest.mark.parametrize(
    ("block", "key", "index", "others"),
    [
        (1, "i2h_weight", (6, 2), [(4, 2), (5, 2), (6, 2), (7, 2)]),
        (5, "h2h_weight", (15, 0), [(12, 0), (13, 0), (14, 0), (15, 0)]),
        (1 << 18, "h2h_bias", (0,), [(0,), (1,), (2,), (3,)]),
    ],
)
def test_contributions_sum_to_the_gradients_of_a_parameter(tmp_path, monkeypatch, block, key, index, others):
    monkeypatch.setattr(table, "_BLOCK_ROWS", block)
    result = make_result(("gluon", "manual", "./a/mine.py"), gradients=("gluon", "manual"), **LSTM)
    # The first engine has the gradients of a backward pass; the second has others, and the third none.
    gradients = traced(ManualEngine(), result.inputs)
    result = replace(result, traces={**result.traces, "gluon": Trace("gluon", dict(gradients), result.inputs.places)})
    parameter = parameter_place(Lane(0, 1), key, index)
    assert write_contributions(result, tmp_path / "out.csv", parameter) == 5 * 4
    header, rows = rows_of(tmp_path / "out.csv")
    assert header == ["layer", "direction", "timestep", "unit", "parameter", "gluon", "manual"]
    assert [row[:4] for row in rows] == [["0", "backward", str(t), str(u)] for t in range(5) for u in range(4)]
    lane, h0 = gradients["h"][0, 1], result.inputs.initial_state["h"][1]
    read = {"i2h_weight": result.inputs.sequence, "h2h_weight": np.concatenate([lane[1:], h0[np.newaxis]])}
    for unit, own in enumerate(others):
        named = [row for row in rows if row[3] == str(unit)]
        assert {row[4] for row in named} == {f"r0_{key}[{', '.join(map(str, own))}]"}
        of_gate = gradients[f"grad.{'ifgo'[own[0] // 4]}"][0, 1, :, :, unit]
        expected = (of_gate * (read[key][..., own[1]] if key in read else 1.0)).sum(axis=1)
        found = [float(row[5]) for row in named]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert sum(found) == pytest.approx(gradients[f"grad.parameters.r0_{key}"][own], rel=1e-4, abs=1e-6)


def test_contributions_need_gradients_and_can_be_stopped(tmp_path):
    with pytest.raises(InputError, match="backward"):
        write_contributions(make_result(**LSTM), tmp_path / "out.csv", parameter_place(Lane(0), "h2h_bias", (0,)))

    def stop(_):
        raise KeyboardInterrupt

    result = make_result(gradients=("gluon",), **LSTM)
    with pytest.raises(KeyboardInterrupt):
        write_contributions(result, tmp_path / "out.csv", parameter_place(Lane(0), "h2h_bias", (0,)), stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("dtype", "block"), [("float32", 7), ("float64", 1 << 18)])
def test_every_hidden_value_is_a_row_that_reads_back_to_the_same_float(tmp_path, monkeypatch, dtype, block):
    monkeypatch.setattr(table, "_BLOCK_ROWS", block)
    result = make_result(
        ("gluon", "manual", "onnx"),
        edits={"manual": setting((1, 1, 2, 0, 3), 0.75), "onnx": setting((0, 0, 4, 1, 0), -3.0)},
        dtype=dtype,
        num_layers=2,
        bidirectional=True,
    )
    count = write_csv(result, tmp_path / "out.csv")
    header, rows = rows_of(tmp_path / "out.csv")
    indices = ["layer", "direction", "timestep", "sample", "unit"]
    assert header == [*indices, "gluon", "manual", "onnx", "abs_error", "mismatch"]
    assert count == len(rows) == result.reference.hidden.size
    for (layer, direction, t, n, unit), row in zip(np.ndindex(*result.shape), rows, strict=True):
        assert row[:5] == [str(layer), ("forward", "backward")[direction], str(t), str(n), str(unit)]
        values = [result[name].hidden[layer, direction, t, n, unit] for name in ("gluon", "manual", "onnx")]
        assert [np.dtype(dtype).type(cell) for cell in row[5:8]] == values
        assert float(row[8]) == max(abs(float(value) - float(values[0])) for value in values)
        assert row[9] == ("true" if (layer, direction, t, n, unit) in {(1, 1, 2, 0, 3), (0, 0, 4, 1, 0)} else "false")


def test_gradients_are_columns_and_arrays(tmp_path):
    engines = "gluon", "/home/me/mine.py"
    result = make_result(engines, gradients=engines[1:], cell="lstm", bidirectional=True)
    trace, places = result[engines[1]], list(np.ndindex(result.shape))
    write_csv(result, tmp_path / "out.csv")
    header, rows = rows_of(tmp_path / "out.csv")
    names = [f"grad.{s}" for s in (*"hcifgo", "out")]
    assert header[-7:] == [f"mine.py.{name}" for name in names]
    for place, row in zip(places, rows, strict=True):
        assert [float(cell) for cell in row[-7:]] == [trace[name][place] for name in names]
    write_npz(result, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        found = {name: archive[name] for name in archive if ".grad." in name}
    expected = {f"mine.py.{name}": array for name, array in trace.items() if name.startswith("grad.")}
    assert found.keys() == expected.keys() >= {"mine.py.grad.input", "mine.py.grad.c0"}
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    projecting = make_result(gradients=("gluon",), cell="lstm", projection_size=2)
    write_csv(projecting, tmp_path / "projection.csv")
    assert rows_of(tmp_path / "projection.csv")[0][-2:] == ["gluon.grad.h", "gluon.grad.out"]


@pytest.mark.parametrize("gates", [False, True])
def test_a_column_is_named_by_the_file_of_its_engine_and_is_no_formula(tmp_path, gates):
    engines = "gluon", "/home/me/one/mine.py", "/home/me/two/mine.py", "/home/me/=cmd.py", "/home/@x.py", "/a/-x.py"
    write_csv(make_result(engines), tmp_path / "out.csv", gates=gates)
    header, _ = rows_of(tmp_path / "out.csv")
    assert header[5:11] == ["gluon", "one/mine.py", "two/mine.py", "'=cmd.py", "'@x.py", "'-x.py"]
    assert not any(column.startswith(("=", "+", "-", "@")) or "/home" in column for column in header)


@given(st.lists(st.floats(), min_size=6, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=examples(20))
def test_any_float_reads_back_from_the_table(tmp_path, values):
    def edit(trace):
        trace.hidden[0, 0, 0, 0] = values[:2]
        trace.hidden[0, 0, 0, 1] = values[2:4]
        trace.hidden[0, 0, 1, 0] = values[4:]

    result = make_result(edits={"manual": edit}, timesteps=2, hidden_size=2, dtype="float64")
    write_csv(result, tmp_path / "out.csv")
    _, rows = rows_of(tmp_path / "out.csv")
    np.testing.assert_array_equal([float(row[6]) for row in rows[:6]], values)
    signs = np.signbit([float(row[6]) for row in rows[:6]])
    known = ~np.isnan(values)
    np.testing.assert_array_equal(signs[known], np.signbit(values)[known])


def test_the_archive_holds_no_more_of_a_recording_than_the_recording_does(tmp_path):
    result = make_result(("manual", "recording:golden.npz"))
    trace = replace(result["recording:golden.npz"], missing=frozenset({"out", "state.h"}))
    write_npz(replace(result, traces={**result.traces, "recording:golden.npz": trace}), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert [name for name in archive.files if "golden" in name] == ["golden.npz.hidden"]
        assert {"manual.output", "manual.state"} <= set(archive.files)


def expected_arrays(result: RunResult) -> dict[str, Any]:
    """The contract's names, written down plainly."""
    arrays: dict[str, Any] = {"input": result.inputs.sequence, "initial_state.h": result.inputs.initial_state["h"]}
    arrays["lengths"] = np.full(result.inputs.batch_size, result.inputs.timesteps, np.int64)
    if result.inputs.initial_state.get("c") is not None:
        arrays["initial_state.c"] = result.inputs.initial_state.get("c")
    for name, array in result.inputs.parameters.items():
        arrays[f"parameters.{name}"] = array
    for name, trace in result.traces.items():
        arrays[f"{name}.hidden"] = trace.hidden
        batch_first = result.config.network.layout == "NTC"
        arrays[f"{name}.output"] = trace.output.transpose(1, 0, 2) if batch_first else trace.output
        arrays[f"{name}.state"] = trace.state_h
        if trace.cell is not None:
            arrays[f"{name}.cell"] = trace.cell
        if trace.state_c is not None:
            arrays[f"{name}.cell_state"] = trace.state_c
    return arrays


@pytest.mark.parametrize(("cell", "layout"), [("rnn_relu", "NTC"), ("lstm", "TNC"), ("lstm", "NTC"), ("gru", "TNC")])
def test_the_archive_holds_the_contracts_arrays(tmp_path, cell, layout):
    result = make_result(cell=cell, layout=layout, num_layers=2, bidirectional=True, dtype="float64")
    write_npz(result, tmp_path / "out.npz")
    expected = expected_arrays(result)
    assert ("manual.cell" in expected) == ("gluon.cell_state" in expected) == (cell == "lstm")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {*expected, "config"}
        for name, array in expected.items():
            np.testing.assert_array_equal(archive[name], array, err_msg=name)
            assert archive[name].dtype == array.dtype
        assert parse_config(str(archive["config"]), tmp_path) == result.config


def test_arrays_of_a_file_have_its_name_and_are_a_recording(tmp_path):
    mine, other, golden = str(tmp_path / "a" / "mine.py"), str(tmp_path / "b" / "mine.py"), "recording:/x/golden.npz"
    result = make_result(("manual", mine, other, golden), cell="gru")
    archive = tmp_path / "out.npz"
    write_npz(result, archive, gates=True)
    names = ("manual", "a/mine.py", "b/mine.py", "golden.npz")
    assert engines_in(archive) == names
    assert not [name for name in NpzFile(archive).headers if str(tmp_path) in name or "/x/" in name]
    assert {f"{name}.recomputed.z" for name in names} <= set(NpzFile(archive).headers)
    for name in names:
        assert open_recording(f"recording:{archive}#{name}").arrays["hidden"] == f"{name}.hidden"


ENGINES = {
    "rnn_relu": "bug:no-i2h-bias",
    "rnn_tanh": "bug:no-i2h-bias",
    "lstm": "bug:gates-i-f-o-g",
    "gru": "bug:reset-before-matmul",
}


@pytest.fixture(params=sorted(CELL_NAMES))
def result(request):
    """A correct engine with cell states and one with a known bug."""
    engines = "gluon", ENGINES.get(request.param, "manual")
    return make_result(engines, cell=request.param, num_layers=2, bidirectional=True, dtype="float64")


def key(trace: Trace, engine: str, gate: str) -> str:
    """The column of a gate, or of c, which is no engine's own if it follows from its h."""
    return f"{engine}.{gate}" if gate in trace else f"{engine}.recomputed.{gate}"


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("block", nightly_except((1, 11, 1 << 18), 11))
def test_the_table_has_every_gate_of_every_engine_after_the_other_columns(result, tmp_path, monkeypatch, block):
    monkeypatch.setattr(table, "_BLOCK_ROWS", block)
    assert write_csv(result, tmp_path / "gates.csv", gates=True) == result.reference.hidden.size
    found = columns(tmp_path / "gates.csv")
    write_csv(result, tmp_path / "plain.csv")
    plain = columns(tmp_path / "plain.csv")
    expected = {
        key(trace, name, gate): values
        for name, trace in result.traces.items()
        for gate, values in gates_of(result.inputs, trace.hidden, trace.cell).items()
        if gate != "c" or name == "gluon"
    }
    own_cells = [
        key(trace, name, "c") for name, trace in result.traces.items() if result.config.network.kind.has_cell_state
    ]
    assert set(list(found)[len(plain) :]) == {*expected, *own_cells}
    assert {name: found[name] for name in plain} == plain
    assert list(found)[: len(plain)] == list(plain)
    for name, values in expected.items():
        np.testing.assert_allclose(np.array(found[name], float), values.reshape(-1), rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_the_archive_has_every_gate_as_an_array_like_the_hidden_values(result, tmp_path):
    count = write_npz(result, tmp_path / "gates.npz", gates=True)
    plain = write_npz(result, tmp_path / "plain.npz")
    gates = {name: gates_of(result.inputs, trace.hidden, trace.cell) for name, trace in result.traces.items()}
    with np.load(tmp_path / "gates.npz") as archive, np.load(tmp_path / "plain.npz") as without:
        assert len(archive.files) == count + 1
        assert len(without.files) == plain + 1
        for name in without.files:
            np.testing.assert_array_equal(archive[name], without[name])
        added = set(archive.files) - set(without.files)
        assert added == {
            f"{engine}.gate.{name}" if name in result[engine] else f"{engine}.recomputed.{name}"
            for engine, own in gates.items()
            for name in own
        }
        for name, values in gates["gluon"].items():
            kind = f"gate.{name}" if name in result["gluon"] else f"recomputed.{name}"
            np.testing.assert_allclose(archive[f"gluon.{kind}"], values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("write", [write_csv, write_npz])
def test_progress_rises_to_one_and_stopping_leaves_the_earlier_file(tmp_path, monkeypatch, write):
    monkeypatch.setattr(table, "_BLOCK_ROWS", 64)
    result = make_result(cell="gru", timesteps=20)
    told: list[float] = []
    write(result, tmp_path / "out", told.append, gates=True)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert max(b - a for a, b in pairwise(told)) < 0.5
    before = (tmp_path / "out").read_bytes()

    def stop(done):
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(result, tmp_path / "out", stop, gates=True)
    assert (tmp_path / "out").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_gates_of_a_projection_have_their_own_units(tmp_path):
    result = make_result(cell="lstm", hidden_size=5, projection_size=3, num_layers=2, bidirectional=True)
    write_npz(result, tmp_path / "run.npz", gates=True)
    write_csv(result, tmp_path / "run.csv", gates=True)
    with np.load(tmp_path / "run.npz") as archive:
        shapes = {name: archive[name].shape for name in archive.files}
        np.testing.assert_allclose(archive["manual.gate.c"], result["manual"].cell, atol=1e-6)
        assert archive["manual.recomputed.f"].dtype == np.float32
    assert shapes["manual.hidden"] == (2, 2, 5, 2, 3)
    for name in ("recomputed.i", "recomputed.pre_o", "cell"):
        assert shapes[f"manual.{name}"] == (2, 2, 5, 2, 5)
    assert len(columns(tmp_path / "run.csv")["unit"]) == result["manual"].hidden.size


def padded_rows(result: RunResult, *, gates: bool) -> list[dict[str, str]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.csv"
        count = write_csv(result, path, gates=gates)
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    assert len(rows) == count == result.reference.computed_count(result.reference.hidden)
    return rows


@given(result=padded_results(), gates=st.booleans(), block=st.sampled_from((5, 1 << 17)))
def test_a_table_has_the_rows_of_each_sample_alone(result, gates, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_BLOCK_ROWS", block)
        rows = padded_rows(result, gates=gates)
    for sample in range(result.inputs.batch_size):
        own = [row for row in rows if row["sample"] == str(sample)]
        expected = padded_rows(result_alone(result, sample), gates=gates)
        for row, other in zip(own, expected, strict=True):
            assert row.keys() == other.keys()
            for column in row.keys() - {"sample"}:
                if "." in column:
                    # Gates are products of other shapes.
                    assert float(row[column]) == pytest.approx(float(other[column]), rel=1e-5, abs=1e-6)
                else:
                    assert row[column] == other[column], column


@pytest.mark.slow
@given(result=padded_results(), gates=st.booleans())
def test_an_archive_has_the_lengths_and_zeros_in_padding(result, gates):
    with TemporaryDirectory() as folder:
        write_npz(result, Path(folder) / "out.npz", gates=gates)
        with np.load(Path(folder) / "out.npz") as file:
            arrays = dict(file)
    lengths = tuple(map(result.inputs.length, range(result.inputs.batch_size)))
    assert arrays["lengths"].dtype == np.int64
    assert tuple(arrays["lengths"]) == lengths
    over_time = {name: array for name, array in arrays.items() if array.ndim == 5}
    assert {"manual.hidden", "other.hidden"} <= over_time.keys()
    assert any(".recomputed." in name for name in over_time) == gates
    for sample, length in enumerate(lengths):
        for name, array in over_time.items():
            assert not array[:, :, length:, sample].any(), name
            assert np.isfinite(array[:, :, :length, sample]).all(), name
