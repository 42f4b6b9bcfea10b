"""Test vectors: every wrong variant is seen, correct engines pass, and the files have the numbers of the cases."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.core.errors import InputError
from rnnviz.engines.port.protocol import read_inputs
from rnnviz.engines.registry import load_engine
from rnnviz.ports import vectors
from rnnviz.ports.grade import grade
from rnnviz.ports.vector_files import expected_of, write_vectors
from rnnviz.ports.vectors import ENOUGH, RUNGS, Coverage, Rung, VectorCase, ladder
from rnnviz.verify.audit import audit
from tests.needs import needs
from tests.oracles.computed import computed


def config_of(cell: str) -> Config:
    return Config.from_mapping({"network": {"cell": cell, "input_size": 3, "hidden_size": 3}})


def small_ladder(monkeypatch: pytest.MonkeyPatch, cell: str, *rungs: Rung) -> tuple[list[VectorCase], Coverage]:
    monkeypatch.setattr(vectors, "RUNGS", rungs)
    return ladder(config_of(cell))


BASIC, LENGTHS = RUNGS[0], RUNGS[3]


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.nightly
def test_every_wrong_variant_of_a_cell_is_seen(cell: str) -> None:
    cases, coverage = ladder(config_of(cell))
    assert coverage.undetected == ()
    assert len(coverage.bugs) > 100
    for case in cases:
        trace, _ = computed(load_engine("manual"), case.inputs)
        assert audit(case.inputs, trace, full=True).worst_ratio < 8.0


@pytest.mark.slow
def test_the_ladder_of_a_gru_sees_every_wrong_variant() -> None:
    _, coverage = ladder(config_of("gru"))
    assert coverage.undetected == ()
    orders = {name for name in coverage.bugs if name.startswith("gates-") and "@" not in name}
    assert len(orders) == 5
    assert min(seen.ratio for seen in coverage.bugs.values()) >= ENOUGH


def test_a_rung_without_lengths_sees_no_bug_of_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    _, basic = small_ladder(monkeypatch, "rnn_tanh", BASIC)
    _, padded = small_ladder(monkeypatch, "rnn_tanh", LENGTHS)
    assert "lengths-ignored" not in basic.bugs
    assert padded.bugs["lengths-ignored"].ratio >= ENOUGH


def test_folders_hold_what_a_port_reads_and_has_to_give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cases, coverage = small_ladder(monkeypatch, "rnn_tanh", LENGTHS)
    content, names = write_vectors(cases, coverage, tmp_path, "folder")
    own = cases[0].inputs
    read = read_inputs(tmp_path / names[0] / "in")
    np.testing.assert_array_equal(read.sequence, own.sequence)
    assert read.lengths == own.lengths
    assert all(np.array_equal(read.parameters[name], own.parameters[name]) for name in own.parameters)
    arrays, _ = expected_of(own)
    h = np.fromfile(tmp_path / names[0] / "expected" / "h.bin", "<f4")
    np.testing.assert_array_equal(h, arrays["h"].ravel())
    assert json.loads((tmp_path / "coverage.json").read_text()) == content
    assert content["undetected"] == []


def test_our_own_cases_notice_what_they_see(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_vectors(*small_ladder(monkeypatch, "rnn_tanh", BASIC), tmp_path, "folder")
    found = grade(tmp_path)
    assert found.cases == 1
    assert {"no-h2h-bias", "h2h-transposed"} <= {name.partition("@")[0] for name in found.detected}
    assert found.undetected == ()


@needs("onnx")
@pytest.mark.slow
def test_node_tests_of_onnx_are_graded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Constant weights and one step notice no order of gates; random ones notice each."""
    cases, coverage = small_ladder(monkeypatch, "lstm", BASIC)
    write_vectors(cases, coverage, tmp_path / "ours", "onnx")
    ours = grade(tmp_path / "ours")
    orders = {name for name in (*ours.detected, *ours.undetected) if name.startswith("gates-") and "@" not in name}
    assert len(orders) == 23
    assert orders <= {*ours.detected}
    inputs = cases[0].inputs
    for array in inputs.parameters.values():
        array.flags.writeable = True
        array[...] = 0.1
    write_vectors([VectorCase("constant", inputs, {})], coverage, tmp_path / "constant", "onnx")
    constant = grade(tmp_path / "constant")
    assert not {*constant.detected} & orders


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test case"):
        grade(tmp_path)
