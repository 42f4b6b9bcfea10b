"""The journal: durable, append-only, forgiving about its last line."""

import json
from math import inf, nan
from pathlib import Path

import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.sweeps.driver import Identities, Journal, journal_of, read_journal
from rnnviz.sweeps.results import FirstWrong, SweepResult

AGREE = SweepResult("agree", "They agree.", 0.5, 1e-7, 0.25, None, {"manual": 0.125})
WRONG = SweepResult("disagree", "Not so.", inf, 2.0, 1e9, FirstWrong("onnx", Location(1, 1, 2, 3, 4)), {"onnx": 1.0})


def write(path: Path, *entries: tuple[str, SweepResult]) -> None:
    with Journal(path) as journal:
        for key, finding in entries:
            journal.append(key, {"seed": 1}, finding)


def test_a_written_journal_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, ("a", AGREE), ("b", WRONG))
    write(path, ("a", WRONG))
    assert read_journal(path) == {"a": WRONG, "b": WRONG}
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["values"] == {"seed": 1}


def test_a_missing_journal_holds_nothing(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == {}
    assert journal_of(tmp_path / "grid.toml") == tmp_path / "grid.results.jsonl"


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_torn_line_counts_as_not_written_and_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    write(path, ("a", AGREE), ("b", WRONG))
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_journal(path) == {"a": AGREE}
    write(path, ("c", AGREE))
    assert read_journal(path) == {"a": AGREE, "c": AGREE}
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_a_long_torn_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, ("a", AGREE))
    with path.open("ab") as file:
        file.write(b"{" + b"x" * 200_000)
    write(path, ("b", AGREE))
    assert set(read_journal(path)) == {"a", "b"}


def test_lines_that_are_not_findings_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('no json\n{"key": "x"}\n[1]\n{"key": "y", "verdict": "fine"}\n', encoding="utf-8")
    write(path, ("a", AGREE))
    assert read_journal(path) == {"a": AGREE}


def test_another_text_is_not_a_journal_and_keeps_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo", encoding="utf-8")
    with pytest.raises(InputError, match=r"notes\.txt is not a journal"):
        write(path, ("a", AGREE))
    assert path.read_text(encoding="utf-8") == "one\ntwo"


def test_two_sweeps_do_not_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(InputError, match="is being written by another sweep"):
        Journal(tmp_path / "j")
    with Journal(tmp_path / "j"):
        pass


def test_a_journal_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Journal(tmp_path / "no" / "j")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_journal(tmp_path / "folder")


def test_nonfinite_numbers_are_restored(tmp_path: Path) -> None:
    write(tmp_path / "j", ("a", SweepResult("disagree", "", nan, -inf, inf)))
    found = read_journal(tmp_path / "j")["a"]
    assert found.max_error_ratio is not None
    assert found.max_error_ratio != found.max_error_ratio
    assert (found.max_abs_error, found.audit_worst_ratio) == (-inf, inf)


def test_rows_are_identified_by_config_audit_and_the_content_of_files(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("1,2\n", encoding="utf-8")
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    one = Config.from_mapping({"network": network, "sequence": {"path": str(file)}})
    other = Config.from_mapping({"network": network | {"hidden_size": 4}, "sequence": {"path": str(file)}})
    keys = {Identities("auto").of(one), Identities("auto").of(other), Identities("full").of(one)}
    assert len(keys) == 3
    assert Identities("auto").of(one) in keys
    file.write_text("1,3\n", encoding="utf-8")
    assert Identities("auto").of(one) not in keys


def test_a_recording_is_identified_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "golden.npz"
    compare = {"reference": "manual", "candidates": [f"recording:{file}#torch"]}
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    config = Config.from_mapping({"network": network, "compare": compare})
    keys = {Identities("auto").of(config)}
    for content in (b"one", b"two"):
        file.write_bytes(content)
        keys.add(Identities("auto").of(config))
    assert len(keys) == 3
