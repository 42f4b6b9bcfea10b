"""Figures for papers: a view with title and caption in a chosen size, as PDF, SVG or PNG."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import ceil
from typing import ClassVar, Literal, Self, TypeAlias, TypeVar, get_args

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
    QTableView,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.export.picture import IncrementalGrab, flush_scene_updates
from rnnviz.gui.kit.table import Table
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import THEMES, Theme, ThemeName
from rnnviz.gui.theme.scaling import DialogScrollArea, chosen_text_scale, scaled, space_dialog
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.labels import LegendKey
from rnnviz.gui.views.table import NumberTable
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
_SMALL_TEXTS = 1.6
"""A view is stacked, if it can be, where its texts would be smaller than on the screen by more than this factor."""
_WIDENINGS = 5
"""Tables share the width with others, so that what they lack is not all that the figure lacks."""
_SVG_SIZE = re.compile(rb'width="[^"]*" height="[^"]*"')


@dataclass(frozen=True)
class ExportOptions:
    """Choices of an export dialog, stored in the settings as texts."""

    CHOICES: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    """The allowed values of a field."""
    LIMITS: ClassVar[Mapping[str, tuple[int, int]]] = {}
    """The smallest and largest value of a field."""

    def texts(self) -> tuple[str, ...]:
        """The options as texts for the settings, each as name=value."""
        return tuple(f"{name}={value}" for name, value in asdict(self).items())

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> Self:
        """The options of such texts. Invalid texts are ignored."""
        found = dict(text.partition("=")[::2] for text in texts)
        kept = {
            name: value for name, values in cls.CHOICES.items() for value in values if str(value) == found.get(name)
        }
        for name, (low, high) in cls.LIMITS.items():
            number = found.get(name, "")
            if number.isascii() and number.isdigit() and len(number) < 6 and low <= int(number) <= high:
                kept[name] = int(number)
        return cls(**kept)


@dataclass(frozen=True)
class FigureOptions(ExportOptions):
    """Choices for a figure: width and height in millimeters, resolution in dots per inch."""

    CHOICES: ClassVar = {"format": get_args(FigureFormat), "theme": tuple(THEMES), "legend": (True, False)}
    LIMITS: ClassVar = {"width": SIDES_MM, "height": SIDES_MM, "resolution": RESOLUTIONS}

    format: FigureFormat = "pdf"
    width: int = 170
    height: int = 110
    resolution: int = 300
    theme: ThemeName = "light"
    legend: bool = True

    @property
    def size(self) -> QSize:
        """Size in pixels of the screen."""
        return QSize(_pixels(self.width), _pixels(self.height))


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
        self._view, self.copy, self._whole = view, view.duplicate(), whole
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        for part, stretch in ((self._title, 0), (self.copy, 1), (self._caption, 0)):
            layout.addWidget(part, stretch)
        self._theme: Theme | None = None
        self._size, self._shrunk = self.size(), 1.0
        self.copy.show_result(result, candidate)
        self.copy.show_location(location)
        _copy_choices(view, self.copy)
        self.copy.restore_state(view.save_state() or ())

    def arrange(
        self, size: QSize, name: ThemeName, legend: bool, title: str, caption: str, *, shrink: bool = False
    ) -> None:
        """Give the figure a size in pixels of the screen, a theme, a legend and texts.

        With `shrink`, a figure that is too narrow for its view is drawn larger, and shrunk, and the text size of the
        window, as for a projector, does not count.
        """
        least, stacked = self.copy.figure_width, self.copy.stacked_width
        stack = shrink and stacked is not None and size.width() * _SMALL_TEXTS < least
        self.copy.stack(stacked=stack)
        least = stacked if stack and stacked is not None else least
        self._size = size
        self._shrunk = chosen_text_scale() * max(least / size.width(), 1.0) if shrink else 1.0
        theme = THEMES[name]
        palette = theme.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.color("base"))
        if theme is not self._theme:
            # The colors of every value are computed again.
            self._theme = theme
            self.setPalette(palette)
            self.copy.apply_theme(theme)
        for label, text in ((self._title, title), (self._caption, caption)):
            label.setText(text)
            label.setVisible(bool(text))
        self.resize((QSizeF(size) * self._shrunk).toSize())
        self.show()
        self.copy.finish_pending()
        if not self._whole:
            self.copy.show_part_of(self._view)
        self._hide_controls()
        if shrink:
            self._show_whole_tables()
        self.copy.hide_selection()
        self.copy.show_legend(legend)
        for key in self.copy.findChildren(LegendKey):
            key.setVisible(legend)
        flush_scene_updates(self)

    def _show_whole_tables(self) -> None:
        """Stack the view, or else draw the figure larger and shrink it, until every column of its tables is whole."""
        tables = [table for table in self.copy.findChildren(QTableView) if table.isVisible()]
        for _ in range(_WIDENINGS):
            lacking = max((t.horizontalHeader().length() - t.viewport().width() for t in tables), default=0)
            if lacking <= 0:
                break
            if self.copy.stack(stacked=True):
                QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
                continue
            self._shrunk *= (self.width() + lacking) / self.width()
            self.resize((QSizeF(self._size) * self._shrunk).toSize())

    def image(self, resolution: int) -> QImage:
        """The figure as pixels. Raises InputError if the picture is too large for the memory."""
        scale = resolution / SCREEN_DPI
        size = (QSizeF(self._size) * scale).toSize()
        made = QImage(size, QImage.Format.Format_RGB32)
        if made.isNull():
            raise InputError(
                f"The picture is too large (got {size.width():,} × {size.height():,} pixels). Use a smaller size or "
                "resolution."
            )
        # The size in whole pixels may be larger than what is drawn.
        made.fill(self.palette().color(QPalette.ColorRole.Window))
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
        size = QSizeF(self._size) * (72.0 / SCREEN_DPI)
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
        writer.setSize(self._size * _VECTOR_SCALE)
        writer.setViewBox(QRect(QPoint(), self._size * _VECTOR_SCALE))
        self._render(QPainter(writer), _VECTOR_SCALE)
        width, height = (side / SCREEN_DPI * _MM_PER_INCH for side in (self._size.width(), self._size.height()))
        return _SVG_SIZE.sub(f'width="{width:g}mm" height="{height:g}mm"'.encode(), bytes(out.data().data()), count=1)

    def _render(self, painter: QPainter, scale: float) -> None:
        flush_scene_updates(self)
        painter.scale(scale / self._shrunk, scale / self._shrunk)
        self.render(painter, QPoint())
        painter.end()

    def _hide_controls(self) -> None:
        """Hide buttons, and show the choice of a box as its text."""
        for box in self.copy.findChildren(QComboBox):
            if box.isVisible():
                shown = QLabel(box.currentText())
                if _replace(box, shown):
                    shown.show()
            box.hide()
        for button in self.copy.findChildren(QAbstractButton):
            if not isinstance(button, LegendKey):
                button.hide()
        for field in (*self.copy.findChildren(QLineEdit), *self.copy.findChildren(QAbstractSpinBox)):
            field.hide()
        for label in self.copy.findChildren(QLabel):
            # Shiboken declares that every label has one.
            buddy: QWidget | None = label.buddy()
            if buddy is not None and buddy.isHidden():
                label.hide()
        for table in self.copy.findChildren(QAbstractItemView):
            table.clearSelection()
            if isinstance(table, (NumberTable, Table)):
                table.whole_rows = True
        for part in self.copy.findChildren(QAbstractScrollArea):
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


_PREVIEW, _PREVIEW_SHARE = (460, 380), 0.35
"""Size of the preview in pixels, and its largest share of the screen's width and height."""
_PREVIEW_PIXELS = 1 << 19
"""Pixels of a figure that are drawn in a turn of the event loop: lanes at a new scale are read, too."""
_LOOKS_MS = (60, 300, 1200)
"""Times of the previews after a change: some views compute in the background."""
_FORMATS = (("PDF", "pdf"), ("SVG", "svg"), ("PNG", "png"))
_THEMES = (("Light", "light"), ("Dark", "dark"))


def _preview(image: QImage, room: QSize, scale: float) -> QPixmap:
    """A picture for a screen of `scale` pixels per point, within `room`."""
    made = QPixmap(image.size().scaled(room, Qt.AspectRatioMode.KeepAspectRatio) * scale)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(made.rect(), image)
    painter.end()
    made.setDevicePixelRatio(scale)
    return made


class ExportDialog(QDialog):
    """Base of the dialogs that export a figure: colors, legend, title and caption, next to a preview."""

    def __init__(self, parent: QWidget, title: str, session: Session, theme: ThemeName, *, legend: bool) -> None:
        """The session must have a result."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = session
        self.figure: Figure | None = None
        self.theme = choice_box("Colors", "Colors for light or dark paper.", _THEMES)
        self.theme.setCurrentIndex(self.theme.findData(theme))
        self.legend = check_box("&Legend", "Show color bars and the names of curves.", on=legend)
        self.title = _line("Title", "A text above the picture; may be empty.")
        self.caption = _line("Caption", "A text below the picture; may be empty.")
        fields = QWidget()
        self._form = QFormLayout(fields)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(8)
        self._preview = QLabel()
        self._preview.setAccessibleName("Preview")
        self._preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        screen = self.screen().availableSize()
        most = QSize(int(screen.width() * _PREVIEW_SHARE), int(screen.height() * _PREVIEW_SHARE))
        self._room = QSize(*map(scaled, _PREVIEW)).boundedTo(most)
        self._preview.setFixedSize(self._room)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Save | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        upper = QHBoxLayout()
        upper.addWidget(DialogScrollArea(fields), 1)
        upper.addWidget(self._preview)
        layout = QVBoxLayout(self)
        space_dialog(layout)
        layout.addLayout(upper)
        layout.addWidget(self.buttons)
        self._looks = QTimer(self, singleShot=True)
        self._looks.timeout.connect(self._look)
        self._due: list[int] = []
        self._grab: IncrementalGrab | None = None
        session.changed.connect(self._on_session)

    def _add_rows(self, *rows: tuple[str, QWidget]) -> None:
        """Fill the form. A change of any field updates the preview."""
        own = ("C&olors", self.theme), ("", self.legend), ("&Title", self.title), ("Ca&ption", self.caption)
        for text, field in (*rows, *own):
            self._form.addRow(text, field)
            if isinstance(field, QComboBox):
                field.currentIndexChanged.connect(self._change)
            elif isinstance(field, QSpinBox):
                field.valueChanged.connect(self._change)
            elif isinstance(field, QCheckBox):
                field.toggled.connect(self._change)
            elif isinstance(field, QLineEdit):
                field.textChanged.connect(self._change)

    def done(self, result: int) -> None:
        self._looks.stop()
        self._close_figure()
        super().done(result)

    def _take_figure(self) -> Figure | None:
        """The figure, which lives on without the dialog."""
        self._end_grab()
        taken, self.figure = self.figure, None
        if taken is not None:
            self.destroyed.disconnect(taken.close)
        return taken

    def _close_figure(self) -> None:
        if (figure := self._take_figure()) is not None:
            figure.close()

    def _on_session(self, changed: frozenset[Field]) -> None:
        if "result" in changed:
            self.reject()

    def _show_figure(self, view: ResultView) -> None:
        session = self._session
        assert session.result is not None
        self._close_figure()
        self.figure = Figure(view, session.result, session.candidate, session.location)
        self.destroyed.connect(self.figure.close)
        self.caption.setText(view.accessibleDescription())
        self._change()

    def _change(self) -> None:
        self._due = list(_LOOKS_MS)
        self._looks.start(self._due.pop(0))

    def update_figure(self) -> None:
        raise NotImplementedError

    def _look(self) -> None:
        self._end_grab()
        self.update_figure()
        assert self.figure is not None
        # Of a large figure, in several turns of the event loop.
        scale = ceil(self.devicePixelRatioF())
        self._grab = IncrementalGrab(
            self.figure, scale, lambda: None, self._show_preview, self._look_again, _PREVIEW_PIXELS
        )

    def _end_grab(self) -> None:
        if self._grab is not None:
            self._grab.end()
            self._grab = None

    def _look_again(self) -> None:
        self._grab = None
        self._looks.start(0)

    def _show_preview(self, image: QImage) -> None:
        self._grab = None
        self._preview.setPixmap(_preview(image, self._room, self.devicePixelRatioF()))
        if self._due:
            self._looks.start(self._due.pop(0))


class FigureDialog(ExportDialog):
    """Asks for view, format, size, colors, title and caption. The figure is drawn without the window."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        views: Sequence[ResultView],
        options: FigureOptions,
        save: Callable[[Figure, FigureOptions, str], object],
    ) -> None:
        """`save` receives the figure, the options and the title of the view."""
        super().__init__(parent, "Export picture", session, options.theme, legend=options.legend)
        self._views, self._save = views, save
        self.view = choice_box("View", "The view that the picture shows.", [(view.title, view.title) for view in views])
        self.format = choice_box(
            "Format", "PDF and SVG have sharp lines and texts at any size. PNG consists of pixels.", _FORMATS
        )
        self.format.setCurrentIndex(self.format.findData(options.format))
        self.width_ = number_box("Width", "Width of the picture in millimeters.", SIDES_MM, options.width, " mm")
        self.height_ = number_box("Height", "Height of the picture in millimeters.", SIDES_MM, options.height, " mm")
        self.resolution = number_box("Resolution", "Dots per inch of a PNG.", RESOLUTIONS, options.resolution, " dpi")
        self._add_rows(
            ("&View", self.view),
            ("&Format", self.format),
            ("&Width", self.width_),
            ("&Height", self.height_),
            ("&Resolution", self.resolution),
        )
        self.view.currentIndexChanged.connect(self.change_view)
        self.change_view()

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
        self.update_figure()
        assert self.figure is not None
        self._save(self.figure, self.options, self.view.currentText())
        super().accept()

    def change_view(self) -> None:
        self._show_figure(self._views[self.view.currentIndex()])

    def _change(self) -> None:
        self.resolution.setEnabled(self.format.currentData() == "png")
        super()._change()

    def update_figure(self) -> None:
        assert self.figure is not None
        options = self.options
        self.figure.arrange(
            options.size, options.theme, options.legend, self.title.text(), self.caption.text(), shrink=True
        )


def choice_box(name: str, why: str, choices: Sequence[tuple[str, object]]) -> QComboBox:
    made = _named(ComboBox(), name, why)
    for text, data in choices:
        made.addItem(text, data)
    return made


def number_box(name: str, why: str, limits: tuple[int, int], value: int, unit: str = "") -> QSpinBox:
    made = _named(QSpinBox(), name, why)
    made.setRange(*limits)
    made.setValue(value)
    made.setSuffix(unit)
    return made


def check_box(text: str, why: str, *, on: bool) -> QCheckBox:
    made = QCheckBox(text)
    made.setToolTip(wrapped(why))
    made.setChecked(on)
    return made


def _line(name: str, why: str) -> QLineEdit:
    made = _named(QLineEdit(), name, why)
    made.setMinimumWidth(scaled(220))
    return made


def _named(control: Control, name: str, why: str) -> Control:
    control.setAccessibleName(name)
    control.setToolTip(wrapped(why))
    return control
