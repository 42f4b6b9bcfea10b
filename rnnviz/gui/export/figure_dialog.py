"""Dialog that exports a figure for a paper, with a preview."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.words import wrapped
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.export.figure import RESOLUTIONS, SIDES_MM, Figure, FigureOptions
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import ResultView

_PREVIEW = 460, 380
_LOOKS_MS = (60, 300, 1200)
"""Times of the previews after a change: some views compute in the background."""
_FORMATS = (("PDF", "pdf"), ("SVG", "svg"), ("PNG", "png"))
_THEMES = (("Light", "light"), ("Dark", "dark"))


class FigureDialog(QDialog):
    """Asks for view, format, size, colors, title and caption. The figure is drawn without the window."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        views: Sequence[ResultView],
        options: FigureOptions,
        save: Callable[[Figure, FigureOptions, str], object],
    ) -> None:
        """`save` receives the figure, the options and the title of the view. The session must have a result."""
        super().__init__(parent)
        self.setWindowTitle("Export picture")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session, self._views, self._save = session, views, save
        self.figure: Figure | None = None
        self.view = _box("View", "The view that the picture shows.", [(view.title, view.title) for view in views])
        self.format = _box(
            "Format", "PDF and SVG have sharp lines and texts at any size. PNG consists of pixels.", _FORMATS
        )
        self.theme = _box("Colors", "Colors for light or dark paper.", _THEMES)
        self.width_ = _number("Width", "Width of the picture in millimeters.", SIDES_MM, " mm")
        self.height_ = _number("Height", "Height of the picture in millimeters.", SIDES_MM, " mm")
        self.resolution = _number("Resolution", "Dots per inch of a PNG.", RESOLUTIONS, " dpi")
        self.legend = QCheckBox("&Legend")
        self.legend.setToolTip("Show color bars and the names of curves.")
        self.title = _line("Title", "A text above the picture; may be empty.")
        self.caption = _line("Caption", "A text below the picture; may be empty.")
        form = QFormLayout()
        for text, field in (
            ("&View", self.view),
            ("&Format", self.format),
            ("&Width", self.width_),
            ("&Height", self.height_),
            ("&Resolution", self.resolution),
            ("C&olors", self.theme),
            ("", self.legend),
            ("&Title", self.title),
            ("Ca&ption", self.caption),
        ):
            form.addRow(text, field)
        self._preview = QLabel()
        self._preview.setAccessibleName("Preview")
        self._preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._preview.setFixedSize(*map(scaled, _PREVIEW))
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Save | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        upper = QHBoxLayout()
        upper.addLayout(form, 1)
        upper.addWidget(self._preview)
        layout = QVBoxLayout(self)
        layout.addLayout(upper)
        layout.addWidget(self.buttons)
        self._looks = QTimer(self, singleShot=True)
        self._looks.timeout.connect(self._look)
        self._due: list[int] = []
        self._show(options)
        self.view.currentIndexChanged.connect(self._change_view)
        for box in (self.format, self.theme):
            box.currentIndexChanged.connect(self._change)
        for number in (self.width_, self.height_, self.resolution):
            number.valueChanged.connect(self._change)
        self.legend.toggled.connect(self._change)
        for line in (self.title, self.caption):
            line.textChanged.connect(self._change)
        session.changed.connect(self._on_session)
        self._change_view()

    @property
    def options(self) -> FigureOptions:
        """The options as chosen."""
        return FigureOptions(
            self.format.currentData(),
            self.width_.value(),
            self.height_.value(),
            self.resolution.value(),
            self.theme.currentData(),
            self.legend.isChecked(),
        )

    def accept(self) -> None:
        """Draw the picture as chosen, and hand it to `save`."""
        self._arrange()
        assert self.figure is not None
        self._save(self.figure, self.options, self.view.currentText())
        super().accept()

    def done(self, result: int) -> None:
        """Delete the figure."""
        self._looks.stop()
        if self.figure is not None:
            self.figure.close()
            self.figure = None
        super().done(result)

    def _on_session(self, changed: frozenset[Field]) -> None:
        if "result" in changed:
            self.reject()

    def _show(self, options: FigureOptions) -> None:
        self.format.setCurrentIndex(self.format.findData(options.format))
        self.theme.setCurrentIndex(self.theme.findData(options.theme))
        self.width_.setValue(options.width)
        self.height_.setValue(options.height)
        self.resolution.setValue(options.resolution)
        self.legend.setChecked(options.legend)

    def _change_view(self) -> None:
        view, session = self._views[self.view.currentIndex()], self._session
        assert session.result is not None
        if self.figure is not None:
            self.figure.close()
        self.figure = Figure(view, session.result, session.candidate, session.location)
        self.destroyed.connect(self.figure.close)
        self.caption.setText(view.accessibleDescription())
        self._change()

    def _change(self) -> None:
        self.resolution.setEnabled(self.format.currentData() == "png")
        self._due = list(_LOOKS_MS)
        self._looks.start(self._due.pop(0))

    def _arrange(self) -> None:
        assert self.figure is not None
        self.figure.arrange(self.options, self.title.text(), self.caption.text())

    def _look(self) -> None:
        self._arrange()
        assert self.figure is not None
        self._preview.setPixmap(self.figure.preview(QSize(*map(scaled, _PREVIEW)), self.devicePixelRatioF()))
        if self._due:
            self._looks.start(self._due.pop(0))


def _box(name: str, why: str, choices: Sequence[tuple[str, str]]) -> QComboBox:
    made = QComboBox()
    made.setAccessibleName(name)
    made.setToolTip(wrapped(why))
    for text, data in choices:
        made.addItem(text, data)
    return made


def _number(name: str, why: str, limits: tuple[int, int], unit: str) -> QSpinBox:
    made = QSpinBox()
    made.setAccessibleName(name)
    made.setToolTip(wrapped(why))
    made.setRange(*limits)
    made.setSuffix(unit)
    return made


def _line(name: str, why: str) -> QLineEdit:
    made = QLineEdit()
    made.setMinimumWidth(scaled(220))
    made.setAccessibleName(name)
    made.setToolTip(wrapped(why))
    return made
