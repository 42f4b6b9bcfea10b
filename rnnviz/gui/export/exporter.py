"""Export of numbers, reports and pictures to files, and its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from rnnviz.core.errors import InputError
from rnnviz.core.inputs import open_inputs
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.gui.commands.dialogs import ask_new_file, show_error_dialog
from rnnviz.gui.export.picture import IncrementalGrab, png_of, write_picture
from rnnviz.gui.jobs.progress import SHOW_AFTER_MS, ProgressRow
from rnnviz.gui.jobs.task_queue import BackgroundTask, Progress, TaskQueue
from rnnviz.io.config_toml import files_read
from rnnviz.io.export.png import LANES_IN_WORDS, ReportPicture
from rnnviz.io.model_formats.load import WEIGHT_FORMATS, format_for
from rnnviz.io.outputs import atomic_write, check_outputs
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    # Imported with the dialog.
    from rnnviz.gui.export.figure import Figure, FigureOptions


FILTERS = ";;".join(f"{form.title} (*{form.ending})" for form in WEIGHT_FORMATS)
"""File dialog filters, one for each format."""

_SECONDS = 3600.0


def write_weights(result: RunResult, path: Path, progress: Progress) -> str:
    """Write the weights in the format of the path's ending, and return a summary of the verification.

    `progress` may raise to cancel; an existing file then stays unchanged.

    Raises
    ------
    InputError, EngineError
        If writing or verification fails.
    """
    from rnnviz.execution.export_weights import write_verified

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


@dataclass(frozen=True)
class ExportFormat:
    """A file format for the numbers of a run; `write` returns a summary of the file."""

    id: str
    ending: str
    title: str
    why: str
    filters: str
    write: Callable[[RunResult, Path, Progress], str]


def _write_csv(result: RunResult, path: Path, progress: Progress, *, gates: bool = False) -> str:
    from rnnviz.io.export.csv import write_csv

    return f"{write_csv(result, path, progress, gates=gates):,} rows"


def _write_npz(result: RunResult, path: Path, progress: Progress, *, gates: bool = False) -> str:
    from rnnviz.io.export.npz import write_npz

    return f"{write_npz(result, path, progress, gates=gates):,} arrays"


def _write_json(result: RunResult, path: Path, _progress: Progress) -> str:
    from rnnviz.io.export.json_summary import write_json

    write_json(result, path)
    return "verdict and figures"


def _write_notebook(result: RunResult, path: Path, _progress: Progress) -> str:
    from rnnviz.io.export.notebook import write_notebook

    return f"{write_notebook(result, path):,} cells"


_TABLES, _ARRAYS, _SUMMARIES = "Tables (*.csv)", "Arrays (*.npz)", "Summaries (*.json)"
_GATES = "gates, cell states and pre-activations,\nrecomputed in float64 from each engine's own states."

FORMATS = (
    ExportFormat(
        "notebook",
        "ipynb",
        "Note&book…",
        "A Jupyter notebook that recomputes this run with Gluon and with NumPy.",
        "Notebooks (*.ipynb)",
        _write_notebook,
    ),
    ExportFormat("csv", "csv", "Table (&CSV)…", "One row for each hidden value.", _TABLES, _write_csv),
    ExportFormat(
        "csv_gates",
        "csv",
        "Table with &gates and cell states (CSV)…",
        f"One row for each hidden value, with {_GATES}",
        _TABLES,
        partial(_write_csv, gates=True),
    ),
    ExportFormat("npz", "npz", "Arrays (&NPZ)…", "Arrays of every engine, inputs and config.", _ARRAYS, _write_npz),
    ExportFormat(
        "npz_gates",
        "npz",
        "Arrays with gates and cell s&tates (NPZ)…",
        f"Arrays of every engine, inputs and config, with {_GATES}",
        _ARRAYS,
        partial(_write_npz, gates=True),
    ),
    ExportFormat("json", "json", "Summary (&JSON)…", "Verdict, figures and checks.", _SUMMARIES, _write_json),
    ExportFormat(
        "weights",
        "params",
        "Weights as a &model file…",
        "Weights of this run for Gluon, PyTorch, ONNX Runtime or NumPy.\nrnnviz reads the file back and verifies it.",
        FILTERS,
        write_weights,
    ),
)


class Exporter:
    """Asks for a file and writes it in the background."""

    def __init__(self, window: QWidget, jobs: TaskQueue) -> None:
        self._window = window
        self._jobs = jobs

    def numbers(self, kind: ExportFormat, result: RunResult, name: str) -> None:
        """Export the numbers of a result. `name` is the suggested file name."""

        def write(path: Path, progress: Progress) -> str:
            check_outputs({"an export": path}, files_read(result.config))
            return kind.write(result, path, progress)

        self._ask("Export", kind.filters, kind.ending, name, write)

    def report(self, result: RunResult, figure: "Figure", caption: str, name: str) -> None:
        """Export a report with a figure of the lanes, drawn before the file dialog opens."""
        from rnnviz.gui.export.figure import SCREEN_DPI

        image = figure.image(SCREEN_DPI)

        def write(path: Path, progress: Progress) -> str:
            from rnnviz.io.export.report.export import write_report

            picture = ReportPicture(caption, LANES_IN_WORDS, image.width(), png_of(image))
            progress(0.5)
            return f"{write_report(result, path, [picture]):,} bytes"

        self._ask("Export report", "Reports (*.html)", "html", name, write)

    def figure(self, figure: "Figure", options: "FigureOptions", name: str) -> None:
        """Export a figure, drawn before the file dialog opens."""
        kind = options.format
        try:
            drawn = figure.image(options.resolution) if kind == "png" else figure.vector(kind)
        except InputError as error:
            show_error_dialog(self._window, "Export picture", error)
            return
        if isinstance(drawn, QImage):
            self._ask_image(drawn, name)
            return

        def write(path: Path, _progress: Progress) -> str:
            with atomic_write(path) as temporary:
                temporary.write_bytes(drawn)
            return f"{options.width} × {options.height} mm"

        self._ask("Export picture", f"Pictures (*.{kind})", kind, name, write)

    def picture(self, widget: QWidget, scale: int, make_ready: Callable[[], object], name: str) -> None:
        """Export a picture of a widget, taken after a call of `make_ready` and before the file dialog opens."""
        try:
            IncrementalGrab(
                widget,
                scale,
                make_ready,
                lambda image: self._ask_image(image, name),
                lambda: self.picture(widget, scale, make_ready, name),
            )
        except InputError as error:
            show_error_dialog(self._window, "Export picture", error)

    def _ask_image(self, image: QImage, name: str) -> None:
        def write(path: Path, progress: Progress) -> str:
            write_picture(image, path, progress)
            return f"{image.width():,} × {image.height():,} pixels"

        self._ask("Export picture", "Pictures (*.png)", "png", name, write)

    def _ask(self, title: str, filters: str, ending: str, name: str, write: Callable[[Path, Progress], str]) -> None:
        """Ask for a file and call `write`, which returns a summary of the file, in the background."""

        def start(path: Path) -> None:
            def work(progress: Progress) -> str:
                return f"Saved {path} ({write(path, progress)})."

            self._jobs.start(BackgroundTask(f"writing {path.name}", work))

        ask_new_file(self._window, title, filters, ending, f"{name}.{ending}", start)


class ExportProgress(QWidget):
    """Visible in the status bar during a long export."""

    def __init__(self, jobs: TaskQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = ProgressRow("Export progress", "Written share of the file.")
        stop = QPushButton("Stop")
        stop.setObjectName("stop_export")
        stop.setAccessibleName("Stop export")
        stop.setToolTip("Cancel the export. An existing file stays unchanged.")
        stop.clicked.connect(jobs.stop)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 10, 0)
        layout.addWidget(self._row)
        layout.addWidget(stop)
        self._delay = QTimer(self, singleShot=True, interval=SHOW_AFTER_MS)
        self._delay.timeout.connect(self.show)
        jobs.progressed.connect(self._on_progressed)
        jobs.busy_changed.connect(self._on_busy)
        self.hide()

    @property
    def text(self) -> str:
        return self._row.text if self.isVisible() else ""

    def _on_progressed(self, title: str, fraction: float) -> None:
        if fraction <= 0.0:
            self._row.begin(title)
        self._row.set_progress(title, fraction)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self._delay.start()
        else:
            self._delay.stop()
            self.hide()
