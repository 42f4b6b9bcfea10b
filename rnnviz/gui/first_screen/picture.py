"""The living picture: the sample network computes its time steps, and one value is open with its arithmetic."""

import re

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QAbstractButton

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.number_format import short, true_minus
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.explain.lines import Line
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.gui.theme.fonts import code_font, text_font
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import motion_reduced, scaled
from rnnviz.gui.views.unrolled.colormap import ColorScale, color_table, on, rounded_up

SAMPLE = "models", "sample-lstm.safetensors"
"""The model file that comes with the program, as a resource."""
TIMESTEPS = 10
"""Number of time steps that the picture shows."""
RESTING = Location(layer=1, timestep=6, unit=4)
"""The value that is open while nothing moves."""
_STEP_MS, _HELD, _ROUNDS = 700, 3, 3
"""Time of a step, number of such times for which the last step stays, and rounds until the picture rests."""
_WORDS = {
    "f": ("forget gate", "how much of c is kept"),
    "i": ("input gate", "how much is added"),
    "g": ("candidate", "the value that is added"),
    "o": ("output gate", "how much of c is shown"),
    "c": ("cell state", ""),
    "h": ("hidden value", ""),
}
"""Name and meaning of each line; below the states is their arithmetic."""
_EFFECT = "Opens the sample network at this value."
_CAPTION, _INVITATION = "A small LSTM computes its steps. It reads the framed values.", "Click any number to open it"


@dataclass(frozen=True, eq=False)
class SampleRun:
    """One sample of the sample network's run: h (L, T, H), x (T, I), and the lines of the open unit by time step."""

    hidden: FloatArray
    x: FloatArray
    lines: tuple[dict[str, Line], ...]


def run_sample(check: Check) -> SampleRun:
    """Compute the sample network as a run of its file does."""
    from rnnviz.core.places import Place
    from rnnviz.explain.forward import value_breakdown
    from rnnviz.gui.commands.manual_run import run_manual
    from rnnviz.io.model_formats.load import config_of, entries_of

    path = resource_path(*SAMPLE)
    inputs, trace = run_manual(config_of(path, entries_of(path)[0], None, None), lambda _fraction: check())
    places = (Place.at("h", RESTING.moved(timestep=t)) for t in range(TIMESTEPS))
    lines = tuple({line.name: line for line in value_breakdown(inputs, trace, place, None).lines} for place in places)
    return SampleRun(trace.hidden[:, 0, :TIMESTEPS, 0], inputs.sequence[:TIMESTEPS, 0], lines)


class LivingPicture(QAbstractButton):
    """Lanes at the left, which fill step by step, and the arithmetic of the open value at the right.

    It stays still while the pointer or the keyboard is on it, and where motion is reduced. Most of its methods paint
    one part each, or answer one of Qt's events.
    """

    value_chosen = Signal(object)
    """The `Location` of a clicked value; of the open one by keyboard."""
    computed = Signal()
    """The numbers are there."""

    def __init__(self) -> None:
        super().__init__()
        self.run: SampleRun | None = None
        self.timestep = RESTING.timestep
        self._theme, self._rounds, self._held = LIGHT, 0, 0
        self._scale = 1.0
        self._pointed: Location | None = None
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(_CAPTION)
        self.setAccessibleDescription(_EFFECT)
        self.setToolTip(_EFFECT)
        self._task = LatestTask("sample", self)
        self._task.done.connect(self._take)
        self._steps = QTimer(self, interval=_STEP_MS)
        self._steps.timeout.connect(self._step)
        self.clicked.connect(self._choose)

    @property
    def open_value(self) -> Location:
        return RESTING.moved(timestep=self.timestep)

    def close_task(self) -> None:
        self._task.stop()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(scaled(_WIDTH), scaled(_HEIGHT))

    def fit(self, room: int) -> None:
        """Take the size that the text asks for, at most the width `room`."""
        self._scale = min(scaled(_WIDTH), room) / _WIDTH
        self.setFixedSize(round(_WIDTH * self._scale), round(_HEIGHT * self._scale))

    def value_at(self, position: QPointF) -> Location | None:
        """The computed hidden value at a position."""
        if self.run is None:
            return None
        layers, _, units = self.run.hidden.shape
        for layer in range(layers):
            for timestep in range(self.timestep + 1):
                for unit in range(units):
                    if self._box(layer, timestep, unit).contains(position):
                        return Location(layer=layer, timestep=timestep, unit=unit)
        return None

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.run is None:
            self._task.ask(run_sample)
        self._begin()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._steps.stop()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._point_at(self.value_at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._point_at(self.value_at(event.position()))
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Keys open the value that is shown, wherever the pointer is.
        self._point_at(None)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point_at(None)

    def _point_at(self, value: Location | None) -> None:
        if value != self._pointed:
            self._pointed = value
            self.update()

    def _choose(self) -> None:
        self.value_chosen.emit(self._pointed or self.open_value)

    def _take(self, run: SampleRun) -> None:
        self.run = run
        self._begin()
        self._show_value()
        self.computed.emit()

    def rest(self) -> None:
        """Stay at the value that is open while nothing moves."""
        self.timestep = RESTING.timestep
        self._steps.stop()
        self._show_value()

    def _show_value(self) -> None:
        assert self.run is not None
        value = short(self.run.lines[self.timestep]["h"].value)
        self.setAccessibleDescription(f"{self._title}, h = {value}. {_EFFECT}")
        self.update()

    @property
    def _title(self) -> str:
        here = self.open_value
        return f"Layer {here.layer}, t = {here.timestep}, unit {here.unit}"

    def _begin(self) -> None:
        if self.run is not None and self.isVisible() and not motion_reduced():
            self.timestep, self._rounds, self._held = 0, 0, 0
            self._steps.start()

    def _step(self) -> None:
        if self.underMouse() or self.hasFocus():
            return
        if motion_reduced() or (self._rounds == _ROUNDS and self.timestep == RESTING.timestep):
            self.rest()
            return
        if self.timestep < TIMESTEPS - 1:
            self.timestep += 1
        elif self._held < _HELD:
            self._held += 1
        else:
            self.timestep, self._rounds, self._held = 0, self._rounds + 1, 0
        self._show_value()

    # Geometry, in pixels at 100%

    def _px(self, pixels: float) -> float:
        return pixels * self._scale

    def _rect(self, left: float, top: float, width: float, height: float) -> QRectF:
        return QRectF(*map(self._px, (left, top, width, height)))

    def _font(self, pixels: float, *, bold: bool = False, code: bool = False) -> QFont:
        font = (code_font if code else text_font)(pixels, QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
        font.setPixelSize(max(1, round(self._px(pixels))))
        return font

    def _lane(self, layer: int) -> tuple[float, float, float]:
        """Top of the first box, height of a row and height of a box: of a layer, or of the input as layer -1."""
        if layer < 0:
            return _INPUT_TOP, _INPUT_ROW, _INPUT_ROW - 1
        return _TOP + (1 - layer) * (_ROWS * _ROW + _BETWEEN), _ROW, _ROW - 2

    def _box(self, layer: int, timestep: int, unit: int) -> QRectF:
        top, row, height = self._lane(layer)
        return self._rect(_LEFT + timestep * _COLUMN, top + unit * row, _COLUMN - 2, height)

    def _column(self, layer: int, timestep: int, rows: int) -> QRectF:
        column = self._box(layer, timestep, 0).united(self._box(layer, timestep, rows - 1))
        return column.adjusted(-2, -2, 2, 2)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        _frame(painter, frame, theme.border, 1.0, theme.base, self._px(6))
        bottom, right = self._px(_HEIGHT - _FOOT), self._px(_LANES_WIDTH)
        painter.setPen(QPen(theme.color("grid"), 1.0))
        painter.drawLine(QPointF(0, bottom), QPointF(self.width(), bottom))
        painter.drawLine(QPointF(right, 0), QPointF(right, bottom))
        painter.setClipRect(frame)
        if self.run is not None:
            self._paint_lanes(painter, self.run)
            self._paint_arithmetic(painter, self.run.lines[self.timestep])
        foot = QRectF(self._px(12), bottom, self.width() - self._px(24), self._px(_FOOT))
        _write(painter, foot, _CAPTION, self._font(12), theme.muted)
        invitation = self._font(12, bold=True)
        _write(painter, foot, _INVITATION, invitation, theme.accent, Qt.AlignmentFlag.AlignRight)
        if self.hasFocus():
            _frame(painter, frame.adjusted(0.5, 0.5, -0.5, -0.5), theme.accent, 2.0, None, self._px(6))
        painter.end()

    def _paint_lanes(self, painter: QPainter, run: SampleRun) -> None:
        theme = self._theme
        layers, timesteps, units = run.hidden.shape
        names, numbers = self._font(13, bold=True), self._font(12, code=True)
        hidden, read = _scale(run.hidden), _scale(run.x)
        for layer in range(-1, layers):
            values, scale = (run.x, read) if layer < 0 else (run.hidden[layer], hidden)
            table, rows = color_table(theme, scale), values.shape[1]
            colors = table[scale.indices(values)]
            lane = self._box(layer, 0, 0).united(self._box(layer, 0, rows - 1))
            name = QRectF(0.0, lane.top(), lane.left() - self._px(26), lane.height())
            _write(painter, name, "input" if layer < 0 else f"layer {layer}", names, theme.text, _RIGHT)
            for row in range(rows if layer >= 0 else 0):
                number = self._box(layer, 0, row).translated(-self._px(_COLUMN + 5), 0)
                _write(painter, number, str(row), self._font(11, code=True), theme.muted, _RIGHT)
            for t in range(timesteps):
                computed = layer < 0 or t <= self.timestep
                for row in range(rows):
                    box = self._box(layer, t, row)
                    color = int(colors[t, row])
                    painter.setPen(Qt.PenStyle.NoPen)
                    painter.setBrush(QColor.fromRgb(color) if computed else theme.color("raised"))
                    painter.drawRoundedRect(box, 2, 2)
                    if computed and layer >= 0:
                        _write(painter, box, _digits(values[t, row]), numbers, on(color, theme), _MIDDLE)
        self._paint_reading(painter, units)
        self._paint_axis(painter, timesteps)

    def _paint_reading(self, painter: QPainter, units: int) -> None:
        """Frames of the selected value and of the values that it reads, and the arrow from below."""
        theme, here = self._theme, self.open_value
        below = self._column(here.layer - 1, here.timestep, units)
        if here.timestep:
            _frame(painter, self._column(here.layer, here.timestep - 1, units), theme.accent, 1.5, None, 4)
        _frame(painter, below, theme.accent, 1.5, None, 4)
        tip = QPointF(below.center().x(), self._column(here.layer, here.timestep, units).bottom() + 1)
        painter.setPen(QPen(theme.color("accent"), 1.5, c=Qt.PenCapStyle.RoundCap))
        head = self._px(4)
        for begin in (QPointF(tip.x(), below.top() - 1), tip + QPointF(-head, head), tip + QPointF(head, head)):
            painter.drawLine(begin, tip)
        box = self._box(here.layer, here.timestep, here.unit)
        _frame(painter, box, theme.outline_under, 4.0, None, 2)
        _frame(painter, box, theme.cursor, 2.0, None, 2)
        if self._pointed is not None:
            at = self._pointed
            pointed = self._box(at.layer, at.timestep, at.unit)
            _frame(painter, pointed, theme.muted, 2.0 if self.isDown() else 1.0, None, 2)

    def _paint_axis(self, painter: QPainter, timesteps: int) -> None:
        theme, font = self._theme, self._font(12)
        top = self._box(-1, 0, _INPUT_ROWS - 1).bottom() + self._px(6)
        left, right = self._box(-1, 0, 0).left(), self._box(-1, timesteps - 1, 0).right()
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawLine(QPointF(left, top), QPointF(right, top))
        for t in range(timesteps):
            label = QRectF(self._box(-1, t, 0).left(), top + self._px(3), self._px(_COLUMN - 2), self._px(18))
            ink = theme.muted
            if t == self.timestep:
                pill = label.adjusted(self._px(5), 0, -self._px(5), 0)
                _frame(painter, pill, theme.cursor, 1.0, theme.cursor, 3)
                font, ink = self._font(12, bold=True), theme.outline_under
            _write(painter, label, str(t), font, ink, _MIDDLE)
            font = self._font(12)

    def _paint_arithmetic(self, painter: QPainter, lines: dict[str, Line]) -> None:
        theme = self._theme
        left, width = self._px(_LANES_WIDTH + 12), self._px(_WIDTH - _LANES_WIDTH - 24)
        head = QRectF(left, self._px(12), width, self._px(20))
        _write(painter, head, self._title, self._font(15, bold=True), theme.text)
        value = QRectF(left, self._px(34), width, self._px(34))
        _write(painter, value, f"h = {true_minus(short(lines['h'].value))}", self._font(24, code=True), theme.text)
        for place, (symbol, (name, meaning)) in enumerate(_WORDS.items()):
            row = QRectF(
                self._px(_LANES_WIDTH) + 1,
                self._px(78 + place * _LINE),
                self._px(_WIDTH - _LANES_WIDTH),
                self._px(_LINE),
            )
            if symbol == "h":
                painter.fillRect(row, theme.color("accent_surface"))
                painter.fillRect(QRectF(row.left(), row.top(), self._px(3), row.height()), theme.color("accent"))
            words = QRectF(left + self._px(24), row.top() + self._px(4), width - self._px(24), self._px(20))
            below = words.translated(0, self._px(20))
            _write(
                painter, words.translated(-self._px(24), 0), symbol, self._font(13, bold=True, code=True), theme.text
            )
            _write(painter, words, name, self._font(13), theme.text)
            arithmetic = "" if meaning else _compact(lines[symbol].equation.numbers)
            _write(
                painter,
                below,
                meaning or arithmetic,
                self._font(12) if meaning else self._font(12, code=True),
                theme.muted,
            )
            number = QRectF(left, row.top(), width, row.height())
            _write(
                painter, number, true_minus(short(lines[symbol].value)), self._font(14, code=True), theme.text, _RIGHT
            )


_WIDTH, _HEIGHT, _LANES_WIDTH, _FOOT = 816, 432, 500, 36
_LEFT, _TOP, _COLUMN = 84.0, 10.0, 40.0
_ROWS, _ROW, _BETWEEN = 6, 21.0, 18.0
_INPUT_ROWS, _INPUT_ROW = 8, 8.0
_INPUT_TOP = _TOP + 2 * (_ROWS * _ROW + _BETWEEN)
_LINE = 47
_RIGHT, _MIDDLE = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignHCenter
_RANGES = 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8
_QUANTILE = 0.98


def _scale(values: FloatArray) -> ColorScale:
    """A scale about 0 for nearly all values, which a few may exceed."""
    limit = rounded_up(float(np.quantile(np.abs(values), _QUANTILE)), _RANGES)
    return ColorScale(-limit, limit)


def _digits(value: float) -> str:
    """Two decimals without a leading zero: "-.25", "0"."""
    text = re.sub(r"^(-?)0\.", r"\1.", f"{value:z.2f}")
    return "0" if text == ".00" else true_minus(text)


def _compact(equation: str) -> str:
    """The numbers of an equation after its sign, without blanks in products and leading zeros."""
    right = equation.partition(" = ")[2].replace(" · ", "·")
    return true_minus(re.sub(r"\b0\.", ".", right)).replace(" \N{MINUS SIGN} ", " - ")


def _frame(painter: QPainter, rect: QRectF, color: str, width: float, fill: str | None, radius: float) -> None:
    painter.setPen(QPen(QColor(color), width))
    painter.setBrush(Qt.BrushStyle.NoBrush if fill is None else QColor(fill))
    painter.drawRoundedRect(rect, radius, radius)


def _write(
    painter: QPainter,
    rect: QRectF,
    text: str,
    font: QFont,
    color: str | QColor,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> None:
    painter.setFont(font)
    painter.setPen(QColor(color))
    painter.drawText(rect, int(align | Qt.AlignmentFlag.AlignVCenter), text)
