"""The user's own recurrences in the window: which may run, and when one was edited.

A file of code runs only after the user has said so, once for each file; the answer is remembered.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_own
from rnnviz.gui.jobs.file_watcher import FileWatcher
from rnnviz.gui.settings import Settings


class CodeTrust(QObject):
    """Asks about files of code, remembers what may run, and watches those that the config names."""

    edited = Signal()
    """A watched file that may run has been saved."""

    def __init__(self, window: QWidget, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._settings = settings
        self._files = FileWatcher(self)
        self._files.edited.connect(self._on_edited)

    @property
    def trusted(self) -> frozenset[str]:
        """The files that may run, as they are named in a config."""
        return frozenset(self._settings.trusted)

    def trust(self, path: str) -> None:
        """Let a file run from now on, as when the window itself wrote it."""
        if path not in self._settings.trusted:
            self._settings.trusted = (*self._settings.trusted, path)

    def untrusted(self, config: Config) -> list[str]:
        """The files that the config names and that nobody has been asked about."""
        return [name for name in config.compare.engines if is_own(name) and name not in self.trusted]

    def ask(self, paths: list[str], run: Callable[[], None], leave: Callable[[], None]) -> QMessageBox:
        """Ask whether files may run; `run` follows if they may, else `leave`."""
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
        """Watch the files that the config names, and no others."""
        self._files.watch(name for name in config.compare.engines if is_own(name))

    def _on_edited(self, paths: set[str]) -> None:
        if paths & self.trusted:
            self.edited.emit()
