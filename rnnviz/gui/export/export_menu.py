"""Export menu."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.export.exporter import FORMATS, ExportFormat
from rnnviz.gui.export.widget_render import SCALES


class ExportMenu(QMenu):
    """Report, numbers in each format, pictures of a view, and of the window at each scale."""

    window_chosen = Signal(int)
    """The scale of a picture of the window."""
    numbers_chosen = Signal(object)
    """A `ExportFormat`."""
    report_chosen = Signal()

    def __init__(self, picture: QAction, parent: QWidget | None = None) -> None:
        """`picture` is the command that exports a picture of a view."""
        super().__init__("&Export", parent)
        self.setToolTipsVisible(True)
        self._numbers: list[QAction] = [self._add_report()]
        for kind in FORMATS:
            self._numbers.append(self._add_numbers(kind))
        self.addSeparator()
        self.addAction(picture)
        self._numbers.append(picture)
        self._add_pictures_of_window()
        self.set_result_present(False)

    def set_result_present(self, present: bool) -> None:
        """Enable report, numbers and pictures of views if there is a result."""
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
        action.setToolTip(wrapped(kind.why))
        action.triggered.connect(lambda _checked=False: self.numbers_chosen.emit(kind))
        return action

    def _add_pictures_of_window(self) -> None:
        menu = self.addMenu("Picture of the &window")
        menu.setToolTipsVisible(True)
        for scale in SCALES:
            action = menu.addAction(f"&{scale}×…")
            action.setObjectName(f"export_png_window_{scale}")
            action.setToolTip(f"PNG at {scale}× the screen resolution.")
            action.triggered.connect(lambda _checked=False, scale=scale: self.window_chosen.emit(scale))
