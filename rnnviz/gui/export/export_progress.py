"""Progress of an export, with a Stop button."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from rnnviz.gui.jobs.progress import SHOW_AFTER_MS, ProgressRow
from rnnviz.gui.jobs.task_queue import TaskQueue


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
        """The visible text."""
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
