"""A sweep on this machine: each row equals a single run, whatever happens to the engines."""

import os
import signal
from pathlib import Path
from threading import Thread

import psutil
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.driver import Journal, LocalScheduler, finding, read_journal
from tests.execution.loads import hang
from tests.leaks import children
from tests.shared_worker import Run, run_shared
from tests.sweeps.sweep_helpers import computed, start, sweep, verdicts

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


def test_each_row_equals_a_single_run(tmp_path: Path, run_shared: Run) -> None:
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


def test_a_stopped_sweep_continues_with_the_rows_that_are_left(tmp_path: Path) -> None:
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


def test_stopping_kills_engines_that_never_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    monkeypatch.setenv("BEGUN", str(begun))
    before = children()
    with Journal(tmp_path / "j") as opened, LocalScheduler(workers=1) as scheduler:

        def stop() -> None:
            begun.read_text(encoding="utf-8")
            scheduler.stop()

        thread = Thread(target=stop)
        thread.start()
        assert list(start(sweep(engines=["onnx"]), tmp_path / "j", start_and_hang).rows(scheduler, opened)) == []
        thread.join()
        assert verdicts([*start(sweep(), tmp_path / "j").rows(scheduler, opened)]) == []
    _, alive = psutil.wait_procs(children() - before, timeout=3)
    assert alive == []


@pytest.mark.slow
def test_an_engine_that_crashes_is_a_row_with_a_reason(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    rows = computed(sweep(), journal, LocalScheduler(workers=1), crash_at_six)
    assert verdicts(rows) == ["agree", "disagree", "refused", "failed", "failed", "refused"]
    assert rows[3].finding is not None
    assert "killed by SIGSEGV" in rows[3].finding.reason
    # What failed is tried again, and only that.
    assert [point.index for point in start(sweep(), journal).left] == [3, 4]
    assert verdicts(computed(sweep(), journal, LocalScheduler(workers=1)))[3:5] == ["agree", "disagree"]


def test_the_workers_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnviz.sweeps.driver.usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    rows = computed(sweep(engines=["onnx"]), tmp_path / "j", LocalScheduler(workers=4), report_threads)
    assert {row.finding.reason for row in rows if row.finding} == {"2 2."}
    assert os.environ["OMP_NUM_THREADS"] == "64"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_an_unknown_engine_is_reported_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='engines names "manuel", which is not a known engine'):
        start(sweep(engines=["manuel"]), tmp_path / "j")


def test_values_that_are_not_a_config_are_rows(tmp_path: Path) -> None:
    asked = sweep(grid={"network.hidden_size": [4], "compare.reference": ["manual", "onnx"]}, engines=["onnx"])
    rows = computed(asked, tmp_path / "j", LocalScheduler(workers=1))
    assert verdicts(rows) == ["agree", "refused"]
    assert rows[1].point.config is None
    assert rows[1].finding is not None
    assert 'compare.candidates holds "onnx"' in rows[1].finding.reason
