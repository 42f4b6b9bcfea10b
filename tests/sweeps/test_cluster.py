"""A sweep on a real cluster of Dask, whose workers may die."""

import os
import signal
import threading
from typing import Any

import psutil
import pytest

from rnnviz.core.errors import InputError
from rnnviz.sweeps.driver import Journal, LocalScheduler, read_journal
from tests.leaks import children
from tests.needs import needs
from tests.sweeps.sweep_helpers import computed, start, sweep, verdicts

# Dask is imported by the tests, all of which are slow, and not whenever tests are collected.
pytestmark = [pytest.mark.slow, needs("distributed")]


@pytest.fixture
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        yield cluster
    for thread in threading.enumerate():
        if thread.name.startswith("AsyncProcess"):
            thread.join(5)


def workers(cluster: Any) -> list[int]:
    return [nanny.pid for nanny in cluster.workers.values() if nanny.pid is not None]


@pytest.mark.nightly
def test_a_worker_that_is_killed_takes_no_row_with_it(cluster, tmp_path):
    from rnnviz.sweeps.cluster import ClusterScheduler

    asked = sweep(seeds=list(range(8)), engines=["onnx", "bug:no-h2h-bias"])
    rows = []
    with Journal(tmp_path / "j") as journal, ClusterScheduler(cluster.scheduler_address) as scheduler:
        sweeping = start(asked, tmp_path / "j")
        for row in sweeping.rows(scheduler, journal):
            rows.append(row)
            if len(rows) == 5:
                os.kill(workers(cluster)[0], signal.SIGKILL)
    assert sorted(row.point.index for row in rows) == list(range(32))
    assert len(read_journal(tmp_path / "j")) == 32
    rows.sort(key=lambda row: row.point.index)
    here = computed(asked, tmp_path / "local", LocalScheduler(workers=2))
    assert [(row.point.index, row.finding.reason) for row in [*rows, *here] if row.finding.verdict == "failed"] == []
    assert verdicts(rows) == verdicts(here) == ["agree", "disagree"] * 16
    assert [row.finding.reason for row in rows[1::2] if row.finding] == [
        row.finding.reason for row in here[1::2] if row.finding
    ]


def test_stopping_leaves_a_journal_to_go_on_from_and_no_engines(cluster, tmp_path):
    from rnnviz.sweeps.cluster import ClusterScheduler

    asked = sweep(seeds=list(range(20)), engines=["onnx"])
    with Journal(tmp_path / "j") as journal, ClusterScheduler(cluster.scheduler_address) as scheduler:
        rows = start(asked, tmp_path / "j").rows(scheduler, journal)
        next(rows)
        scheduler.stop()
        told = 1 + len(list(rows))
    assert told == len(read_journal(tmp_path / "j")) < 40
    engines = [child for pid in workers(cluster) for child in psutil.Process(pid).children()]
    cluster.close()
    _, alive = psutil.wait_procs(engines, timeout=100)
    assert alive == []


def test_an_address_without_an_answer_is_a_sentence(monkeypatch):
    from rnnviz.sweeps.cluster import ClusterScheduler

    monkeypatch.setattr("rnnviz.sweeps.cluster._CONNECT_SECONDS", 0.5)
    before = children()
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1:port"):
        with pytest.raises(InputError, match=r'^--scheduler ".*" is not allowed: it must be the address'):
            ClusterScheduler(address)
    assert children() == before
