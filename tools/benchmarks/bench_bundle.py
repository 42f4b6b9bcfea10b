"""The start of the installed program against that of the source tree, both seen from outside, on one screen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs
from tools.benchmarks.table import Row, Table

_ROOT = Path(__file__).parents[2]
_BUNDLE = _ROOT / "build" / "installer" / "usr" / "lib" / "rnnviz" / "rnnviz"
_SOURCE = [sys.executable, "-m", "rnnviz"]
_CONFIG = _ROOT / "resources" / "lessons" / "bidirectional.toml"
_UP_ARROW = ("231", "153")
"""Where the field of the hidden size has its arrow, in a window of 1280 x 800 in the upper left corner."""
_SECONDS = 60.0


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
        environ = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "LANG": "C.UTF-8"}
        environ |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(_ROOT)}
        environ |= {"PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(3 if quick else 12):
            for name, command in (("bundle", [str(_BUNDLE)]), ("source", _SOURCE)):
                seconds[name].append(_until_usable([*command, str(config)], environ))
                began = perf_counter()
                subprocess.run([*command, "config"], env=environ, check=True, capture_output=True, cwd=tmp_path)
                seconds[f"{name} config"].append(perf_counter() - began)
    found = {name: median(values[1:]) for name, values in seconds.items()}
    table.details["start, bundle"] = found
    table.add(
        Row("start", "usable window of the bundle / of the source tree", found["bundle"] / found["source"], target=1.3),
        Row(
            "start",
            "a short command of the bundle / of the source tree",
            found["bundle config"] / found["source config"],
        ),
    )


def _until_usable(command: list[str], environ: dict[str, str]) -> float:
    """The seconds until the window's title shows that its config was changed."""
    began = perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while perf_counter() - began < _SECONDS:
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
