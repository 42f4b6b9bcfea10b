"""Random actions of a user on the window, drawn from a seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QAction, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLineEdit, QMessageBox, QWidget

from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.gui.main_window import MainWindow
from rnnviz.lessons.index import lesson_entries, lessons
from rnnviz.reading.quantities import color_names

_EDITS, _CONFIGS = 600, 8
DisplayOptions = TypeVar("DisplayOptions")
_SIZES = ((1280, 800), (1600, 1000), (1100, 720))


@dataclass(frozen=True)
class UserAction:
    """One action, its relative frequency, and whether a run may follow."""

    name: str
    do: Callable[[], None]
    weight: float
    runs: bool = False


class User:
    """Does one random thing after the other."""

    def __init__(self, window: MainWindow, folder: Path, seed: int) -> None:
        """`folder` takes what is exported, which is removed at once."""
        self._window = window
        self._folder = folder
        self._random = np.random.default_rng(seed)
        self._exports = 0
        # A few again and again, for MXNet keeps something for every shape that it meets, up to some hundred of them.
        self._small = [self._config(self._among(2, 200), self._among(3, 64)) for _ in range(_CONFIGS)]
        self.done: dict[str, int] = {}
        self._actions = (
            UserAction("drag", self._drag, 20),
            UserAction("wheel", self._wheel, 20),
            UserAction("hover", self._hover, 20),
            UserAction("key", self._key, 30),
            UserAction("cursor", self._cursor, 30),
            UserAction("sample", self._sample, 5),
            UserAction("colors", self._colors, 4),
            UserAction("candidate", self._candidate, 3),
            UserAction("swipe", self._swipe, 3),
            UserAction("engine", self._engine, 3),
            UserAction("tab", self._tab, 6),
            UserAction("theme", self._theme, 2),
            UserAction("small run", self._small_run, 6, runs=True),
            UserAction("lesson", self._lesson, 2, runs=True),
            UserAction("guided lesson", self._guided_lesson, 2, runs=True),
            UserAction("undo", self._undo, 3, runs=True),
            UserAction("copy", self._copy, 2),
            UserAction("play", self._play, 1),
            UserAction("export", self._export, 1.5),
            UserAction("size", self._size, 0.7),
            UserAction("help", self._help, 0.7),
        )
        self._stormy = (
            *self._actions,
            UserAction("cancel", self._cancel, 4),
            UserAction("overtake", self._overtake, 2),
        )

    def try_everything(self) -> None:
        """Do each thing once, as threads start when they are needed, and edit until undo holds as much as it may."""
        for action in self._actions:
            action.do()
        for _ in range(_EDITS):
            self._edit(timesteps=self._among(2, 20), units=self._among(3, 16))

    def act(self, *, calm: bool) -> None:
        """Do one thing; `calm` leaves out what stops a run, which kills the engines."""
        actions = self._actions if calm else self._stormy
        if calm and self._window.runner.busy:
            actions = tuple(action for action in actions if not action.runs)
        weights = np.array([action.weight for action in actions])
        action = actions[int(self._random.choice(len(actions), p=weights / weights.sum()))]
        action.do()
        self.done[action.name] = self.done.get(action.name, 0) + 1

    # The lanes

    def _drag(self) -> None:
        target, start = self._on_lanes()
        stop = start + QPoint(int(self._random.integers(-200, 200)), int(self._random.integers(-40, 40)))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self._mouse(target, QEvent.Type.MouseButtonPress, start, left, left)
        for part in (0.25, 0.5, 0.75, 1.0):
            between = start + (stop - start) * part
            self._mouse(target, QEvent.Type.MouseMove, between, none, left)
        self._mouse(target, QEvent.Type.MouseButtonRelease, stop, left, none)

    def _wheel(self) -> None:
        target, at = self._on_lanes()
        here = QPointF(at)
        turn = QPoint(0, 120 if self._random.random() < 0.5 else -120)
        plain, control = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
        event = QWheelEvent(
            here,
            QPointF(target.mapToGlobal(at)),
            QPoint(),
            turn,
            Qt.MouseButton.NoButton,
            control if self._random.random() < 0.3 else plain,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(target, event)

    def _hover(self) -> None:
        target, at = self._on_lanes()
        self._mouse(target, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)

    def _on_lanes(self) -> tuple[QWidget, QPoint]:
        lanes = self._window.lanes
        at = QPoint(
            int(self._random.integers(lanes.width() // 4, lanes.width() * 3 // 4)),
            int(self._random.integers(lanes.height() // 8, lanes.height() * 3 // 4)),
        )
        target = lanes.childAt(at) or lanes
        return target, target.mapFrom(lanes, at)

    def _mouse(
        self, target: QWidget, kind: QEvent.Type, at: QPoint, button: Qt.MouseButton, held: Qt.MouseButton
    ) -> None:
        event = QMouseEvent(
            kind, QPointF(at), QPointF(target.mapToGlobal(at)), button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(target, event)

    def _key(self) -> None:
        self._trigger(
            *("timestep_next", "timestep_previous", "timestep_first", "timestep_last", "unit_next", "unit_previous"),
            *("lane_above", "lane_below", "mismatch_next", "mismatch_previous", "zoom_in", "zoom_out", "fit"),
        )

    # What is shown

    def _cursor(self) -> None:
        result = self._window.session.result
        if result is not None:
            self._window.session.set_location(Location(*(int(self._random.integers(size)) for size in result.shape)))

    def _sample(self) -> None:
        self._trigger("sample_next", "sample_previous")

    def _colors(self) -> None:
        self._window.session.set_color_by(self._one_of(color_names()))

    def _candidate(self) -> None:
        result = self._window.session.result
        if result is not None:
            self._window.session.set_candidate(self._one_of([c.candidate for c in result.comparisons]))

    def _swipe(self) -> None:
        self._window.session.set_swiping(not self._window.session.swiping)

    def _engine(self) -> None:
        result = self._window.session.result
        if result is not None:
            self._window.session.set_engine(self._one_of(list(result.traces)))

    def _tab(self) -> None:
        tabs = self._window.main_layout.tabs
        places = [place for place in range(tabs.count()) if tabs.isTabVisible(place)]
        tabs.setCurrentIndex(self._one_of(places))

    def _theme(self) -> None:
        name = self._one_of(["theme_light", "theme_dark"])
        action = self._window.findChild(QAction, name)
        assert isinstance(action, QAction)
        action.trigger()

    def _size(self) -> None:
        self._window.resize(*self._one_of(_SIZES))

    # Runs

    def _small_run(self) -> None:
        self._window.document.edit(self._one_of(self._small))
        self._window.control.run()

    def _cancel(self) -> None:
        self._edit(timesteps=self._among(4000, 8000), units=256)
        self._window.control.run()
        QTimer.singleShot(self._among(50, 800), self._window, self._window.runner.stop)

    def _overtake(self) -> None:
        self._edit(timesteps=6000, units=256)
        self._window.control.run()
        QTimer.singleShot(self._among(0, 500), self._window, self._small_run)

    def _edit(self, timesteps: int, units: int) -> None:
        self._window.document.edit(self._config(timesteps, units))

    def _config(self, timesteps: int, units: int) -> Config:
        network = {
            "cell": self._one_of(list(CELL_NAMES)),
            "input_size": self._among(1, 16),
            "hidden_size": units,
            "num_layers": self._among(1, 3),
            "bidirectional": bool(self._random.random() < 0.5),
        }
        sequence = {"timesteps": timesteps, "batch_size": self._among(1, 8)}
        config = Config.from_mapping({"network": network, "sequence": sequence})
        if self._random.random() < 0.4:
            mistake = self._one_of([mistake.name for mistake in known_bugs_of(config.network)])
            config = replace(config, compare=replace(config.compare, candidates=("manual", f"bug:{mistake}")))
        return config

    def _guided_lesson(self) -> None:
        """Open one, or go through the one that is open."""
        guide = self._window.guide
        if guide.lesson is None:
            guide.open(self._one_of(lesson_entries()))
        else:
            self._one_of([guide.next, guide.next, guide.back, guide.again, guide.leave])()
        self._discard_changes()

    def _lesson(self) -> None:
        self._window.files.open_lesson(self._one_of(lessons()))
        self._discard_changes()

    def _discard_changes(self) -> None:
        """Answer the question about unsaved changes, if there is one."""
        for box in self._window.findChildren(QMessageBox):
            button = box.button(QMessageBox.StandardButton.Discard)
            if button is not None:
                button.click()

    def _undo(self) -> None:
        self._trigger("undo", "redo")

    def _play(self) -> None:
        # Started and halted in a moment.
        play = self._window.actions_["play"]
        play.trigger()
        QTimer.singleShot(200, self._window, play.trigger)

    # Dialogs

    def _copy(self) -> None:
        self._trigger("copy")

    def _export(self) -> None:
        window = self._window
        if window.session.result is None or window.session.result.reference.hidden.size > 1_000_000:
            return
        kind = self._one_of(["export_csv", "export_csv_gates", "export_npz", "export_json", "export_png_window_1"])
        action = window.findChild(QAction, kind)
        assert isinstance(action, QAction)
        action.trigger()
        # A picture is drawn before it is asked where to put it.
        QTimer.singleShot(500, self._window, lambda: self._name_export(kind.removeprefix("export_").partition("_")[0]))
        QTimer.singleShot(3000, window, self._clear)

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
        """Close every dialog and message."""
        for dialog in self._window.findChildren(QDialog):
            if isinstance(dialog, QMessageBox) or dialog.isVisible():
                dialog.close()

    # Chance

    def _trigger(self, *names: str) -> None:
        self._window.actions_[self._one_of(names)].trigger()

    def _among(self, least: int, most: int) -> int:
        return int(self._random.integers(least, most + 1))

    def _one_of(self, things: Sequence[DisplayOptions]) -> DisplayOptions:
        return things[int(self._random.integers(len(things)))]
