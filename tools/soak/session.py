"""One soak: a window that is used, a reading now and then, and what they say in the end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from tests.configs import config_of
from tests.leaks import children
from tests.unexpected_errors import UnexpectedErrors
from tools.soak.growth_in_time import Slope, slope
from tools.soak.resource_samples import QUANTITIES, Quantity, Reader, Reading, kinds_of_objects, kinds_of_widgets
from tools.soak.user_actions import User


@dataclass(frozen=True)
class Part:
    """A way to use the window: what a growth refers to, and from which amount on all quantities are judged."""

    per: str
    settled: float
    divisor: float = 1.0


PARTS = {"use": Part("a minute", 4.0), "runs": Part("a thousand runs", 0.5, 1_000.0), "playing": Part("an hour", 2.0)}
_WARM_UP, _MOST_WARM_UP_MINUTES = 0.25, 2.5
_YOUNG = 0.15
"""For this part of the time engines that were just started still import and fill their pools."""
_READINGS = 60

_ACTION_MS = 15
_STORMY = 0.4
"""The part of the time in which runs are stopped, which kills the engines; those that come last grow old."""
_QUIET_SECONDS, _LONGEST_WAIT_SECONDS = 0.8, 20.0
"""Engines that computed a moment ago hold that run's arrays: readings wait until they have handed them back."""
_QUIET_MS = 900

_EDITS = 600
"""As many as undo holds, and some."""
_FRAME_SECONDS = 2.0


@dataclass(frozen=True)
class Growth:
    """The course of one quantity: its first and last value, its slope, how much it may grow, and if it is judged."""

    quantity: Quantity
    first: float
    last: float
    line: Slope
    allowed: float
    judged: bool

    @property
    def grew(self) -> bool:
        """Whether it surely grew by more than it may."""
        return self.judged and self.line.grew(self.allowed)


class Soak:
    """A window in use for `amount` minutes, runs, or hours of the player's clock.

    In playing every frame is drawn, and the player's clock is two seconds further in each.
    """

    def __init__(self, part: str, amount: float, seed: int = 0, tell: Callable[[str], None] = print) -> None:
        self.part, self.amount, self._seed, self._tell = PARTS[part], amount, seed, tell
        self._use = {"use": self._use_at_random, "runs": self._run_often, "playing": self._play_long}[part]
        self._reader = Reader()
        self._readings: list[tuple[float, Reading]] = []
        self._early: tuple[Counter[str], Counter[str]] | None = None
        self.troubles = UnexpectedErrors(tell)

    def run(self) -> list[str]:
        """Use the window for so long, close it, and return a sentence for everything that is wrong."""
        self.troubles.listen()
        application = make_application()
        with TemporaryDirectory() as name:
            exports = Path(name) / "exports"
            exports.mkdir()
            window = make_window(Settings(QSettings(str(Path(name) / "settings.ini"), QSettings.Format.IniFormat)))
            self._show(application, window, exports)
            window.deleteLater()
            del window
            application.processEvents()
        if children():
            self.troubles.note(f"After the window was closed, {len(children())} child processes went on.")
        for now, then in zip((kinds_of_objects(), kinds_of_widgets()), self._early or (), strict=False):
            self._tell(f"Became more: {(now - then).most_common(8)}")
        grown = [
            f"{each.quantity.name[:1].upper()}{each.quantity.name[1:]} grew by {each.line.per_minute:.3g} "
            f"{each.quantity.unit}".rstrip()
            + f" {self.part.per} (95 % sure: {each.line.low:.3g} to {each.line.high:.3g}), which is more than "
            f"{each.allowed:g}."
            for each in self.growth()
            if each.grew
        ]
        return [*self.troubles.sentences, *grown]

    def _show(self, application: QApplication, window: MainWindow, exports: Path) -> None:
        window.completed.connect(lambda: QTimer.singleShot(0, window, lambda: self._use(window, exports)))
        window.closed.connect(application.quit)
        if self.part is not PARTS["use"]:
            window.runner.failed.connect(lambda event: self.troubles.note(event.sentence))
        window.show()
        application.exec()

    def growth(self) -> list[Growth]:
        warm_up = min(_WARM_UP * self._reader.minutes, _MOST_WARM_UP_MINUTES)
        counted = [(count, reading) for count, reading in self._readings if reading.minutes >= warm_up]
        settled = self.amount / self.part.divisor >= self.part.settled
        found = []
        for quantity in QUANTITIES:
            own, lives = counted, None
            if quantity.name.startswith("the engines'"):
                own = [each for each in counted if each[1].child_minutes >= _YOUNG * self._reader.minutes]
                lives = [reading.child or 0 for _, reading in own]
            values = [reading.values[quantity.name] for _, reading in own]
            line = slope([count for count, _ in own], values, lives)
            in_use = self.part is PARTS["use"]
            allowed = quantity.a_minute if in_use else quantity.at_length
            judged = settled or (in_use and not quantity.slow)
            found.append(Growth(quantity, *((values[0], values[-1]) if values else (0.0, 0.0)), line, allowed, judged))
        return found

    def table(self) -> str:
        """Each quantity at the beginning, at the end, and by how much it grew."""
        lines = [f"{'':32}{'first':>10}{'last':>10}{self.part.per:>16}   95 % sure"]
        for each in self.growth():
            word = ("GREW" if each.grew else "flat") if each.judged else "not judged"
            lines.append(
                f"{each.quantity.name:32}{each.first:10,.0f}{each.last:10,.0f}{each.line.per_minute:16.3f}"
                f"   {each.line.low:.3f} to {each.line.high:.3f}, may be {each.allowed:g} {each.quantity.unit}: {word}"
            )
        return "\n".join(lines)

    def _look(self, count: float) -> None:
        self._readings.append((count, self._reader.read()))
        if self._early is None and count > _WARM_UP * self.amount / self.part.divisor:
            self._early = kinds_of_objects(), kinds_of_widgets()
        if len(self._readings) % 10 == 0:
            self._tell(f"{count:.3g} of {self.amount / self.part.divisor:g}")

    def _use_at_random(self, window: MainWindow, exports: Path) -> None:
        for field in window.panel.fields.values():
            # Created when first visible, which may be late: not more than there are.
            assert field.editor
        user, runner, minutes = User(window, exports, self._seed), window.runner, self.amount
        actions = QTimer(window, interval=_ACTION_MS)
        rounds = QTimer(window, interval=int(min(4_000.0, minutes * 60_000.0 / 40.0)), singleShot=True)
        waits = QTimer(window, interval=50)
        since = quiet = monotonic()

        def go_on() -> None:
            actions.start()
            rounds.start()

        def rest() -> None:
            nonlocal since, quiet
            since = quiet = monotonic()
            actions.stop()
            waits.start()

        def wait() -> None:
            nonlocal quiet
            now = monotonic()
            if runner.busy:
                quiet = now
            if now - quiet < _QUIET_SECONDS and now - since < _LONGEST_WAIT_SECONDS:
                return
            waits.stop()
            self._look(self._reader.minutes)
            if self._reader.minutes < minutes:
                go_on()
                return
            user.close_dialogs()
            self._tell("Done: " + ", ".join(f"{count} × {action}" for action, count in sorted(user.done.items())))
            window.leave()

        actions.timeout.connect(lambda: user.act(calm=self._reader.minutes > _STORMY * minutes))
        rounds.timeout.connect(rest)
        waits.timeout.connect(wait)
        window.begin(None)
        user.try_everything()
        self._reader = Reader()
        go_on()

    def _run_often(self, window: MainWindow, _exports: Path) -> None:
        window.warm_up()
        # A few again and again, for MXNet keeps something for every shape that it meets.
        cells = product(("rnn_relu", "rnn_tanh", "lstm", "gru"), (6, 12))
        sizes = {"input_size": 4, "timesteps": 12, "batch_size": 3}
        configs = [config_of(cell=cell, hidden_size=units, bidirectional=units > 8, **sizes) for cell, units in cells]
        runs = int(self.amount)
        for place in range(_EDITS):
            window.document.edit(configs[place % len(configs)])
        done, every = 0, max(1, runs // _READINGS)

        def go_on() -> None:
            window.document.edit(configs[done % len(configs)])
            window.control.run()

        def ended() -> None:
            nonlocal done
            done += 1
            rests = done % every == 0
            QTimer.singleShot(_QUIET_MS if rests else 0, window, look if rests else go_on)

        def look() -> None:
            self._look(done / self.part.divisor)
            if done < runs:
                go_on()
            else:
                window.leave()

        window.runner.finished.connect(ended)
        go_on()

    def _play_long(self, window: MainWindow, _exports: Path) -> None:
        window.warm_up()
        window.runner.finished.connect(lambda *_: QTimer.singleShot(_QUIET_MS, window, lambda: self._play(window)))
        window.document.edit(config_of(hidden_size=16, timesteps=4_096))
        window.control.run()

    def _play(self, window: MainWindow) -> None:
        frames = int(self.amount * 3600.0 / _FRAME_SECONDS)
        every = max(1, frames // _READINGS)
        for frame in range(1, frames + 1):
            player = window.player
            player._clock = lambda now=frame * _FRAME_SECONDS: now  # the hours are its clock's
            if not player.playing:
                player.set_factor(0.5)
                player.toggle()
                player.timer.setInterval(1 << 30)  # frames come from here
            player._step()
            QApplication.processEvents()
            if frame % every == 0:
                self._look(frame * _FRAME_SECONDS / 3600.0)
        window.player.pause()
        window.leave()
