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

from rnnviz.cli import main
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


def test_finished_sweep_computes_nothing_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    assert main(["sweep", str(path), "--csv", str(tmp_path / "a.csv"), "--json", str(tmp_path / "a.json")]) == 0
    out, err = capfd.readouterr()
    assert out == "✔ 2 agree\n"
    assert err == ""
    assert pl.read_csv(tmp_path / "a.csv")["network.hidden_size"].to_list() == [4, 6]
    assert load_sweep_results(tmp_path / "a.json") == load_sweep_results(tmp_path / "a.csv")
    # Nothing can be computed any more, and nothing has to be.
    monkeypatch.setattr("rnnviz.sweeps.driver.LocalScheduler.submit", None)
    assert main(["sweep", str(path), "--json", "-", "--quiet"]) == 0
    out, _ = capfd.readouterr()
    assert json.loads(out) == json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


def test_disagreeing_row_sets_the_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path)
    assert main(["sweep", str(path), "--engines", "onnx, bug:no-h2h-bias", "--workers", "1"]) == 1
    out, _ = capfd.readouterr()
    counts, first, second = out.splitlines()
    assert counts == "✔ 2 agree · ✘ 2 disagree"
    assert all("engine bug:no-h2h-bias: bug:no-h2h-bias is wrong, first at layer 0" in line for line in (first, second))
    assert main(["sweep", str(path), "--engines", "onnx", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_failed_row_sets_the_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = tmp_path / "mine.py"
    code.write_text("def step(x, state, p):\n    raise ValueError('no')\n", encoding="utf-8")
    path = write(tmp_path, 'base = "network.toml"\n')
    assert main(["sweep", str(path), "--engines", str(code)]) == 3
    assert capfd.readouterr().out.startswith("! 1 failed\n  ! engine mine.py: ")


def test_code_named_only_by_the_sweep_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit", encoding="utf-8")
    path = write(tmp_path, 'base = "network.toml"\nengines = ["./mine.py"]\n')
    assert main(["sweep", str(path)]) == WRONG_INPUT
    assert "it runs only if you name it with --engines" in capfd.readouterr().out


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
def test_refused_rows_set_the_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], dtypes: str, options: tuple[str, ...], code: int
) -> None:
    # ONNX Runtime has no LSTM of float64.
    path = write(tmp_path, GRID.replace("hidden_size = [4, 6]", f"dtype = {dtypes}"))
    assert main(["sweep", str(path), "--workers", "1", "--quiet", *options]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert ("refused" in err) == (code != 0)
    assert ("--allow-refused" in err) == (code != 0 and "float32" in dtypes)


@pytest.mark.slow
def test_cluster_equals_local_results(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed")
    path = write(tmp_path)
    words = ["sweep", str(path), "--engines", "onnx,bug:no-h2h-bias"]
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(processes=True, **options) as cluster:
        there = main([*words, "--scheduler", cluster.scheduler_address, "--journal", str(tmp_path / "there")])
        on_cluster = capfd.readouterr().out
    for thread in threading.enumerate():
        if thread.name.startswith("AsyncProcess"):
            thread.join(5)
    assert there == main(words) == 1
    assert on_cluster == capfd.readouterr().out


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
def test_errors_are_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, options: list[str], sentence: str
) -> None:
    assert main(["sweep", str(write(tmp_path, text)), *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("rnnviz: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_scheduler_without_dask_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "rnnviz.sweeps.cluster", raising=False)
    assert main(["sweep", str(write(tmp_path)), "--scheduler", "tcp://127.0.0.1:8786"]) == 3
    assert 'pip install "rnnviz[cluster]"' in capfd.readouterr().err


@pytest.mark.slow
def test_ctrl_c_stops_workers_and_keeps_rows(tmp_path: Path) -> None:
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


def test_unwritable_table_keeps_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe, sweep = tmp_path / "pipe", tmp_path / "s.toml"
    os.mkfifo(pipe)
    network = '[network]\ncell = "gru"\ninput_size = 3\nhidden_size = 4\n[compare]\nreference = "manual"\n'
    sweep.write_text(f"{network}[grid]\nsequence.timesteps = [1]\n", encoding="utf-8")
    write_starter("gru", tmp_path / "mine.py")
    for engine, code in (("bug:no-h2h-bias", DISAGREE), (str(tmp_path / "mine.py"), WRONG_INPUT)):
        assert main(["sweep", str(sweep), "--engines", engine, "--csv", str(pipe), "--quiet"]) == code
        assert "no program reads" in capsys.readouterr().err
