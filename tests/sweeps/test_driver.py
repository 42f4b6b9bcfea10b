"""A sweep on this machine: the journal, and rows that equal single runs, whatever happens to the engines."""

import json
import os
import signal
from concurrent.futures import Executor, Future
from math import inf
from pathlib import Path
from threading import Thread

import psutil
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.driver import Journal, LocalScheduler, Scheduler, finding, identities, journal_of, read_journal
from rnnviz.sweeps.results import FirstWrong, SweepResult
from tests.execution.loads import hang
from tests.leaks import children
from tests.shared_worker import run_shared
from tests.sweeps.sweep_helpers import computed, start, sweep, verdicts

AGREE = SweepResult("agree", "They agree.", 0.5, 1e-7, 0.25, None, {"manual": 0.125})
WRONG = SweepResult("disagree", "Not so.", inf, 2.0, 1e9, FirstWrong("onnx", Location(1, 1, 2, 3, 4)), {"onnx": 1.0})


def write(path: Path, *entries: tuple[str, SweepResult]) -> None:
    with Journal(path) as journal:
        for key, finding in entries:
            journal.append(key, {"seed": 1}, finding)


def test_a_written_journal_reads_back_and_a_missing_one_holds_nothing(tmp_path):
    path = journal_of(tmp_path / "grid.toml")
    assert path == tmp_path / "grid.results.jsonl"
    assert read_journal(path) == {}
    write(path, ("a", AGREE), ("b", WRONG))
    write(path, ("a", WRONG))
    assert read_journal(path) == {"a": WRONG, "b": WRONG}
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["values"] == {"seed": 1}


@pytest.mark.parametrize("cut", [1, 30, 100, -200_000])
def test_a_torn_line_counts_as_not_written_and_is_cut_off(tmp_path, cut):
    path = tmp_path / "j"
    write(path, ("a", AGREE), *([("b", WRONG)] if cut > 0 else []))
    path.write_bytes(path.read_bytes()[:-cut] if cut > 0 else path.read_bytes() + b"{" + b"x" * -cut)
    assert read_journal(path) == {"a": AGREE}
    write(path, ("c", AGREE))
    assert read_journal(path) == {"a": AGREE, "c": AGREE}
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_lines_that_are_not_findings_are_ignored(tmp_path):
    path = tmp_path / "j"
    path.write_text('no json\n{"key": "x"}\n[1]\n{"key": "y", "verdict": "fine"}\n', encoding="utf-8")
    write(path, ("a", AGREE))
    assert read_journal(path) == {"a": AGREE}


def test_another_text_is_not_a_journal_and_keeps_its_last_line(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo", encoding="utf-8")
    with pytest.raises(InputError, match=r"notes\.txt is not a journal"):
        write(path, ("a", AGREE))
    assert path.read_text(encoding="utf-8") == "one\ntwo"


def test_a_journal_that_cannot_be_written_is_a_sentence(tmp_path):
    with Journal(tmp_path / "j"), pytest.raises(InputError, match="is being written by another sweep"):
        Journal(tmp_path / "j")
    with Journal(tmp_path / "j"):
        pass
    with pytest.raises(InputError, match="cannot be written"):
        Journal(tmp_path / "no" / "j")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        read_journal(tmp_path / "folder")


def test_rows_are_identified_by_config_audit_and_the_content_of_files(tmp_path):
    file, golden = tmp_path / "x.csv", tmp_path / "golden.npz"
    file.write_text("1,2\n", encoding="utf-8")
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    sequence, compare = {"path": str(file)}, {"reference": "manual", "candidates": [f"recording:{golden}#torch"]}
    one = Config.from_mapping({"network": network, "sequence": sequence})
    other = Config.from_mapping({"network": network | {"hidden_size": 4}, "sequence": sequence})
    recorded = Config.from_mapping({"network": network, "compare": compare})
    keys = {identities("auto")(one), identities("auto")(other), identities("full")(one)}
    keys.add(identities("auto")(recorded))
    for content in (b"one", b"two"):
        golden.write_bytes(content)
        keys.add(identities("auto")(recorded))
    assert len(keys) == 6
    assert identities("auto")(one) in keys
    file.write_text("1,3\n", encoding="utf-8")
    assert identities("auto")(one) not in keys


__all__ = ["run_shared"]

DEADLY = 6


def crash_at_six(config: Config) -> Inputs:
    """Take the engines' process down where the layer is six units wide."""
    if config.network.hidden_size == DEADLY:
        os.kill(os.getpid(), signal.SIGSEGV)
    return load_inputs(config)


def start_and_hang(config: Config) -> Inputs:
    Path(os.environ["BEGUN"]).write_text("begun", encoding="utf-8")
    return hang(config)


def report_threads(config: Config) -> Inputs:
    raise InputError(f"{os.environ.get('OMP_NUM_THREADS')} {os.environ.get('OPENBLAS_NUM_THREADS')}.")


@pytest.mark.slow
def test_each_row_equals_a_single_run(tmp_path, run_shared):
    rows = computed(sweep(), tmp_path / "j", LocalScheduler(workers=2))
    assert verdicts(rows) == ["agree", "disagree", "refused"] * 2
    for row in rows:
        found, config = row.finding, row.point.config
        assert found is not None
        assert config is not None
        if found.verdict == "refused":
            assert "gates-z-r-n" in found.reason
            continue
        alone = finding(run_shared(config))
        assert set(found.seconds) == set(alone.seconds)
        assert (found.verdict, found.first_wrong) == (alone.verdict, alone.first_wrong)
        # With another number of threads a correct engine may round differently.
        if found.verdict == "disagree":
            assert found.reason == alone.reason
            assert found.max_error_ratio == pytest.approx(alone.max_error_ratio, rel=0.01)
            assert found.audit_worst_ratio == pytest.approx(alone.audit_worst_ratio, rel=0.01)
        else:
            assert found.max_error_ratio is not None
            assert found.audit_worst_ratio is not None
            assert max(found.max_error_ratio, found.audit_worst_ratio) < 1.0


def test_rows_that_never_end_are_given_up_at_a_stop():
    class Endless(Executor):
        def submit(self, *_args, **_kwargs):
            return Future()

    with Scheduler(Endless(), finding, 2) as scheduler:
        rows = [scheduler.submit(None)]
        scheduler.stop()
        rows.append(scheduler.submit(None))
        assert list(scheduler.completed()) == rows
        assert all(row.cancelled() for row in rows)


@pytest.mark.slow
def test_a_stopped_sweep_continues_with_the_rows_that_are_left(tmp_path):
    journal = tmp_path / "j"
    asked = sweep(seeds=[1, 2, 3], engines=["onnx"])
    with Journal(journal) as opened, LocalScheduler(workers=1) as scheduler:
        rows = start(asked, journal).rows(scheduler, opened)
        next(rows)
        next(rows)
        scheduler.stop()
        rows.close()
    known = len(read_journal(journal))
    assert 2 <= known < 6
    again = start(asked, journal)
    assert (len(again.known), len(again.left)) == (known, 6 - known)
    assert verdicts(computed(asked, journal, LocalScheduler(workers=1))) == ["agree"] * 6
    assert len(journal.read_text(encoding="utf-8").splitlines()) == 6
    assert start(asked, journal).left == []


@pytest.mark.slow
def test_stopping_kills_engines_that_never_return(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    monkeypatch.setenv("BEGUN", str(begun))
    before = children()
    with Journal(tmp_path / "j") as opened, LocalScheduler(workers=1) as scheduler:

        def stop():
            begun.read_text(encoding="utf-8")
            scheduler.stop()

        thread = Thread(target=stop)
        thread.start()
        assert list(start(sweep(engines=["onnx"]), tmp_path / "j", start_and_hang).rows(scheduler, opened)) == []
        thread.join()
        assert verdicts([*start(sweep(), tmp_path / "j").rows(scheduler, opened)]) == []
    _, alive = psutil.wait_procs(children() - before, timeout=100)
    assert alive == []


@pytest.mark.slow
def test_an_engine_that_crashes_is_a_row_with_a_reason(tmp_path):
    journal = tmp_path / "j"
    rows = computed(sweep(), journal, LocalScheduler(workers=1), crash_at_six)
    assert verdicts(rows) == ["agree", "disagree", "refused", "failed", "failed", "refused"]
    assert rows[3].finding is not None
    assert "killed by SIGSEGV" in rows[3].finding.reason
    # What failed is tried again, and only that.
    assert [point.index for point in start(sweep(), journal).left] == [3, 4]
    assert verdicts(computed(sweep(), journal, LocalScheduler(workers=1)))[3:5] == ["agree", "disagree"]


@pytest.mark.slow
def test_the_workers_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnviz.sweeps.driver.usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    rows = computed(sweep(engines=["onnx"]), tmp_path / "j", LocalScheduler(workers=4), report_threads)
    assert {row.finding.reason for row in rows if row.finding} == {"2 2."}
    assert os.environ["OMP_NUM_THREADS"] == "64"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_an_unknown_engine_is_reported_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match='engines names "manuel", which is not a known engine'):
        start(sweep(engines=["manuel"]), tmp_path / "j")
