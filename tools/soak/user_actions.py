"""Random actions of a user on the window, drawn from a seed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QFileDialog, QLineEdit, QMessageBox, QWidget

from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.gui.main_window import MainWindow
from rnnviz.lessons.index import lesson_entries, lessons
from rnnviz.reading.quantities import color_names
from rnnviz.verify.result import RunResult
from tests.configs import config_of
from tools.apart import Chance
from tools.monkey.events import drag, hover, wheel

_EDITS, _CONFIGS = 600, 8
_SIZES = ((1280, 800), (1600, 1000), (1100, 720))
_KEYS = (
    *("timestep_next", "timestep_previous", "timestep_first", "timestep_last", "unit_next", "unit_previous"),
    *("lane_above", "lane_below", "mismatch_next", "mismatch_previous", "zoom_in", "zoom_out", "fit"),
)

Actions = dict[str, tuple[float, Callable[[], object]]]
"""What can be done, and how often, by name."""


class User(Chance):
    """Does one random thing after the other."""

    def __init__(self, window: MainWindow, folder: Path, seed: int) -> None:
        """`folder` takes what is exported, which is removed at once."""
        self._window = window
        self._folder = folder
        super().__init__(seed)
        self._exports = 0
        # A few again and again, for MXNet keeps something for every shape that it meets, up to some hundred of them.
        self._small = [self._config(self.among(2, 200), self.among(3, 64)) for _ in range(_CONFIGS)]
        self.done = Counter[str]()
        session = window.session
        self._actions: Actions = {
            "drag": (20, self._drag),
            "wheel": (20, self._wheel),
            "hover": (20, lambda: hover(*self._on_lanes())),
            "key": (30, partial(self._trigger, *_KEYS)),
            "cursor": (30, partial(self._of_result, self._move_cursor)),
            "sample": (5, partial(self._trigger, "sample_next", "sample_previous")),
            "colors": (4, lambda: session.set_color_by(self.one_of(color_names()))),
            "candidate": (3, partial(self._of_result, self._choose_candidate)),
            "swipe": (3, lambda: session.set_swiping(not session.swiping)),
            "engine": (3, partial(self._of_result, lambda found: session.set_engine(self.one_of(list(found.traces))))),
            "tab": (6, self._tab),
            "theme": (2, partial(self._trigger, "theme_light", "theme_dark")),
            "copy": (2, partial(self._trigger, "copy")),
            "play": (1, self._play),
            "export": (1.5, partial(self._of_result, self._export)),
            "size": (0.7, lambda: window.resize(*self.one_of(_SIZES))),
            "help": (0.7, self._help),
        }
        self._runs: Actions = {
            "small_run": (6, self._small_run),
            "lesson": (2, self._lesson),
            "guided_lesson": (2, self._guided_lesson),
            "undo": (3, partial(self._trigger, "undo", "redo")),
        }
        """Actions that a run may follow."""
        self._storms: Actions = {"cancel": (4, self._cancel), "overtake": (2, self._overtake)}
        """Actions that stop a run, which kills the engines."""

    def try_everything(self) -> None:
        """Do each thing once, as threads start when they are needed, and edit until undo holds as much as it may."""
        for _, do in (self._actions | self._runs).values():
            do()
        for _ in range(_EDITS):
            self._edit(timesteps=self.among(2, 20), units=self.among(3, 16))

    def act(self, *, calm: bool) -> None:
        """Do one thing; `calm` leaves out what stops a run."""
        actions = self._actions | ({} if calm and self._window.runner.busy else self._runs)
        actions |= {} if calm else self._storms
        name = self.one_of(list(actions), [weight for weight, _ in actions.values()])
        actions[name][1]()
        self.done[name] += 1

    # What is shown

    def _drag(self) -> None:
        target, start = self._on_lanes()
        drag(target, start, QPoint(self.among(-200, 199), self.among(-40, 39)), (0.25, 0.5, 0.75, 1.0))

    def _wheel(self) -> None:
        target, at = self._on_lanes()
        turn, held = QPoint(0, self.one_of((-120, 120))), Qt.KeyboardModifier
        wheel(target, at, turn, self.one_of((held.NoModifier, held.ControlModifier), (7, 3)))

    def _on_lanes(self) -> tuple[QWidget, QPoint]:
        lanes = self._window.lanes
        width, height = lanes.width(), lanes.height()
        at = QPoint(self.among(width // 4, width * 3 // 4 - 1), self.among(height // 8, height * 3 // 4 - 1))
        target = lanes.childAt(at) or lanes
        return target, target.mapFrom(lanes, at)

    def _of_result(self, do: Callable[[RunResult], object]) -> None:
        """Do what needs a result, if there is one."""
        result = self._window.session.result
        if result is not None:
            do(result)

    def _move_cursor(self, result: RunResult) -> None:
        self._window.session.set_location(Location(*(self.among(0, size - 1) for size in result.shape)))

    def _choose_candidate(self, result: RunResult) -> None:
        self._window.session.set_candidate(self.one_of([c.candidate for c in result.comparisons]))

    def _tab(self) -> None:
        tabs = self._window.main_layout.tabs
        tabs.select(self.one_of(tabs.titles))

    # Runs

    def _small_run(self) -> None:
        self._window.document.edit(self.one_of(self._small))
        self._window.control.run()

    def _cancel(self) -> None:
        self._edit(timesteps=self.among(4000, 8000), units=256)
        self._window.control.run()
        QTimer.singleShot(self.among(50, 800), self._window, self._window.runner.stop)

    def _overtake(self) -> None:
        self._edit(timesteps=6000, units=256)
        self._window.control.run()
        QTimer.singleShot(self.among(0, 500), self._window, self._small_run)

    def _edit(self, timesteps: int, units: int) -> None:
        self._window.document.edit(self._config(timesteps, units))

    def _config(self, timesteps: int, units: int) -> Config:
        config = config_of(
            cell=self.one_of(list(CELL_NAMES)),
            input_size=self.among(1, 16),
            hidden_size=units,
            num_layers=self.among(1, 3),
            bidirectional=bool(self.random.random() < 0.5),
            timesteps=timesteps,
            batch_size=self.among(1, 8),
        )
        bug = self.one_of([bug.engine for bug in known_bugs_of(config.network)])
        candidates = ("manual", bug) if self.random.random() < 0.4 else None
        return replace(config, compare=replace(config.compare, candidates=candidates))

    def _guided_lesson(self) -> None:
        """Open one, or go through the one that is open."""
        guide = self._window.guide
        if guide.lesson is None:
            guide.open(self.one_of(lesson_entries()))
        else:
            self.one_of([guide.next, guide.next, guide.back, guide.again, guide.leave])()
        self._discard_changes()

    def _lesson(self) -> None:
        self._window.files.open_lesson(self.one_of(lessons()))
        self._discard_changes()

    def _discard_changes(self) -> None:
        """Answer the question about unsaved changes, if there is one."""
        for box in self._window.findChildren(QMessageBox):
            button = box.button(QMessageBox.StandardButton.Discard)
            if button is not None:
                button.click()

    def _play(self) -> None:
        # Started and halted in a moment.
        play = self._window.actions_["play"]
        play.trigger()
        QTimer.singleShot(200, self._window, play.trigger)

    # Dialogs

    def _export(self, result: RunResult) -> None:
        if result.reference.hidden.size > 1_000_000:
            return
        kind = self._trigger("export_csv", "export_csv_gates", "export_npz", "export_json", "export_png_window_1")
        # A picture is drawn before it is asked where to put it.
        QTimer.singleShot(500, self._window, lambda: self._name_export(kind.removeprefix("export_").partition("_")[0]))
        QTimer.singleShot(3000, self._window, self._clear)

    def _name_export(self, suffix: str) -> None:
        for dialog in filter(QFileDialog.isVisible, self._window.findChildren(QFileDialog)):
            # A name of its own: Qt asks about an existing file in an event loop, in which this would be called again.
            self._exports += 1
            name = dialog.findChild(QLineEdit, "fileNameEdit")
            assert isinstance(name, QLineEdit)
            name.setText(str(self._folder / f"export-{self._exports}.{suffix}"))
            dialog.accept()

    def _clear(self) -> None:
        for path in sorted(self._folder.glob("export-*"))[:-2]:
            path.unlink(missing_ok=True)

    def _help(self) -> None:
        self._trigger("keys", "about", "problem")
        QTimer.singleShot(100, self._window, self.close_dialogs)

    def close_dialogs(self) -> None:
        for dialog in self._window.findChildren(QDialog):
            if isinstance(dialog, QMessageBox) or dialog.isVisible():
                dialog.close()

    # Chance

    def _trigger(self, *names: str) -> str:
        """Trigger one of some commands, and return its name."""
        name = self.one_of(names)
        action = self._window.findChild(QAction, name) or self._window.actions_[name]
        action.trigger()
        return name
