"""Export menu."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from rnnviz.gui.export.exporter import FORMATS, ExportFormat
from rnnviz.gui.export.widget_render import SCALES
from rnnviz.gui.views.base import ResultView


class ExportMenu(QMenu):
    """Report, numbers in each format, and pictures of the window and each view at each scale."""

    picture_chosen = Signal(object, int)
    """A `ResultView`, or None for the whole window, and the scale."""
    numbers_chosen = Signal(object)
    """A `ExportFormat`."""
    report_chosen = Signal()

    def __init__(self, views: Sequence[ResultView], parent: QWidget | None = None) -> None:
        super().__init__("&Export", parent)
        self.setToolTipsVisible(True)
        self._numbers: list[QAction] = [self._add_report()]
        for kind in FORMATS:
            self._numbers.append(self._add_numbers(kind))
        self.addSeparator()
        self._add_pictures("window", "Picture of the &window", None)
        for view in views:
            self.add(view)

    def add(self, view: ResultView) -> None:
        """Add the pictures of a view."""
        self._add_pictures(view.title, f"Picture: {view.title}", view)

    def set_result_present(self, present: bool) -> None:
        """Enable report and numbers if there is a result."""
        for action in self._numbers:
            action.setEnabled(present)

    def _add_report(self) -> QAction:
        action = self.addAction("&Report…")
        action.setObjectName("export_report")
        action.setToolTip("One HTML file with verdict, figures, checks, arithmetic and a picture.")
        action.triggered.connect(lambda _checked=False: self.report_chosen.emit())
        return action

    def _add_numbers(self, kind: ExportFormat) -> QAction:
        action = self.addAction(kind.title)
        action.setObjectName(f"export_{kind.id}")
        action.setToolTip(kind.why)
        action.triggered.connect(lambda _checked=False: self.numbers_chosen.emit(kind))
        return action

    def _add_pictures(self, name: str, title: str, view: ResultView | None) -> None:
        menu = self.addMenu(title)
        menu.setToolTipsVisible(True)
        for scale in SCALES:
            action = menu.addAction(f"&{scale}×…")
            action.setObjectName(f"export_png_{name}_{scale}")
            action.setToolTip(f"PNG at {scale}× the screen resolution.")
            action.triggered.connect(
                lambda _checked=False, scale=scale: self.picture_chosen.emit(view, scale),
            )
