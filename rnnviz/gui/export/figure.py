"""Figures for papers: a view with title and caption in a chosen size, as PDF, SVG or PNG."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, TypeVar, get_args

from PySide6.QtCore import (
    QBuffer,
    QCoreApplication,
    QEvent,
    QIODevice,
    QMarginsF,
    QPoint,
    QRect,
    QSize,
    QSizeF,
    Qt,
    QTimer,
)
from PySide6.QtGui import QImage, QPageSize, QPainter, QPalette, QPdfWriter, QPixmap
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
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

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.core.words import wrapped
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.export.picture import flush_scene_updates
from rnnviz.gui.theme.palettes import THEMES, Theme, ThemeName
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.labels import LegendKey
from rnnviz.verify.result import RunResult

Control = TypeVar("Control", bound=QWidget)
FigureFormat: TypeAlias = Literal["pdf", "svg", "png"]
SIDES_MM, RESOLUTIONS = (40, 1000), (72, 600)
"""Smallest and largest width or height, and resolution in dots per inch."""

_MM_PER_INCH, SCREEN_DPI = 25.4, 96
REPORT = 425, 265
"""Width and height of the picture in a report, in millimeters."""
_VECTOR_SCALE = 4
"""Pixels of a color map in a vector format for each pixel of the screen."""
_SVG_SIZE = re.compile(rb'width="[^"]*" height="[^"]*"')


@dataclass(frozen=True)
class FigureOptions:
    """Choices for a figure: width and height in millimeters, resolution in dots per inch."""

    format: FigureFormat = "pdf"
    width: int = 170
    height: int = 110
    resolution: int = 300
    theme: ThemeName = "light"
    legend: bool = True

    def texts(self) -> tuple[str, ...]:
        """The options as texts for the settings, each as name=value."""
        return tuple(f"{name}={value}" for name, value in asdict(self).items())

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> "FigureOptions":
        """The options of such texts. Invalid texts are ignored."""
        found = dict(text.partition("=")[::2] for text in texts)
        kept: dict[str, object] = {"legend": found.get("legend") != "False"}
        for name, allowed in (("format", get_args(FigureFormat)), ("theme", tuple(THEMES))):
            if found.get(name) in allowed:
                kept[name] = found[name]
        for name, (low, high) in (("width", SIDES_MM), ("height", SIDES_MM), ("resolution", RESOLUTIONS)):
            number = found.get(name, "")
            if number.isascii() and number.isdigit() and len(number) < 6 and low <= int(number) <= high:
                kept[name] = int(number)
        return cls(**kept)  # type: ignore[arg-type]


class Figure(QWidget):
    """A view of a result without selection and controls, below a title and above a caption. It is never on a screen."""

    def __init__(
        self, view: ResultView, result: RunResult, candidate: str | None, location: Location, *, whole: bool = False
    ) -> None:
        """Copy what `view` shows; with `whole`, the whole time axis instead of the part in view."""
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        self.setAutoFillBackground(True)
        self._title, self._caption = QLabel(), QLabel()
        for label in (self._title, self._caption):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._view, self._copy, self._whole = view, view.duplicate(), whole
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for part, stretch in ((self._title, 0), (self._copy, 1), (self._caption, 0)):
            layout.addWidget(part, stretch)
        self._theme: Theme | None = None
        self._copy.show_result(result, candidate)
        self._copy.show_location(location)
        _copy_choices(view, self._copy)
        self._copy.restore_state(view.save_state() or ())

    def arrange(self, options: FigureOptions, title: str, caption: str) -> None:
        theme = THEMES[options.theme]
        palette = theme.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.color("base"))
        if theme is not self._theme:
            # The colors of every value are computed again.
            self._theme = theme
            self.setPalette(palette)
            self._copy.apply_theme(theme)
        for label, text in ((self._title, title), (self._caption, caption)):
            label.setText(text)
            label.setVisible(bool(text))
        self.resize(_pixels(options.width), _pixels(options.height))
        self.show()
        self._copy.finish_pending()
        if not self._whole:
            self._copy.show_part_of(self._view)
        self._copy.hide_selection()
        self._hide_controls()
        self._copy.show_legend(options.legend)
        for key in self._copy.findChildren(LegendKey):
            key.setVisible(options.legend)
        flush_scene_updates(self)

    def preview(self, room: QSize, scale: float) -> QPixmap:
        """The figure for a screen of `scale` pixels per point, within `room`."""
        size = QSize(self.size()).scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        made = QPixmap(size * scale)
        made.fill(Qt.GlobalColor.white)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(QRect(QPoint(), made.size()), self.grab())
        painter.end()
        made.setDevicePixelRatio(scale)
        return made

    def image(self, resolution: int) -> QImage:
        """The figure as pixels.

        Raises
        ------
        InputError
            If the picture is too large for the memory.
        """
        scale = resolution / SCREEN_DPI
        size = (QSizeF(self.size()) * scale).toSize()
        made = QImage(size, QImage.Format.Format_RGB32)
        if made.isNull():
            raise InputError(
                f"The picture is too large (got {size.width():,} × {size.height():,} pixels). Use a smaller size or "
                "resolution."
            )
        self._render(QPainter(made), scale)
        return made

    def vector(self, kind: FigureFormat) -> bytes:
        """The content of a PDF or SVG file. Color maps are images in it; lines and texts are none."""
        return self._pdf() if kind == "pdf" else self._svg()

    def close(self) -> bool:
        """Delete the figure. A graphics view that lives until the interpreter ends crashes the process."""
        super().close()
        self.deleteLater()
        QCoreApplication.sendPostedEvents(self, QEvent.Type.DeferredDelete)
        return True

    def _pdf(self) -> bytes:
        out = _open_buffer()
        writer = QPdfWriter(out)
        writer.setResolution(SCREEN_DPI * _VECTOR_SCALE)
        writer.setPageMargins(QMarginsF())
        size = QSizeF(self.size()) * (72.0 / SCREEN_DPI)
        writer.setPageSize(QPageSize(size, QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch))
        writer.setTitle(self._title.text())
        writer.setCreator("rnnviz")
        self._render(QPainter(writer), _VECTOR_SCALE)
        return bytes(out.data().data())

    def _svg(self) -> bytes:
        from PySide6.QtSvg import QSvgGenerator

        out = _open_buffer()
        writer = QSvgGenerator()
        writer.setOutputDevice(out)
        writer.setTitle(self._title.text())
        writer.setDescription(self._caption.text())
        # Qt scales fonts in points by the resolution once more, so that of the screen remains.
        writer.setResolution(SCREEN_DPI)
        writer.setSize(self.size() * _VECTOR_SCALE)
        writer.setViewBox(QRect(QPoint(), self.size() * _VECTOR_SCALE))
        self._render(QPainter(writer), _VECTOR_SCALE)
        width, height = (side / SCREEN_DPI * _MM_PER_INCH for side in (self.width(), self.height()))
        return _SVG_SIZE.sub(f'width="{width:g}mm" height="{height:g}mm"'.encode(), bytes(out.data().data()), count=1)

    def _render(self, painter: QPainter, scale: float) -> None:
        flush_scene_updates(self)
        painter.scale(scale, scale)
        self.render(painter, QPoint())
        painter.end()

    def _hide_controls(self) -> None:
        """Hide buttons, and show the choice of a box as its text."""
        for box in self._copy.findChildren(QComboBox):
            if box.isVisible():
                shown = QLabel(box.currentText())
                if _replace(box, shown):
                    shown.show()
            box.hide()
        for button in self._copy.findChildren(QAbstractButton):
            if not isinstance(button, LegendKey):
                button.hide()
        for field in (*self._copy.findChildren(QLineEdit), *self._copy.findChildren(QAbstractSpinBox)):
            field.hide()
        for table in self._copy.findChildren(QAbstractItemView):
            table.clearSelection()
        for part in self._copy.findChildren(QAbstractScrollArea):
            part.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            part.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)


def _replace(old: QWidget, new: QWidget) -> bool:
    parent = old.parentWidget()
    layout = None if parent is None else parent.layout()
    return layout is not None and layout.replaceWidget(old, new) is not None


def _copy_choices(of: QWidget, to: QWidget) -> None:
    """Copy what the boxes and checkable buttons of a view are set to, where it has as many of them."""
    for kind in (QComboBox, QAbstractButton):
        own, other = of.findChildren(kind), to.findChildren(kind)
        if len(own) != len(other):
            continue
        for here, there in zip(own, other, strict=True):
            if isinstance(here, QComboBox) and isinstance(there, QComboBox):
                there.setCurrentIndex(here.currentIndex())
            elif isinstance(here, QAbstractButton) and isinstance(there, QAbstractButton) and here.isCheckable():
                there.setChecked(here.isChecked())


def _pixels(millimeters: int) -> int:
    return round(millimeters / _MM_PER_INCH * SCREEN_DPI)


def _open_buffer() -> QBuffer:
    made = QBuffer()
    made.open(QIODevice.OpenModeFlag.WriteOnly)
    return made


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
        self.format.setCurrentIndex(self.format.findData(options.format))
        self.theme.setCurrentIndex(self.theme.findData(options.theme))
        self.width_.setValue(options.width)
        self.height_.setValue(options.height)
        self.resolution.setValue(options.resolution)
        self.legend.setChecked(options.legend)
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
        return FigureOptions(
            self.format.currentData(),
            self.width_.value(),
            self.height_.value(),
            self.resolution.value(),
            self.theme.currentData(),
            self.legend.isChecked(),
        )

    def accept(self) -> None:
        self._arrange()
        assert self.figure is not None
        self._save(self.figure, self.options, self.view.currentText())
        super().accept()

    def done(self, result: int) -> None:
        self._looks.stop()
        if self.figure is not None:
            self.figure.close()
            self.figure = None
        super().done(result)

    def _on_session(self, changed: frozenset[Field]) -> None:
        if "result" in changed:
            self.reject()

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
    made = _named(QComboBox(), name, why)
    for text, data in choices:
        made.addItem(text, data)
    return made


def _number(name: str, why: str, limits: tuple[int, int], unit: str) -> QSpinBox:
    made = _named(QSpinBox(), name, why)
    made.setRange(*limits)
    made.setSuffix(unit)
    return made


def _line(name: str, why: str) -> QLineEdit:
    made = _named(QLineEdit(), name, why)
    made.setMinimumWidth(scaled(220))
    return made


def _named(control: Control, name: str, why: str) -> Control:
    control.setAccessibleName(name)
    control.setToolTip(wrapped(why))
    return control
