"""Gates next to the hidden values in tables and archives: the equations' own numbers, and nothing else changed."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import CELL_NAMES
from rnnviz.core.trace import Trace
from rnnviz.io.export import data as table
from rnnviz.io.export.data import write_csv, write_npz
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except

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

    def stop(done: float) -> None:
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
