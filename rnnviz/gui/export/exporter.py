"""Export of numbers, reports and pictures to files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from rnnviz.core.errors import InputError
from rnnviz.core.inputs import open_inputs
from rnnviz.core.words import join_words
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import ask_new_file, show_error_dialog, suffix_of
from rnnviz.gui.document import Document
from rnnviz.gui.export.outputs import OUTPUTS, OutputEntry
from rnnviz.gui.export.picture import blank_picture, render_strips, render_widget, write_picture
from rnnviz.gui.jobs.lane_quantity import without_parameter
from rnnviz.gui.kit.questions import Answer, ask
from rnnviz.gui.kit.tasks import Progress, TaskQueue
from rnnviz.gui.settings import Settings
from rnnviz.gui.view_sync import ViewSynchronizer
from rnnviz.gui.views.base import ResultView
from rnnviz.io.config_toml import files_read
from rnnviz.io.export.paper import MM
from rnnviz.io.outputs import atomic_write, check_outputs
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.core.config import Config, Network

    # Imported with the dialogs, or after the first paint.
    from rnnviz.gui.commands.playback import Player
    from rnnviz.gui.export.animation import Animation
    from rnnviz.gui.export.figure import FigureOptions
    from rnnviz.gui.export.paper import Layout
    from rnnviz.gui.views.unrolled.view import UnrolledView
    from rnnviz.lessons.content import GuidedLesson


def weight_files(network: "Network", source: str | None = None) -> str:
    """The file dialog filters, one for each format of weights. The first fits the `source` file, if any."""
    from rnnviz.io.model_formats.load import formats_offered

    return ";;".join(f"{form.title} (*{form.ending})" for form in formats_offered(network, source))


_SECONDS = 3600.0


def write_weights(result: RunResult, path: Path, progress: Progress) -> str:
    """Write the weights in the format of the path's ending, and return a summary of the verification.

    `progress` may raise to cancel; an existing file then stays unchanged.

    Raises InputError or EngineError if writing or verification fails.
    """
    from rnnviz.execution.child_process import call_in_subprocess
    from rnnviz.execution.export_weights import write_verified
    from rnnviz.io.model_formats.load import format_for

    form, folder = format_for(path), result.inputs.folder
    form.check(result.config.network, path)
    assert folder is not None, "the inputs of a run have a folder"
    with atomic_write(path) as temporary:
        check = call_in_subprocess(
            write_verified,
            partial(open_inputs, folder),
            form,
            temporary.absolute(),
            path,
            what=f"{path} could not be written",
            seconds=_SECONDS,
            notify=progress,
        )
    return check.short


_ENDINGS = {f".{ending}" for ending in ("gif", "pdf", "svg", *(entry.ending for entry in OUTPUTS)) if ending}
"""Endings of names that promise the format of an export."""

_OF_EARLIER_RUN = " (out of date)"
_ASKED = "Answer the question of the lesson first: the file would have the numbers that it asks for."
_CLOSES = "The window closes after {tasks}."


class ExportCommands(QObject):
    """Asks for a file and writes it in the background. The effect is reported through `message`."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        document: Document,
        following: ViewSynchronizer,
        jobs: TaskQueue,
        settings: Settings,
        outdated: Callable[[], bool],
    ) -> None:
        """`outdated` returns whether the result is of earlier settings or files."""
        super().__init__(window)
        self._outdated = outdated
        self._window, self._session, self._document = window, session, document
        self._following, self._jobs, self._settings = following, jobs, settings
        jobs.done.connect(self.message)
        jobs.failed.connect(self._on_failed)
        jobs.stopped.connect(self._on_stopped)
        jobs.done.connect(self._on_done)
        self._then: Callable[[], object] | None = None

    def export_numbers(self, kind: OutputEntry) -> None:
        session, result = self._session, self._session.result
        if result is None or self._refuse_asked():
            return
        if "parameter" in kind.takes and session.parameter is None:
            self.message.emit(without_parameter(session))
            return
        config = result.config
        filters = (
            f"{kind.kind} (*.{kind.ending})" if kind.ending else weight_files(config.network, config.parameters.path)
        )
        given = {"start": session.location, "parameter": session.parameter}
        self._ask(
            "Export",
            filters,
            kind.ending or suffix_of(filters),
            self.stem,
            lambda path, progress: kind.written(result, path, progress=progress, **given),
        )

    def export_report(self) -> None:
        """Export a report of the result, with a picture of the lanes over the whole sequence."""
        result, outdated = self._session.result, self._outdated()
        if result is None or self._refuse_asked():
            return

        def write(path: Path, progress: Progress) -> str:
            from rnnviz.gui.export.paper import report_picture
            from rnnviz.io.export.report import write_report

            picture = report_picture(result)
            progress(0.5)
            return f"{write_report(result, path, [picture], outdated=outdated):,} bytes"

        self._ask("Export report", "Reports (*.html)", "html", self.stem, write)

    def _refuse_asked(self) -> bool:
        """Refuse to write numbers that an open question asks for; whether there are any."""
        if self._session.masked:
            self.message.emit(_ASKED)
        return bool(self._session.masked)

    def export_handout(self, lesson: "GuidedLesson") -> None:
        """Export a lesson as a page to print."""

        def write(path: Path, progress: Progress) -> str:
            from rnnviz.execution.supervisor import run
            from rnnviz.gui.export.paper import lanes_svg
            from rnnviz.io.inputs import load_inputs
            from rnnviz.lessons.handout import write_handout

            def compute(config: "Config") -> RunResult:
                return run(config, load_inputs, lambda _stage, fraction: progress(fraction), "auto")

            return f"{write_handout(lesson, path, compute, lanes_svg):,} bytes"

        self._ask("Export handout", "Handouts (*.html)", "html", lesson.name, write)

    def ask_picture(self) -> None:
        from rnnviz.gui.export.figure import FigureDialog, FigureOptions

        if self._session.result is not None:
            views = self._window.findChildren(ResultView)[::-1]
            options = FigureOptions.of(self._settings.picture)
            FigureDialog(self._window, self._session, views, options, self._export_figure).open()

    def _export_figure(self, layout: "Layout", options: "FigureOptions", title: str) -> None:
        from rnnviz.gui.export.figure import ScreenContent

        self._settings.picture = options.texts()
        kind, name = options.format, f"{self.stem} {title.lower()}"
        # A view of the window is drawn in its thread.
        drawn = layout.encoded(f".{kind}") if isinstance(layout.content, ScreenContent) else None

        def write(path: Path, _progress: Progress) -> str:
            layout.save(path, drawn)
            return f"{layout.figure.width / MM:.0f} × {layout.height / MM:.0f} mm"

        self._ask("Export picture", f"Pictures (*.{kind})", kind, name, write)

    def ask_animation(self, lanes: "UnrolledView", player: "Player") -> None:
        from rnnviz.gui.export.animation import AnimationDialog, AnimationOptions

        if lanes.shown is not None:
            options = AnimationOptions.of(self._settings.animation)
            AnimationDialog(self._window, self._session, lanes.shown, player, options, self._export_animation).open()

    def _export_animation(self, animation: "Animation") -> None:
        from rnnviz.gui.export.animation import write_animation

        self._settings.animation = animation.options.texts()
        self._ask("Export animation", "Animations (*.gif)", "gif", self.stem, partial(write_animation, animation))

    def ask_about_writing(self, leave: Callable[[], object]) -> bool:
        """Ask whether to finish the files that are being written, then call `leave`. Returns False if there are none.

        If one of them fails or is stopped, the window stays open.
        """
        writing = self._jobs.writing
        if not writing:
            return False

        def finish() -> None:
            self._then = leave
            self.message.emit(_CLOSES.format(tasks=join_words(writing)))
            self._on_done()

        def cancel() -> None:
            self._jobs.stop()
            leave()

        self._then = None
        ask(
            self._window,
            "Unfinished files",
            f"rnnviz is {join_words(writing)}.",
            Answer("&Finish and quit", finish, "Close the window when the file is complete."),
            Answer(
                "&Cancel and quit",
                cancel,
                "Discard the unfinished file and close now. An existing file stays unchanged.",
            ),
            Answer("&Go back", None, "Keep the window open."),
        )
        return True

    def export_window(self, scale: int) -> None:
        """Draw the window between its events, then ask for the file."""
        self._following.finish_pending()
        try:
            image = blank_picture(self._window, scale)
        except InputError as error:
            show_error_dialog(self._window, "Export picture", error)
            return
        strips, state = render_strips(self._window, image), self._session.state
        timer = QTimer(self, interval=0)

        def write(drawn: QImage, path: Path, progress: Progress) -> str:
            write_picture(drawn, path, progress)
            return f"{drawn.width():,} × {drawn.height():,} pixels"

        def draw() -> None:
            changed = self._session.state is not state or self._window.size() * scale != image.size()
            if not changed and next(strips, self) is None:
                return
            timer.stop()
            timer.deleteLater()
            # Strips of two moments do not fit together, and while it plays there would always be another one.
            drawn = render_widget(self._window, scale) if changed else image
            self._ask("Export picture", "Pictures (*.png)", "png", self.stem, partial(write, drawn))

        timer.timeout.connect(draw)
        timer.start()

    @property
    def stem(self) -> str:
        """The beginning of the name of a file. It says when the run is not of the document as it is now."""
        return f"{self._document.origin.stem}{_OF_EARLIER_RUN * self._outdated()}"

    def _on_done(self) -> None:
        if self._then is not None and not self._jobs.writing:
            self._then()

    def _on_stopped(self, title: str) -> None:
        self._then = None
        self.message.emit(f"Stopped {title}. No file was written.")

    def _on_failed(self, title: str, sentence: str) -> None:
        self._then = None
        self.message.emit("")
        show_error_dialog(self._window, f"Failed: {title}", sentence, in_background=True)

    def _ask(
        self, title: str, filters: str, ending: str, name: str, write: Callable[[Path, Progress], str]
    ) -> QFileDialog:
        """Ask for a file and call `write`, which returns a summary of the file, in the background."""
        result = self._session.result
        inputs = {} if result is None else files_read(result.config)

        def start(path: Path) -> None:
            other = path.suffix.lower()
            if other in _ENDINGS and f"*{other}" not in filters:
                sentence = (
                    f"{path.name} ends in {other}, but the format is .{ending}: use a name that ends in .{ending}."
                )
                show_error_dialog(self._window, title, sentence)
                return

            def checked(path: Path, progress: Progress) -> str:
                check_outputs({"an export": path}, inputs)
                return write(path, progress)

            self._jobs.write(path, checked)

        return ask_new_file(self._window, title, filters, ending, f"{name}.{ending}", start)
