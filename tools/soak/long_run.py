"""Thousands of runs in one window, or hours of playing: python -m tools.soak.long_run runs 2000, or playing 12

Prints what every quantity of `readings` grew by, and ends with 1 if one surely grew by more than it may. In playing,
every frame is drawn, and the player's clock is two seconds further in each: the hours are those of its clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.core.config import Config
from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from tests.leaks import children
from tests.unexpected_errors import UnexpectedErrors
from tools.soak.growth_in_time import Slope, slope
from tools.soak.resource_samples import QUANTITIES, Reader, Reading

PARTS = {"runs": 1_000.0, "playing": 1.0}
"""The activities, and the number of runs or hours that a growth refers to."""
_READINGS = 60
_WARM_UP = 0.25
_EDITS = 600
"""As many as undo holds, and some."""
_FRAME_SECONDS = 2.0
_QUIET_MS = 900
"""So long after a run the engines have handed its arrays back."""
_GAINS = (2.0, 1.0, 4.0, 0.2, 0.2, 0.5, 0.5, 1.0, 300.0)
_MAY = dict(zip((quantity.name for quantity in QUANTITIES), _GAINS, strict=True))
"""The growth allowed in a thousand runs, or in an hour of playing."""
_LONG = Config.from_mapping(
    {"network": {"cell": "lstm", "input_size": 3, "hidden_size": 16}, "sequence": {"timesteps": 4_096, "batch_size": 2}}
)


def _small() -> list[Config]:
    """A few again and again, for MXNet keeps something for every shape that it meets."""
    return [
        Config.from_mapping(
            {
                "network": {"cell": cell, "input_size": 4, "hidden_size": units, "bidirectional": units > 8},
                "sequence": {"timesteps": 12, "batch_size": 3},
            }
        )
        for cell, units in product(("rnn_relu", "rnn_tanh", "lstm", "gru"), (6, 12))
    ]


@dataclass(frozen=True)
class Growth:
    """The course of one quantity: its name, first and last value, and its slope."""

    name: str
    first: float
    last: float
    line: Slope

    @property
    def grew(self) -> bool:
        """Whether it surely gained more than it may."""
        return self.line.grew(_MAY[self.name])


def growth(counts: list[float], looks: list[Reading]) -> list[Growth]:
    """Each quantity's way after the warm-up; `counts` are the thousands of runs or the hours before each look."""
    begin = int(len(looks) * _WARM_UP)
    counts, looks = counts[begin:], looks[begin:]
    lives = [look.child or 0 for look in looks]
    found = []
    for name in _MAY:
        values = [look.values[name] for look in looks]
        line = slope(counts, values, lives if name.startswith("the engines'") else None)
        found.append(Growth(name, values[0], values[-1], line))
    return found


class LongRun:
    """One window for a number of runs or hours of playing."""

    def __init__(self, part: str, amount: float, tell: Callable[[str], None] = print) -> None:
        self._part, self._amount, self._tell = part, amount, tell
        self._reader = Reader()
        self._counts: list[float] = []
        self._looks: list[Reading] = []
        self.troubles = UnexpectedErrors(tell)
        self.seconds = 0.0

    def run(self) -> list[Growth]:
        """Do it, close the window, and say what every quantity did."""
        self.troubles.listen()
        application = make_application()
        with tempfile.TemporaryDirectory() as name:
            window = make_window(Settings(QSettings(str(Path(name) / "s.ini"), QSettings.Format.IniFormat)))
            self._use(application, window)
            window.deleteLater()
            del window
            application.processEvents()
        if children():
            self.troubles.note(f"After the window was closed, {len(children())} child processes went on.")
        return growth(self._counts, self._looks)

    def _use(self, application: QApplication, window: MainWindow) -> None:
        def begin() -> None:
            window.warm_up()
            window.runner.failed.connect(lambda event: self.troubles.note(event.sentence))
            if self._part == "runs":
                self._run_often(window)
            else:
                window.runner.finished.connect(lambda *_: QTimer.singleShot(_QUIET_MS, window, play))
                window.document.edit(_LONG)
                window.control.run()

        def play() -> None:
            self._play(application, window)
            self._close(window)

        window.completed.connect(lambda: QTimer.singleShot(0, window, begin))
        window.closed.connect(application.quit)
        window.show()
        application.exec()

    def _run_often(self, window: MainWindow) -> None:
        configs, runs = _small(), int(self._amount)
        for place in range(_EDITS):
            window.document.edit(configs[place % len(configs)])
        done, every, began = 0, max(1, runs // _READINGS), monotonic()

        def go_on() -> None:
            window.document.edit(configs[done % len(configs)])
            window.control.run()

        def ended() -> None:
            nonlocal done
            done += 1
            rests = done % every == 0
            QTimer.singleShot(_QUIET_MS if rests else 0, window, look if rests else go_on)

        def look() -> None:
            self._look(done / PARTS["runs"])
            if done < runs:
                go_on()
            else:
                self.seconds = monotonic() - began
                self._close(window)

        window.runner.finished.connect(ended)
        go_on()

    def _play(self, application: QApplication, window: MainWindow) -> None:
        now, player = 0.0, window.player
        player._clock = lambda: now  # the hours are its clock's
        player.set_factor(0.5)
        frames, began = int(self._amount * 3600.0 / _FRAME_SECONDS), monotonic()
        every = max(1, frames // _READINGS)
        for frame in range(1, frames + 1):
            if not player.playing:
                player.toggle()
                player._timer.setInterval(1 << 30)  # frames come from here
            now += _FRAME_SECONDS
            player._step()
            application.processEvents()
            if frame % every == 0:
                self._look(frame * _FRAME_SECONDS / 3600.0)
        player.pause()
        self.seconds = monotonic() - began

    def _close(self, window: MainWindow) -> None:
        window.leave()

    def _look(self, count: float) -> None:
        self._counts.append(count)
        self._looks.append(self._reader.read())
        if len(self._looks) % 10 == 0:
            self._tell(f"{self._part}: {count:.3g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it in a separate process with its own temporary files, and check what it leaves behind."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak.long_run", description="Run or play for long.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("amount", type=float, help="how many runs, or how many hours of playing")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.inside:
        return _inside(wanted)
    with tempfile.TemporaryDirectory(prefix="long-") as folder:
        environ = {**os.environ, "TMPDIR": folder, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
        command = [sys.executable, "-X", "faulthandler", "-m", "tools.soak.long_run", "--inside"]
        command += sys.argv[1:] if arguments is None else arguments
        code = subprocess.run(command, env=environ, check=False).returncode
        left = [path.name for path in Path(folder).iterdir()]
    if left:
        print(f"The program left behind in the temporary folder: {', '.join(left)}.")
    return 1 if left or code else 0


def _inside(wanted: argparse.Namespace) -> int:
    long = LongRun(wanted.part, wanted.amount)
    found = long.run()
    print(f"{wanted.part}, {wanted.amount:g}, took {long.seconds:.0f} s; {'95 % sure':>50}")
    rows = []
    for each in found:
        sure = f"{each.line.low:.3f} to {each.line.high:.3f}"
        print(f"{each.name:32}{each.first:12,.1f}{each.last:12,.1f}   {sure}")
        rows.append({"name": each.name, "first": each.first, "last": each.last, "sure": sure, "may": _MAY[each.name]})
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(rows), encoding="utf-8")
    # Less than that is noise.
    evaluated = wanted.amount >= (500 if wanted.part == "runs" else 2)
    grown = [f"{each.name} grew." for each in found if evaluated and each.grew]
    wrong = [*long.troubles.sentences, *grown]
    print("\n".join(wrong) or "Nothing grew.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
