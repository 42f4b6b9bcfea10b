"""The command that opens the training panel, and what the window asks it. The panel is created on first use."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme

if TYPE_CHECKING:
    from rnnviz.gui.training.controller import TrainingController, TrainingHost


class TrainingCommands(QObject):
    """Handles one training at a time."""

    message = Signal(str)
    """A text for the status bar."""
    panel_wanted = Signal(object)
    """A `Panel` that the window has to show in front."""
    checkpointed = Signal()
    """The training can resume at another checkpoint."""
    view_made = Signal(object)
    """A `ResultView` that has to be connected."""

    def __init__(self, window: "TrainingHost", parent: QWidget) -> None:
        super().__init__(parent)
        self._window, self._parent = window, parent
        self._theme = LIGHT
        self.controller: TrainingController | None = None

    def open(self) -> None:
        """Show the panel, at first with the first ready task."""
        self.panel_wanted.emit(self._made().panel)

    def open_task(self, path: Path) -> None:
        """Read a task into the form of the panel."""
        self.open()
        self._made().open_task(path)

    def restore(self, path: Path, name: str) -> None:
        """Show the training of a file that a session holds."""
        self.open()
        self._made().restore(path, name)

    def writer(self) -> Callable[[Path], None] | None:
        """A function that writes the training as it is now, for any thread; None without one."""
        return None if self.controller is None else self.controller.writer()

    @property
    def unsaved(self) -> bool:
        """Whether trained weights are in no file."""
        return self.controller is not None and self.controller.panel.unsaved

    def show_saved(self, name: str) -> None:
        """Show that a file of this name holds the training."""
        if self.controller is not None:
            self.controller.panel.show_saved(name)

    def ask_about_weights(self, discard: Callable[[], None]) -> bool:
        """Ask about trained weights that are in no file, then call `discard`. Returns False without any."""
        return self.controller is not None and self.controller.ask_about_weights(discard)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.controller is not None:
            self.controller.panel.apply_theme(theme)

    def close(self) -> None:
        if self.controller is not None:
            self.controller.close()

    def _made(self) -> "TrainingController":
        if self.controller is None:
            from rnnviz.gui.training.controller import TrainingController

            self.controller = TrainingController(self._window, self._parent, self)
            self.controller.message.connect(self.message)
            self.controller.runner.checkpointed.connect(self.checkpointed)
            self.controller.panel.apply_theme(self._theme)
            self.view_made.emit(self.controller.strip)
        return self.controller
