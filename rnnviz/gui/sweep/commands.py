"""Commands of sweeps: open, run, and show a row in the main window."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.words import plural
from rnnviz.gui.commands.dialogs import RecentFiles, ask_file, ask_new_file, show_error_dialog
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.code_trust import CodeTrust
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.kit.tasks import Progress, TaskQueue
from rnnviz.gui.theme.palettes import LIGHT, Theme

if TYPE_CHECKING:
    from rnnviz.gui.sweep.sweep_window import OpenedSweep, SweepRunner, SweepWindow
    from rnnviz.sweeps.results import SweepRow

SWEEPS = "Sweeps and their results (*.toml *.csv *.json)"
TABLES = "Tables (*.csv *.json)"


class SweepHost(Protocol):
    """The window as sweeps see it."""

    files: FileCommands
    document: Document
    control: RunControl
    code_trust: CodeTrust
    jobs: TaskQueue
    recent: RecentFiles


class SweepCommands(QObject):
    """Handles one sweep at a time. Its window is created on first use."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, window: SweepHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._host, self._main = window, parent
        window.jobs.done.connect(self._on_written)
        self._theme = LIGHT
        self.window: SweepWindow | None = None
        self.runner: SweepRunner | None = None

    def ask_open(self) -> None:
        ask_file(self._main, "Open sweep", SWEEPS, self.open)

    def open(self, path: Path) -> None:
        """Read a sweep or its results, then show it."""
        self.message.emit(f"Opening {path.name}…")
        self._runner.open(path.absolute())

    def run(self) -> None:
        """Compute the missing rows. Asks for permission before Python files of the sweep run."""
        opened = None if self.window is None else self.window.opened
        if opened is None or opened.sweep is None or self._runner.busy:
            return
        configs = (row.point.config for row in opened.figures.rows)
        files = dict.fromkeys(path for config in configs if config is not None for path in config.code)
        untrusted = [path for path in files if path not in self._host.code_trust.trusted]
        if untrusted:
            self._host.code_trust.ask(
                untrusted,
                self.run,
                lambda: self._show_message("Not run: you declined to run code from the sweep."),
                "sweep",
                self._front,
            )
        else:
            self._runner.run(opened, self._host.code_trust.trusted)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.window is not None:
            self.window.apply_theme(theme)

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        if self.window is not None:
            self.window.close()

    @property
    def _front(self) -> QWidget:
        """The window of the sweep if it is visible, else the main window: the parent of a dialog."""
        return self._main if self.window is None or not self.window.isVisible() else self.window

    @property
    def _runner(self) -> "SweepRunner":
        if self.runner is None:
            from rnnviz.gui.sweep.sweep_window import SweepRunner

            self.runner = SweepRunner(self)
            self.runner.opened.connect(self._on_opened)
            self.runner.ended.connect(self._on_ended)
            self.runner.failed.connect(self._on_failed)
        return self.runner

    def _make_window(self) -> "SweepWindow":
        from rnnviz.gui.sweep.sweep_window import SweepWindow

        window = SweepWindow(self._main)
        window.apply_theme(self._theme)
        window.run_requested.connect(self.run)
        window.stop_requested.connect(self._runner.stop)
        window.save_requested.connect(self._ask_save)
        window.row_opened.connect(self._open_row)
        self._runner.rows_received.connect(window.take)
        self._runner.busy_changed.connect(window.show_running)
        return window

    def _on_opened(self, opened: "OpenedSweep") -> None:
        if self.window is None:
            self.window = self._make_window()
        self.window.show_sweep(opened)
        self.window.bring_to_front()
        self._host.recent.add(opened.path)
        self.message.emit("")

    def _on_ended(self, stopped: bool) -> None:
        if stopped:
            self._show_message("Stopped. Finished rows are kept; Run computes the others.")

    def _on_failed(self, title: str, sentence: str) -> None:
        show_error_dialog(self._front, title, sentence, in_background=True)

    def _on_written(self, text: str) -> None:
        if self.window is not None and self.window.isVisible():
            self.window.say(text)

    def _open_row(self, row: "SweepRow") -> None:
        assert self.window is not None
        assert self.window.opened is not None
        config, title = row.point.config, f"{self.window.opened.path.name}, row {row.point.index + 1}"
        if config is None:
            return

        def show() -> None:
            self._host.document.take(config, title)
            self._host.control.run()

        self._host.files.after_changes(show)

    def _ask_save(self) -> None:
        if self.window is not None and self.window.opened is not None:
            table, name = self.window.figures.table, f"{self.window.opened.path.stem} rows.csv"

            def write(path: Path, _progress: Progress) -> str:
                from rnnviz.sweeps.results import write_sweep_csv, write_sweep_json

                (write_sweep_json if path.suffix.lower() == ".json" else write_sweep_csv)(table, path)
                return plural(len(table.rows), "row")

            ask_new_file(
                self.window, "Save table", TABLES, "csv", name, lambda path: self._host.jobs.write(path, write)
            )

    def _show_message(self, text: str) -> None:
        if self.window is not None:
            self.window.say(text)
        self.message.emit(text)
