"""The cost of a start of the program before anything is shown."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import rnnviz
from rnnviz.core.config import Config
from rnnviz.engines.registry import ENGINES
from tools.benchmarks.table import Row, Table

_ROOT = Path(__file__).parents[2]


def bench_command_against_the_imports_of_its_libraries(table: Table, tmp_path: Path, quick: bool) -> None:
    """Seconds of `rnnviz run` of a small config over those of a Python that imports the library, the shortest of each.

    They take turns, as the machine does other work, too.
    """
    mxnet = "import numpy; numpy.bool = numpy.bool_; import mxnet"
    table_of = {"numpy": ("import numpy", "manual,bug:no-h2h-bias", 5.0), "mxnet": (mxnet, "gluon,manual", 1.2)}
    config = tmp_path / "sample.toml"
    config.write_text('[network]\ncell = "lstm"\ninput_size = 4\nhidden_size = 8\n', encoding="utf-8")
    for library, (code, engines, target) in table_of.items():
        if find_spec(library) is None:
            continue
        program = ["-m", "rnnviz", "run", str(config), "--quiet", "--engines", engines]
        bare, whole = [], []
        for _ in range((2 if quick else 15) + 1):
            bare.append(_seconds(["-c", code], tmp_path))
            whole.append(_seconds(program, tmp_path))
        ratio = min(whole[1:]) / min(bare[1:])
        note = f"{min(whole[1:]):.2f} s / {min(bare[1:]):.2f} s"
        table.add(Row("start", f"rnnviz run {engines} / import {library}", ratio, target=target, note=note))


def bench_second_run_in_python(table: Table, quick: bool) -> None:
    """Milliseconds of a further `rnnviz.run` in one process beyond its engines, the shortest of many."""
    for engines in (("manual", "bug:no-h2h-bias"), ("manual", "onnx"), ("gluon", "manual")):
        if any(ENGINES[name].unavailable for name in engines if name in ENGINES):
            continue
        network = {"cell": "lstm", "input_size": 4, "hidden_size": 8}
        config = Config.from_mapping({"network": network}).with_engines(engines)
        beyond = []
        for _ in range(3 if quick else 40):
            began = perf_counter()
            result = rnnviz.run(config)
            beyond.append(perf_counter() - began - sum(result.seconds.values()))
        table.add(Row("start", f"further rnnviz.run beyond {', '.join(engines)}", 1e3 * min(beyond[1:]), "ms", 50.0))
    rnnviz.close()


def bench_usable_window_against_a_bare_one(table: Table, tmp_path: Path, quick: bool) -> None:
    """Seconds from the first import until a key has had its effect on lanes and panel, over those of a bare window.

    Both are started in turn, so that what else the machine does meets both alike, and both find their modules
    compiled, as after an installation.
    """
    rounds = 2 if quick else 15
    ways = "bare", "start", "first_screen"
    started = [{what: s for way in ways for what, s in _started(way, tmp_path).items()} for _ in range(rounds + 1)][1:]
    seconds = {what: median(round_[what] for round_ in started) for what in started[0]}
    table.details["start"] = seconds
    for what, target in (
        ("first picture", None),
        ("lanes", None),
        ("usable", 1.4),
        ("complete", None),
        ("first screen", 1.4),
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
    "first screen": "usable window with the first screen",
}


def _environment(folder: Path) -> dict[str, str]:
    """Modules are found compiled, as after an installation."""
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


def _seconds(arguments: list[str], folder: Path) -> float:
    """How long a Python with these arguments takes."""
    began = perf_counter()
    ended = subprocess.run([sys.executable, *arguments], env=_environment(folder), cwd=_ROOT, timeout=120)
    assert ended.returncode in (0, 1)
    return perf_counter() - began


def _started(what: str, folder: Path) -> dict[str, float]:
    """The figures of `tools.benchmarks.startup_probe`, measured in a separate process."""
    command = [sys.executable, "-m", "tools.benchmarks.startup_probe", what, str(folder / "settings.ini")]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=_environment(folder), cwd=_ROOT, timeout=120
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
