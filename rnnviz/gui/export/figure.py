"""The dialog that exports a figure: what it shows, its size, format and colors, next to a preview."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import ClassVar, Literal, Self, TypeAlias, TypeVar, get_args

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, SignalInstance
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.errors import InputError
from rnnviz.core.words import capital
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.export.lanes_figure import LanesFigure
from rnnviz.gui.export.paper import Layout, content_of
from rnnviz.gui.export.plot_figures import Content
from rnnviz.gui.export.sheet import PAPERS, PER_INCH, Sheet
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.scaling import DialogScrollArea, scaled, space_dialog
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, across
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.io.export.paper import MM, VIEWS, PaperFigure

Control = TypeVar("Control", bound=QWidget)
FigureFormat: TypeAlias = Literal["pdf", "svg", "png"]
PaperName: TypeAlias = Literal["print", "light", "dark"]
WIDTHS_MM, HEIGHTS_MM, RESOLUTIONS = (40, 1000), (0, 1000), (72, 600)
"""Smallest and largest width, height (0: as the content needs), and resolution in dots per inch."""
_PRESETS = (("One column, 85 mm", 85), ("Two columns, 180 mm", 180), ("Other width", 0))
_FORMATS = (("PDF", "pdf"), ("SVG", "svg"), ("PNG", "png"))
_COLORS = (("Black on white", "print"), ("Light", "light"), ("Dark", "dark"))
_TITLES = dict(
    zip(VIEWS, ("Lanes", "Unit over time", "Error over time", "Error histogram", "Gradient flow"), strict=True)
)
_PREVIEW, _LEAST_PREVIEW, _AROUND = (460, 420), 120, 96
"""Size of the preview, its least width, and the width of what is around the form and the preview."""
_LOOK_MS = 150
"""Rest after a change before the preview is drawn."""


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

    CHOICES: ClassVar = {"format": get_args(FigureFormat), "theme": tuple(PAPERS), "legend": (True, False)}
    LIMITS: ClassVar = {"width": WIDTHS_MM, "height": HEIGHTS_MM, "resolution": RESOLUTIONS}

    format: FigureFormat = "pdf"
    width: int = 85
    height: int = 0
    resolution: int = 300
    theme: PaperName = "print"
    legend: bool = True


class ScreenContent(Content):
    """A view as it is on the screen, scaled to the width. It is drawn in the thread of the window."""

    def __init__(self, view: QWidget) -> None:
        self._view = view

    def heights(self, width: float) -> tuple[float, float]:
        height = width * self._view.height() / max(self._view.width(), 1)
        return height, height

    def draw(self, sheet: Sheet, top: float) -> None:
        scale = sheet.width / self._view.width()
        sheet.painter.save()
        sheet.painter.translate(0.0, top)
        sheet.painter.scale(scale, scale)
        self._view.render(sheet.painter, QPoint())
        sheet.painter.restore()

    def caption(self) -> str:
        return self._view.accessibleDescription()


class ExportDialog(QDialog):
    """Base of the dialogs that export a picture: a form next to a preview, which each change of a field updates."""

    def __init__(self, parent: QWidget, title: str, session: Session) -> None:
        """The session must have a result."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = session
        self._fields = QWidget()
        self._form = QFormLayout(self._fields)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(8)
        self.preview = QLabel()
        self.preview.setAccessibleName("Preview")
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setWordWrap(True)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Save | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._looks = QTimer(self, singleShot=True, interval=_LOOK_MS)
        self._looks.timeout.connect(self.look)
        session.changed.connect(self._on_session)

    # Fields, from the top. `label` has the key; without one, the field is added to a row with others.

    def _choice(self, label: str, why: str, choices: Iterable[tuple[str, object]], chosen: object = None) -> QComboBox:
        made = ComboBox()
        for text, data in choices:
            made.addItem(text, data)
        made.setCurrentIndex(max(made.findData(chosen), 0))
        return self._added(made, label, why, made.currentIndexChanged)

    def _number(
        self, name: str, why: str, limits: tuple[int, int], value: int, unit: str = "", *, label: str | None = None
    ) -> QSpinBox:
        made = QSpinBox()
        made.setRange(*limits)
        made.setValue(value)
        made.setSuffix(unit)
        return self._added(made, label, why, made.valueChanged, name)

    def _check(self, label: str, why: str, *, on: bool) -> QCheckBox:
        made = QCheckBox(label)
        made.setChecked(on)
        return self._added(made, "", why, made.toggled, label)

    def _line(self, label: str, why: str) -> QLineEdit:
        made = QLineEdit()
        made.setMinimumWidth(scaled(220))
        return self._added(made, label, why, made.textChanged)

    def _added(self, field: Control, label: str | None, why: str, changed: SignalInstance, name: str = "") -> Control:
        field.setAccessibleName((name or label or "").replace("&", ""))
        field.setToolTip(wrapped(why))
        changed.connect(self._looks.start)
        if label is not None:
            self._form.addRow(label, field)
        return field

    def _row(self, label: str, *fields: QWidget) -> None:
        """Add fields in one row, of which the first has the label's key."""
        row = QWidget()
        row.setLayout(across(*((field, 1) for field in fields), spacing=scaled(8)))
        row.setFocusProxy(fields[0])
        self._form.addRow(label, row)

    def _lay_out(self) -> None:
        """Put the form and the preview into the dialog."""
        # The form is whole on a small screen, too. Its size needs the style sheet.
        for field in self._fields.findChildren(QWidget):
            field.ensurePolished()
        screen = self.screen().availableSize()
        least = self._fields.sizeHint().width() + scaled(_AROUND)
        most = QSize(max(screen.width() - least, scaled(_LEAST_PREVIEW)), screen.height() // 2)
        self._room = QSize(*map(scaled, _PREVIEW)).boundedTo(most)
        self.preview.setFixedSize(self._room)
        layout = QVBoxLayout(self)
        space_dialog(layout)
        layout.addLayout(across((DialogScrollArea(self._fields), 1), self.preview))
        layout.addWidget(self.buttons)
        self._looks.start(0)

    def done(self, result: int) -> None:
        self._looks.stop()
        super().done(result)

    def look(self) -> None:
        """Draw the preview."""
        raise NotImplementedError

    def _resolution(self, width: float, height: float) -> int:
        """Dots per inch at which a figure fills the preview, for the pixels of the screen."""
        fitting = min(self._room.width() / width, self._room.height() / height)
        return max(1, int(fitting * PER_INCH * self.devicePixelRatioF()))

    def _show(self, drawn: QImage | str) -> None:
        """Show a preview, or the sentence that says why there is none."""
        self.buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(isinstance(drawn, QImage))
        if isinstance(drawn, str):
            self.preview.setText(drawn)
            return
        pixmap = QPixmap.fromImage(drawn)
        pixmap.setDevicePixelRatio(self.devicePixelRatioF())
        self.preview.setPixmap(pixmap)

    def _on_session(self, changed: frozenset[Field]) -> None:
        if "result" in changed:
            self.reject()


class FigureDialog(ExportDialog):
    """Asks for content, size, format, colors, title and caption of a figure."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        views: Sequence[ResultView],
        options: FigureOptions,
        save: Callable[[Layout, FigureOptions, str], object],
    ) -> None:
        """`views` are the views of the window; `save` receives the figure, the options and the name of its content."""
        super().__init__(parent, "Export picture", session)
        self._save = save
        self._lanes = next((view for view in views if isinstance(view, UnrolledView)), None)
        shown = [view for view in views if view.isVisible() and view.title]
        self._screens = {f"{capital(view.title)}, as on the screen": view for view in shown}
        contents = [(title, view) for view, title in _TITLES.items()]
        contents += [(title, title) for title in self._screens]
        self.view = self._choice("C&ontent", "Content of the picture.", contents)
        self.preset = self._choice("&Size", "Width of a column or of a page of a paper.", _PRESETS)
        why = "Width in millimeters."
        self.width_ = self._number("Width", why, WIDTHS_MM, options.width, " mm", label="&Width")
        why = "Height in millimeters."
        self.height_ = self._number("Height", why, HEIGHTS_MM, options.height, " mm", label="&Height")
        self.height_.setSpecialValueText("as needed")
        why = "PDF and SVG have sharp lines and texts at any size. PNG consists of pixels."
        self.format = self._choice("&Format", why, _FORMATS, options.format)
        why = "Dots per inch of a PNG."
        self.resolution = self._number("Resolution", why, RESOLUTIONS, options.resolution, " dpi", label="&Resolution")
        why = "Black on white, or the colors of the window."
        self.theme = self._choice("&Colors", why, _COLORS, options.theme)
        self.title = self._line("&Title", "A line above the picture; may be empty.")
        self.legend = self._check("&Legend", "Show color scales and names of curves.", on=options.legend)
        self.captioned = self._check("C&aption", "Write sentences below the picture that explain it.", on=False)
        caption = QPlainTextEdit()
        self.caption = self._added(caption, "", "The sentences below the picture.", caption.textChanged, "Caption")
        self.caption.setFixedHeight(scaled(64))
        self.caption.setTabChangesFocus(True)
        self.caption.setEnabled(False)
        self._task = LatestTask("figures", self)
        self._task.done.connect(self._show)
        self._lay_out()
        self.view.currentIndexChanged.connect(self._suggest_caption)
        self.preset.currentIndexChanged.connect(self._take_preset)
        self.width_.valueChanged.connect(self._show_preset)
        self.format.currentIndexChanged.connect(self._show_resolution)
        self.captioned.toggled.connect(self._suggest_caption)
        self._show_preset()
        self._show_resolution()

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
        try:
            layout = self.layout_of(self.figure)
        except InputError as error:
            self._show(str(error))
            return
        self._save(layout, self.options, self.view.currentText())
        super().accept()

    def done(self, result: int) -> None:
        self._task.stop()
        super().done(result)

    @property
    def figure(self) -> PaperFigure:
        """The figure of the present choices: the selection, engine, quantity and time steps of the window."""
        session, options, view = self._session, self.options, self.view.currentData()
        return PaperFigure(
            view=view,
            width=options.width * MM,
            height=options.height * MM if options.height else None,
            engine=session.candidate if view in ("error", "histogram") else session.engine,
            theme=options.theme,
            resolution=options.resolution,
            title=self.title.text(),
            caption=self.caption.toPlainText() if self.captioned.isChecked() else "",
            legend=options.legend,
            times=self._times(),
            where=session.location,
        )

    def layout_of(self, figure: PaperFigure) -> Layout:
        """Lay the figure out. Raises InputError if the run lacks what it shows, or its height is too small."""
        return Layout.of(figure, self._content(figure))

    def _content(self, figure: PaperFigure) -> Content:
        session = self._session
        assert session.result is not None
        if figure.view in self._screens:
            return ScreenContent(self._screens[figure.view])
        if figure.view == "lanes" and self._lanes is not None and self._lanes.shown is not None:
            theme, shown = PAPERS[figure.theme], self._lanes.shown
            return LanesFigure(session.result, figure, theme, shown, session.influence)
        if session.masked:
            raise InputError("Answer the open question first: the figure may show the numbers that it asks for.")
        return content_of(session.result, figure)

    def _times(self) -> range | None:
        geometry = None if self._lanes is None else self._lanes.geometry_in_view
        times = None if geometry is None else geometry.timesteps_in_view()
        return None if times is None else range(max(times.start, 0), min(times.stop, self._session.length)) or None

    def look(self) -> None:
        figure = self.figure
        if figure.view in self._screens:
            self._show(self._draw(figure))
        else:
            self._task.ask(lambda check: self._draw(figure))

    def _draw(self, figure: PaperFigure) -> QImage | str:
        try:
            layout = self.layout_of(figure)
            return layout.image(self._resolution(figure.width, layout.height))
        except InputError as error:
            return str(error)

    def _suggest_caption(self) -> None:
        self.caption.setEnabled(self.captioned.isChecked())
        try:
            self.caption.setPlainText(self._content(self.figure).caption())
        except InputError:
            self.caption.clear()

    def _take_preset(self) -> None:
        if self.preset.currentData():
            self.width_.setValue(self.preset.currentData())

    def _show_preset(self) -> None:
        found = self.preset.findData(self.width_.value())
        self.preset.setCurrentIndex(found if found >= 0 else len(_PRESETS) - 1)

    def _show_resolution(self) -> None:
        self.resolution.setEnabled(self.format.currentData() == "png")
