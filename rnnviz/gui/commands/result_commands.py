"""Commands on the current result: mismatches, known bugs, copy, export."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import is_known_bug
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import show_error_dialog
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import Exporter, ExportFormat
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.task_queue import TaskQueue
from rnnviz.gui.settings import Settings
from rnnviz.gui.view_sync import ViewSynchronizer
from rnnviz.gui.views.base import ResultView
from rnnviz.verify.result import RunResult


def text_of_focused(focused: QWidget | None) -> str | None:
    """Text of the focused view, or None if it has nothing to copy.

    A view with text to copy has a method `copy_text() -> str`.
    """
    widget = focused
    while widget is not None:
        offer = getattr(widget, "copy_text", None)
        if offer is not None:
            text = str(offer())
            return text or None
        widget = widget.parentWidget()
    return None


def text_of_location(result: RunResult, location: Location) -> str:
    """Selected values of all engines as a tab-separated table, in full precision."""
    rows = [("engine", *location.to_json(), "value")]
    place = [str(value) for value in location.to_json().values()]
    rows += [
        (name, *place, str(trace.hidden[location.index]) if trace.holds(*location.index[:3]) else "")
        for name, trace in result.traces.items()
    ]
    return "\n".join("\t".join(row) for row in rows) + "\n"


class ResultCommands(QObject):
    """Each command reports its effect through `message`."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        document: Document,
        control: RunControl,
        following: ViewSynchronizer,
        jobs: TaskQueue,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._document = document
        self._control = control
        self._following = following
        self._settings = settings
        self._exporter = Exporter(window, jobs)
        jobs.done.connect(self.message)
        jobs.failed.connect(self._on_failed)
        jobs.stopped.connect(lambda title: self.message.emit(f"Stopped {title}. No file was written."))

    def next_mismatch(self) -> None:
        self._visit(forward=True)

    def previous_mismatch(self) -> None:
        self._visit(forward=False)

    def compute_bug(self, engine: str) -> None:
        """Run the engine of a known bug, which replaces another known bug among the candidates, and select it."""
        self._session.set_candidate(engine)
        compare = self._session.config.compare
        if engine not in compare.engines:
            others = (name for name in compare.candidates if not is_known_bug(name))
            changed = replace(compare, candidates=(*others, engine))
            self._document.edit(replace(self._session.config, compare=changed), f"comparing with {engine}")
        self._control.run()

    def copy(self) -> None:
        """Copy the content of the focused view, or else the selected values."""
        text = text_of_focused(QApplication.focusWidget())
        if text is None and self._session.result is not None:
            text = text_of_location(self._session.result, self._session.location)
        if text is None:
            self.message.emit("Nothing to copy: no results yet.")
        else:
            QApplication.clipboard().setText(text)
            self.message.emit("Copied.")

    def export_window(self, scale: int) -> None:
        self._exporter.picture(self._window, scale, self._following.finish_pending, self._stem)

    def ask_picture(self) -> None:
        """Ask for a view and its options, and export a picture of it."""
        from rnnviz.gui.export.figure import Figure, FigureDialog, FigureOptions

        if self._session.result is None:
            return

        def save(figure: Figure, options: FigureOptions, title: str) -> None:
            self._settings.picture = options.texts()
            self._exporter.figure(figure, options, f"{self._stem} {title.lower()}")

        views = self._window.findChildren(ResultView)[::-1]
        views.sort(key=lambda view: not hasattr(view, "canvas"))
        FigureDialog(self._window, self._session, views, FigureOptions.of(self._settings.picture), save).open()

    def export_report(self, lanes: ResultView) -> None:
        """Export a report of the result, with a picture of the lanes over the whole sequence."""
        from rnnviz.gui.export.figure import REPORT, Figure, FigureOptions

        session = self._session
        if session.result is not None:
            figure = Figure(lanes, session.result, session.candidate, session.location, whole=True)
            figure.arrange(FigureOptions(width=REPORT[0], height=REPORT[1]), "", "")
            self._exporter.report(
                session.result, figure, f"The unrolled network. {lanes.accessibleDescription()}", self._stem
            )
            figure.close()

    def export_numbers(self, kind: ExportFormat) -> None:
        if self._session.result is not None:
            self._exporter.numbers(kind, self._session.result, self._stem)

    @property
    def _stem(self) -> str:
        return Path(self._document.origin.title).stem

    def _visit(self, *, forward: bool) -> None:
        if not self._session.go_to_mismatch(forward=forward):
            self.message.emit("No mismatches.")

    def _on_failed(self, title: str, sentence: str) -> None:
        self.message.emit("")
        show_error_dialog(self._window, f"Failed: {title}", sentence)
