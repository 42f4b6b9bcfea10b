"""The cost of a start of the program before anything is shown."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import rnnviz
from rnnviz.core.config import Config
from rnnviz.engines.registry import ENGINES
from rnnviz.gui.app import check_platform
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs
from tools.benchmarks.table import Row, Table

_ROOT = Path(__file__).parents[2]
_BUNDLE = _ROOT / "build" / "installer" / "usr" / "lib" / "rnnviz" / "rnnviz"
_SOURCE = [sys.executable, "-m", "rnnviz"]
_CONFIG = _ROOT / "resources" / "lessons" / "bidirectional.toml"
_UP_ARROW = ("231", "153")
"""Where the field of the hidden size has its arrow, in a window of 1280 x 800 in the upper left corner."""
_LONGEST_SECONDS = 60.0


def bench_platform_check(benchmark: BenchmarkFixture) -> None:
    benchmark(check_platform)


def bench_import_of_the_python_api(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", "import rnnviz"],), {"check": True}, rounds=10)


def bench_bare_interpreter(benchmark: BenchmarkFixture) -> None:
    """The part of the benchmark above that is Python's own."""
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", ""],), {"check": True}, rounds=10)


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


@pytest.mark.skipif(sys.platform != "linux", reason="the installers are for Linux")
@needs("xdotool")
@pytest.mark.skipif(not _BUNDLE.exists(), reason="there is no bundle: make installer makes one")
def bench_usable_window_of_the_bundle(table: Table, tmp_path: Path, quick: bool) -> None:
    """Seconds from the start of the process until a click in the panel has changed the config, and of a short command.

    Both are started in turn, so that other load on the machine affects both alike; the first round, in which
    files are read from the disk, does not count.
    """
    config = tmp_path / "lesson.toml"
    shutil.copyfile(_CONFIG, config)
    seconds: dict[str, list[float]] = {"bundle": [], "source": [], "bundle config": [], "source config": []}
    with virtual_screen("1280x800x24") as display:
        environ = _environment(tmp_path) | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "LANG": "C.UTF-8"}
        environ |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(_ROOT)}
        for _ in range(3 if quick else 12):
            for name, command in (("bundle", [str(_BUNDLE)]), ("source", _SOURCE)):
                seconds[name].append(_until_usable([*command, str(config)], environ))
                began = perf_counter()
                subprocess.run([*command, "config"], env=environ, check=True, capture_output=True, cwd=tmp_path)
                seconds[f"{name} config"].append(perf_counter() - began)
    found = {name: median(values[1:]) for name, values in seconds.items()}
    table.details["start, bundle"] = found
    window, command = (found[f"bundle{part}"] / found[f"source{part}"] for part in ("", " config"))
    table.add(
        Row("start", "usable window of the bundle / of the source tree", window, target=1.3),
        Row("start", "a short command of the bundle / of the source tree", command),
    )


def _until_usable(command: list[str], environ: dict[str, str]) -> float:
    """The seconds until the window's title shows that its config was changed."""
    began = perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while perf_counter() - began < _LONGEST_SECONDS:
                found = _xdotool(environ, "search", "--onlyvisible", "--name", "lesson.toml")
                if not found:
                    continue
                window = found.splitlines()[0]
                _xdotool(environ, "windowfocus", window, "mousemove", *_UP_ARROW, "click", "1")
                if "*" in _xdotool(environ, "getwindowname", window):
                    return perf_counter() - began
            return float("nan")
        finally:
            process.terminate()


def _xdotool(environ: dict[str, str], *words: str) -> str:
    return subprocess.run(["xdotool", *words], env=environ, capture_output=True, text=True).stdout.strip()
