"""rnnviz sweep: its exit codes, its files, and that it goes on where it was stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import psutil
import pytest

from rnnviz.cli.terminal import DISAGREE, WRONG_INPUT
from rnnviz.io.templates import write_starter
from rnnviz.sweeps.results import load_sweep_results

pytestmark = pytest.mark.usefixtures("shared_worker")

ROOT = Path(__file__).parents[2]
CONFIG = '[network]\ncell = "lstm"\ninput_size = 3\nhidden_size = 4\n[compare]\nreference = "manual"\n'
GRID = 'base = "network.toml"\nengines = ["onnx"]\n[grid]\nnetwork.hidden_size = [4, 6]\n'


def write(folder: Path, text: str = GRID) -> Path:
    (folder / "network.toml").write_text(CONFIG, encoding="utf-8")
    path = folder / "s.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_finished_sweep_computes_nothing_again(tmp_path, rnnviz, monkeypatch):
    path = write(tmp_path)
    answer = rnnviz("sweep", path, "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json")
    assert (answer.code, answer.out, answer.err) == (0, "✔ 2 agree\n", "")
    assert pl.read_csv(tmp_path / "a.csv")["network.hidden_size"].to_list() == [4, 6]
    assert load_sweep_results(tmp_path / "a.json") == load_sweep_results(tmp_path / "a.csv")
    # Nothing can be computed any more, and nothing has to be.
    monkeypatch.setattr("rnnviz.sweeps.driver.LocalScheduler.submit", None)
    assert json.loads(rnnviz("sweep", path, "--json", "-", "--quiet").out) == json.loads(
        (tmp_path / "a.json").read_text(encoding="utf-8")
    )


def test_disagreeing_row_sets_the_exit_code(tmp_path, rnnviz):
    path = write(tmp_path)
    answer = rnnviz("sweep", path, "--engines", "onnx, bug:no-h2h-bias", "--workers", "1")
    assert answer.code == 1
    counts, rows = answer.out.splitlines()
    assert counts == "✔ 2 agree · ✘ 2 disagree"
    assert "engine bug:no-h2h-bias and 1 other row: bug:no-h2h-bias is wrong, first at layer 0" in rows
    answer = rnnviz("sweep", path, "--engines", "onnx", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_failed_row_sets_the_exit_code(tmp_path, rnnviz):
    code = tmp_path / "mine.py"
    code.write_text("def step(x, state, p):\n    raise ValueError('no')\n", encoding="utf-8")
    path = write(tmp_path, 'base = "network.toml"\n')
    answer = rnnviz("sweep", path, "--engines", code)
    assert answer.code == 3
    assert answer.out.startswith("! 1 failed\n  ! engine mine.py: ")


def test_code_named_only_by_the_sweep_is_refused(tmp_path, rnnviz):
    (tmp_path / "mine.py").write_text("raise SystemExit", encoding="utf-8")
    path = write(tmp_path, 'base = "network.toml"\nengines = ["./mine.py"]\n')
    answer = rnnviz("sweep", path)
    assert answer.code == WRONG_INPUT
    assert "it runs only if you name it with --engines" in answer.out


@pytest.mark.parametrize(
    ("dtypes", "options", "code"),
    [
        ('["float32", "float64"]', (), WRONG_INPUT),
        ('["float32", "float64"]', ("--allow-refused",), 0),
        ('["float64"]', (), WRONG_INPUT),
        ('["float64"]', ("--allow-refused",), WRONG_INPUT),
        ('["float32"]', ("--allow-refused",), 0),
    ],
)
def test_refused_rows_set_the_exit_code(tmp_path, rnnviz, dtypes, options, code):
    # ONNX Runtime has no LSTM of float64.
    path = write(tmp_path, GRID.replace("hidden_size = [4, 6]", f"dtype = {dtypes}"))
    answer = rnnviz("sweep", path, "--workers", "1", "--quiet", *options)
    assert (answer.code, answer.out) == (code, "")
    assert ("refused" in answer.err) == (code != 0)
    assert ("--allow-refused" in answer.err) == (code != 0 and "float32" in dtypes)


@pytest.mark.slow
def test_cluster_equals_local_results(tmp_path, rnnviz):
    distributed = pytest.importorskip("distributed")
    path = write(tmp_path)
    words = ["sweep", str(path), "--engines", "onnx,bug:no-h2h-bias"]
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(processes=True, **options) as cluster:
        there = rnnviz(*words, "--scheduler", cluster.scheduler_address, "--journal", tmp_path / "there")
    for thread in threading.enumerate():
        if thread.name.startswith("AsyncProcess"):
            thread.join(5)
    here = rnnviz(*words)
    assert there.code == here.code == 1
    assert there.out == here.out


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (GRID + "network.size = [1]", [], "grid.network.size is not a known key: it must be one of network.cell,"),
        (GRID, ["--engines", "manuel"], 'engines names "manuel", which is not a known engine'),
        (GRID, ["--workers", "0"], "--workers = 0 is not allowed: it must be an integer from 1 to 1,024."),
        (GRID, ["--csv", "/no/such/folder/a.csv"], "the folder /no/such/folder does not exist."),
        (GRID, ["--scheduler", "x", "--workers", "1"], "--workers and --scheduler cannot be given together"),
    ],
    ids=range(5),
)
def test_errors_are_one_sentence(tmp_path, rnnviz, text, options, sentence):
    assert sentence in rnnviz.refused("sweep", write(tmp_path, text), *options)


def test_scheduler_without_dask_is_refused(tmp_path, rnnviz, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "rnnviz.sweeps.cluster", raising=False)
    answer = rnnviz("sweep", write(tmp_path), "--scheduler", "tcp://127.0.0.1:8786")
    assert answer.code == 3
    assert 'pip install "rnnviz[cluster]"' in answer.err


@pytest.mark.slow
def test_ctrl_c_stops_workers_and_keeps_rows(tmp_path):
    path = write(tmp_path, GRID.replace("[grid]", f"seeds = {list(range(400))}\n[grid]"))
    command = [sys.executable, "-m", "rnnviz", "sweep", str(path), "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    journal = path.with_name("s.results.jsonl")
    while process.poll() is None and not (journal.is_file() and journal.stat().st_size):
        pass
    engines = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    done = len(journal.read_text(encoding="utf-8").splitlines())
    assert 1 <= done < 800
    told = re.fullmatch(r"Stopped after (\d+) of 800 rows; run the same command again to compute the others\.\n", err)
    assert told is not None, err
    # The last row may have been written but not yet counted.
    assert done - int(told[1]) in (0, 1)
    _, alive = psutil.wait_procs(engines, timeout=100)
    assert alive == []


@pytest.mark.slow
def test_unwritable_table_keeps_the_verdict(tmp_path, rnnviz):
    pipe, sweep = tmp_path / "pipe", write(tmp_path, GRID.replace("[4, 6]", "[4]"))
    os.mkfifo(pipe)
    write_starter("lstm", tmp_path / "mine.py")
    for engine, code in (("bug:no-h2h-bias", DISAGREE), (str(tmp_path / "mine.py"), WRONG_INPUT)):
        answer = rnnviz("sweep", sweep, "--engines", engine, "--csv", pipe, "--quiet")
        assert answer.code == code
        assert "no program reads" in answer.err
