"""The cost of a start of the program before anything is shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

from rnnviz.gui.app import check_platform
from tests.benchmarks.rows import Row, Table

_ROOT = Path(__file__).parents[2]


def bench_platform_check(benchmark: BenchmarkFixture) -> None:
    benchmark(check_platform)


def bench_import_of_the_python_api(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", "import rnnviz"],), {"check": True}, rounds=10)


def bench_bare_interpreter(benchmark: BenchmarkFixture) -> None:
    """The part of the benchmark above that is Python's own."""
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", ""],), {"check": True}, rounds=10)


def bench_usable_window_against_a_bare_one(table: Table, tmp_path: Path, quick: bool) -> None:
    """Seconds from the first import until a key has had its effect on lanes and panel, over those of a bare window.

    Both are started in turn, so that what else the machine does meets both alike, and both find their modules
    compiled, as after an installation.
    """
    rounds = 2 if quick else 15
    ways = "bare", "start", "welcome"
    started = [{what: s for way in ways for what, s in _started(way, tmp_path).items()} for _ in range(rounds + 1)][1:]
    seconds = {what: median(round_[what] for round_ in started) for what in started[0]}
    table.details["start"] = seconds
    for what, target in (
        ("first picture", None),
        ("lanes", None),
        ("usable", 1.4),
        ("complete", None),
        ("welcome", 1.4),
    ):
        table.add(Row("start", f"{_WORDS[what]} / bare window", seconds[what] / seconds["bare"], target=target))


def bench_first_run_and_answers_after_the_start(table: Table, tmp_path: Path, quick: bool) -> None:
    """A run asked for two seconds after the start, or once the first lesson is shown, against one after others.

    And the longest time in between in which the window could not have answered.
    """
    started = [_started("run", tmp_path) for _ in range(2 if quick else 6)][1:]
    seconds = {what: median(round_[what] for round_ in started) for what in started[0]}
    table.details["start, first run"] = seconds
    table.add(
        Row("start", "first run after a start / warm run", seconds["first run"] / seconds["warm run"], target=1.2),
        Row("start", "usable window to the first lesson's result", seconds["first lesson"], "s"),
        Row("start", "longest step after the usable window", 1e3 * seconds["longest step"], "ms"),
    )


_WORDS = {
    "first picture": "first picture",
    "lanes": "lanes painted",
    "usable": "usable window",
    "complete": "every tab made",
    "welcome": "usable window with the welcome",
}


def _started(what: str, folder: Path) -> dict[str, float]:
    """The figures of `tests.benchmarks.startup_probe`, measured in a separate process."""
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "tests.benchmarks.startup_probe", what, str(folder / "settings.ini")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ, cwd=_ROOT, timeout=120)
    found: dict[str, float] = json.loads(done.stdout)
    return found
