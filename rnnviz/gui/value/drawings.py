"""Drawings of the value card: the opened numbers in large type, and the curve of an activation."""

from collections.abc import Sequence
from math import isfinite

from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from rnnviz.frozen import dataclass
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.value.page import ActivationCurve
from rnnviz.gui.value.rows import MARGIN, Fonts, fitted, shorter
from rnnviz.gui.value.texts import point_text


@dataclass(frozen=True)
class Readout:
    """A number in large type with a caption above it. `role` is its color, `tip` has all digits."""

    caption: str
    text: str
    role: str = "text"
    tip: str = ""


@dataclass(frozen=True)
class Status:
    """Words with an icon at the right of a number."""

    text: str = ""
    role: str = "muted"
    icon: str = ""


_NO_STATUS = Status()
_ONE, _SEVERAL = 38, 54


class Numbers(QWidget):
    """One number with a status, or several side by side. Painted, because they change with every selection."""

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._fonts = LIGHT, Fonts(self.font())
        self.readouts: tuple[Readout, ...] = ()
        self.status = _NO_STATUS
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_numbers(self, readouts: Sequence[Readout], status: Status = _NO_STATUS) -> None:
        height = self.sizeHint().height()
        self.readouts, self.status = tuple(readouts), status
        words = (f"{each.caption} {each.text}".strip() for each in readouts)
        self.setAccessibleName(", ".join(filter(None, (*words, status.text))))
        if self.sizeHint().height() != height:
            self.updateGeometry()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._fonts = theme, Fonts(self.font())
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, scaled(_ONE if len(self.readouts) < 2 else _SEVERAL))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            at = min(event.pos().x() * len(self.readouts) // max(self.width(), 1), len(self.readouts) - 1)
            QToolTip.showText(event.globalPos(), wrapped(self.readouts[at].tip) if self.readouts else "", self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, fonts = QPainter(self), self._fonts
        inside = QRectF(self.rect()).adjusted(scaled(MARGIN), 0, -scaled(MARGIN), 0)
        if len(self.readouts) == 1:
            (number,) = self.readouts
            status = self._paint_status(painter, inside)
            room = inside.adjusted(0, 0, -status, 0)
            self._write(
                painter, room, fitted(fonts.large, shorter(number.text), room.width()), fonts.large, number.role
            )
        elif self.readouts:
            wide = (inside.width() - 8 * (len(self.readouts) - 1)) / len(self.readouts)
            # All in one size, the largest at which each fits.
            sizes = (fonts.medium, fonts.result)
            fits = (font for font in sizes if all(font.width_of(each.text) <= wide for each in self.readouts))
            font = next(fits, sizes[-1])
            for k, number in enumerate(self.readouts):
                column = QRectF(inside.left() + k * (wide + 8), 2, wide, scaled(18))
                self._write(painter, column, fitted(fonts.caption, (number.caption,), wide), fonts.caption, "muted")
                column = QRectF(column.left(), column.bottom(), wide, scaled(28))
                self._write(painter, column, fitted(font, shorter(number.text), wide), font, number.role)
        painter.end()

    def _paint_status(self, painter: QPainter, inside: QRectF) -> float:
        """Paint the status at the right, and return the width that it takes."""
        status, fonts = self.status, self._fonts
        if not status.text:
            return 0.0
        font = fonts.caption if status.role == "muted" else fonts.bold_caption
        wide = font.width_of(status.text)
        text = QRectF(inside.right() - wide - 1, inside.top() + 4, wide + 1, inside.height() - 4)
        self._write(painter, text, status.text, font, status.role)
        size = scaled(14) if status.icon else 0
        if status.icon:
            icon = QRectF(text.left() - size - 4, text.top(), size, text.height())
            Icons(self._theme).colored(status.icon, status.role).paint(painter, icon.toRect())
        return wide + size + 12

    def _write(self, painter: QPainter, rect: QRectF, text: str, font: QFont, role: str) -> None:
        painter.setFont(font)
        painter.setPen(self._theme.color(role))
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


_CURVE_HEIGHT, _DOT = 146, 6.0


class ActivationPlot(QWidget):
    """The curve of an activation with the point of the value."""

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._fonts = LIGHT, Fonts(self.font())
        self._curve: ActivationCurve | None = None
        self.setFixedHeight(scaled(_CURVE_HEIGHT))

    @property
    def has_curve(self) -> bool:
        return self._curve is not None

    def show_curve(self, curve: ActivationCurve | None) -> None:
        self._curve = curve
        self.setAccessibleName(point_text(curve))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._fonts = theme, Fonts(self.font())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        curve, theme = self._curve, self._theme
        if curve is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QRectF(self.rect()).adjusted(scaled(30), 12, -scaled(30), -12)
        low, high = min(float(curve.y.min()), 0.0), float(curve.y.max())
        first, last = float(curve.x[0]), float(curve.x[-1])

        def at(x: float, y: float) -> QPointF:
            across = ground.width() / (last - first)
            return QPointF(
                ground.left() + (x - first) * across, ground.bottom() - (y - low) / (high - low) * ground.height()
            )

        zero = at(0.0, 0.0)
        painter.setPen(theme.color("grid"))
        painter.drawLine(QLineF(ground.left(), zero.y(), ground.right(), zero.y()))
        painter.drawLine(QLineF(zero.x(), ground.top(), zero.x(), ground.bottom()))
        painter.setPen(QPen(theme.color("accent"), 2.0))
        painter.drawPolyline([at(x, y) for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)])
        x, y = curve.point
        if isfinite(x) and isfinite(y):
            point = at(x, y)
            painter.setPen(QPen(theme.color("text"), 1.0, Qt.PenStyle.DashLine))
            painter.drawPolyline([at(x, 0.0), point, at(0.0, y)])
            painter.setPen(QPen(theme.color("text"), 2.5))
            painter.setBrush(theme.color("base"))
            painter.drawEllipse(point, _DOT, _DOT)
        painter.setFont(self._fonts.number)
        painter.setPen(theme.color("text"))
        # On the side of 0 that the point is not on, below the curve or above it.
        right = x <= 0.0
        box = QRectF(zero.x() + 12, zero.y() + 6, ground.right() - zero.x() - 12, scaled(20))
        if not right:
            box = QRectF(ground.left(), zero.y() - 6 - scaled(20), zero.x() - ground.left() - 12, scaled(20))
        side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
        painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, point_text(curve))
        painter.end()
