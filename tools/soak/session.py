"""One soak: a window, a restless user, a reading every few seconds, and what they say in the end."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.gui.settings_panel.config_panel import SectionForm
from tests.leaks import children
from tests.unexpected_errors import UnexpectedErrors
from tools.soak.growth_in_time import Slope, slope
from tools.soak.resource_samples import QUANTITIES, Quantity, Reader, Reading, kinds_of_objects, kinds_of_widgets
from tools.soak.user_actions import User

_ACTION_MS = 15
_STORMY = 0.4
"""The part of the time in which runs are stopped, which kills the engines; those that come last grow old."""
_WARM_UP = 0.25
_MOST_WARM_UP_MINUTES = 2.5
_YOUNG = 0.15
"""For this part of the time engines that were just started still import and fill their pools."""
_SETTLED_MINUTES = 4.0
_QUIET_SECONDS, _LONGEST_WAIT_SECONDS = 0.8, 20.0
"""Engines that computed a moment ago hold that run's arrays: readings wait until they have handed them back."""
_QUIET_LOOK_MS = 50


@dataclass
class Soak:
    """A soak of `minutes` and its readings."""

    minutes: float
    seed: int
    every_seconds: float = 4.0
    tell: Callable[[str], None] = print
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.troubles = UnexpectedErrors(self.tell)

    def run(self) -> list[str]:
        """Use the window for so long, close it, and return a sentence for everything that is wrong."""
        self.troubles.listen()
        application = make_application()
        with tempfile.TemporaryDirectory() as name:
            settings = Settings(QSettings(str(Path(name) / "settings.ini"), QSettings.Format.IniFormat))
            exports = Path(name) / "exports"
            exports.mkdir()
            window = make_window(settings)
            # Created when first visible, which may be late: not more than there are.
            for section in window.panel.findChildren(SectionForm):
                for row in section.fields.values():
                    assert row.editor
            user = User(window, exports, self.seed)
            self._use(application, window, user)
            self.tell("Done: " + ", ".join(f"{count} × {action}" for action, count in sorted(user.done.items())))
            window.deleteLater()
            del window, user
            application.processEvents()
        left = [process.pid for process in children()]
        if left:
            self.troubles.note(f"After the window was closed, {len(left)} child processes went on.")
        return [*self.troubles.sentences, *self.grown()]

    def grown(self) -> list[str]:
        """A sentence for each quantity that grew by more than it may."""
        return [
            f"{quantity.name[:1].upper()}{quantity.name[1:]} grew by {line.per_minute:.3g} {quantity.unit}".rstrip()
            + f" a minute (95 % sure: {line.low:.3g} to {line.high:.3g}), which is more than {quantity.allowed:g}."
            for quantity, line in zip(QUANTITIES, self.slopes(), strict=True)
            if self._judges(quantity) and line.grew(quantity.allowed)
        ]

    def slopes(self) -> list[Slope]:
        """How each quantity went after the warm-up."""
        counted = [reading for reading in self.readings if reading.minutes >= self._warm_up]
        found = []
        for quantity in QUANTITIES:
            own = counted
            lives = None
            if quantity.name.startswith("the engines'"):
                own = [reading for reading in counted if reading.child_minutes >= _YOUNG * self.minutes]
                lives = [reading.child or 0 for reading in own]
            found.append(slope([r.minutes for r in own], [r.values[quantity.name] for r in own], lives))
        return found

    def table(self) -> str:
        """Each quantity at the beginning, at the end, and by how much it grew."""
        lines = [f"{'':32}{'first':>10}{'last':>10}{'a minute':>12}   95 % sure"]
        counted = [reading for reading in self.readings if reading.minutes >= self._warm_up]
        for quantity, line in zip(QUANTITIES, self.slopes(), strict=True):
            first, last = (counted[end].values[quantity.name] if counted else 0.0 for end in (0, -1))
            word = ("GREW" if line.grew(quantity.allowed) else "flat") if self._judges(quantity) else "not judged"
            lines.append(
                f"{quantity.name:32}{first:10,.0f}{last:10,.0f}{line.per_minute:12.3f}"
                f"   {line.low:.3f} to {line.high:.3f}, may be {quantity.allowed:g} {quantity.unit}: {word}"
            )
        return "\n".join(lines)

    def _judges(self, quantity: Quantity) -> bool:
        return self.minutes >= _SETTLED_MINUTES or not quantity.slow

    @property
    def _warm_up(self) -> float:
        return min(_WARM_UP * self.minutes, _MOST_WARM_UP_MINUTES)

    def _use(self, application: QApplication, window: MainWindow, user: User) -> None:
        actions = QTimer(interval=_ACTION_MS)
        rounds = QTimer(interval=int(self.every_seconds * 1000), singleShot=True)
        waits = QTimer(interval=_QUIET_LOOK_MS)
        reader = Reader()
        early = (kinds_of_objects(), kinds_of_widgets())
        since = quiet = monotonic()

        def act() -> None:
            user.act(calm=reader.minutes > _STORMY * self.minutes)

        def rest() -> None:
            nonlocal since, quiet
            since = quiet = monotonic()
            actions.stop()
            waits.start()

        def wait() -> None:
            nonlocal quiet
            now = monotonic()
            if window.runner.busy:
                quiet = now
            if now - quiet >= _QUIET_SECONDS or now - since >= _LONGEST_WAIT_SECONDS:
                waits.stop()
                look()

        def look() -> None:
            nonlocal early
            before, self_warm = len(self.readings), self._warm_up
            self.readings.append(reader.read())
            if before and self.readings[-2].minutes < self_warm <= self.readings[-1].minutes:
                early = (kinds_of_objects(), kinds_of_widgets())
            if self.readings[-1].minutes >= self.minutes:
                user.close_dialogs()
                window.leave()
            else:
                actions.start()
                rounds.start()

        def begin() -> None:
            window.begin(None)
            user.try_everything()
            actions.start()
            rounds.start()

        actions.timeout.connect(act)
        rounds.timeout.connect(rest)
        waits.timeout.connect(wait)
        window.completed.connect(begin)
        window.closed.connect(application.quit)
        window.show()
        application.exec()
        for now, then, words in zip(
            (kinds_of_objects(), kinds_of_widgets()), early, ("Python's objects", "Qt's widgets"), strict=True
        ):
            self.tell(f"{words} that became more: {(now - then).most_common(8)}")
