"""Permission to run Python files that a config names.

A file runs only after the user allows it. The answer is saved for each file.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from rnnviz.core.config import Config
from rnnviz.gui.jobs.file_watcher import FileWatcher
from rnnviz.gui.settings import Settings


class CodeTrust(QObject):
    """Asks for permission, stores it, and watches the files of the config."""

    edited = Signal()
    """A watched, trusted file has changed."""

    def __init__(self, window: QWidget, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._settings = settings
        self._files = FileWatcher(self)
        self._files.edited.connect(self._on_edited)

    @property
    def trusted(self) -> frozenset[str]:
        """Paths that may run, as written in a config."""
        return frozenset(self._settings.trusted)

    def trust(self, path: str) -> None:
        """Allow a file to run."""
        if path not in self._settings.trusted:
            self._settings.trusted = (*self._settings.trusted, path)

    def untrusted(self, config: Config) -> list[str]:
        """Paths of the config that are not trusted."""
        return [path for path in config.code_files if path not in self.trusted]

    def ask(self, paths: list[str], run: Callable[[], None], leave: Callable[[], None]) -> QMessageBox:
        """Ask whether files may run; call `run` if so, else `leave`."""
        listed = "\n".join(paths)
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Run Python code named by this config?",
            f"This config runs Python code from:\n{listed}\n\n"
            "It runs with your permissions and is not sandboxed. Run it only if you trust its author.",
            QMessageBox.StandardButton.NoButton,
            self._window,
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        agreed = box.addButton("&Run code", QMessageBox.ButtonRole.AcceptRole)
        refused = box.addButton("&Don't run", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(refused)
        box.setEscapeButton(refused)

        def answer() -> None:
            if box.clickedButton() is agreed:
                for path in paths:
                    self.trust(path)
                run()
            else:
                leave()

        box.finished.connect(answer)
        box.open()
        return box

    def watch(self, config: Config) -> None:
        """Watch the files of a config only."""
        self._files.watch(config.code_files)

    def _on_edited(self, paths: set[str]) -> None:
        if paths & self.trusted:
            self.edited.emit()
