"""Plot of an activation with a point for each engine."""

from collections.abc import Sequence
from math import isfinite

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from rnnviz.core import number_format
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.arithmetic.cards import MARKS
from rnnviz.gui.views.arithmetic.page import ActivationCurve
from rnnviz.gui.views.arithmetic.side_plot import SidePlot, short_number

_DOT = 4.5


class ActivationPlot(SidePlot):
    """Draws an `ActivationCurve`. A filled disc is the reference, a hollow square the candidate."""

    def __init__(self) -> None:
        super().__init__()
        self.curve: ActivationCurve | None = None
        self._engines: tuple[str, ...] = ()

    def show_curve(self, curve: ActivationCurve | None, engines: Sequence[str]) -> None:
        """Plot another curve; None shows that the line has no activation."""
        self.curve, self._engines = curve, tuple(engines)
        self.setAccessibleName(self.words())
        self.setToolTip(wrapped(self.words()))
        self.update()

    def words(self) -> str:
        """The points as text, in full precision."""
        curve = self.curve
        if curve is None:
            return "This line has no activation: it adds products."
        return "\n".join(
            f"{engine}: {curve.activation}({number_format.full(x)}) = {number_format.full(y)}"
            for engine, (x, y) in zip(self._engines, curve.points, strict=True)
        )

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.curve is None:
            painter.setPen(self._theme.color("muted"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, "No activation:\nproducts are added.")
        else:
            self._paint_curve(painter, self.curve)

    def _paint_curve(self, painter: QPainter, curve: ActivationCurve) -> None:
        theme, ground = self._theme, self._ground
        low, high = min(float(curve.y.min()), 0.0), float(curve.y.max())
        margin = 0.08 * (high - low)
        first = float(curve.x[0])
        across = ground.width() / (float(curve.x[-1]) - first)
        up = ground.height() / (high - low + 2 * margin)
        left, bottom = ground.left() - first * across, ground.bottom() + (low - margin) * up

        def at(x: float, y: float) -> QPointF:
            return QPointF(left + x * across, bottom - y * up)

        painter.setPen(theme.color("border"))
        zero = at(0.0, 0.0)
        painter.drawLine(QLineF(ground.left(), zero.y(), ground.right(), zero.y()))
        painter.drawLine(QLineF(zero.x(), ground.top(), zero.x(), ground.bottom()))
        painter.setPen(QPen(theme.color("accent"), 1.8))
        painter.drawPolyline([at(x, y) for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)])
        for place, (x, y) in enumerate(curve.points):
            if isfinite(x) and isfinite(y):
                self._paint_point(painter, at(x, y), at(x, 0.0), at(0.0, y), place)
        self._paint_texts(painter, curve)

    def _paint_point(self, painter: QPainter, point: QPointF, foot: QPointF, side: QPointF, place: int) -> None:
        theme = self._theme
        painter.setPen(QPen(theme.color("muted"), 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(point, foot))
        painter.drawLine(QLineF(point, side))
        box = QRectF(point.x() - _DOT, point.y() - _DOT, 2 * _DOT, 2 * _DOT)
        if place == 0:
            painter.setPen(QPen(theme.color("outline_under"), 1.5))
            painter.setBrush(theme.color("text"))
            painter.drawEllipse(box)
        else:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for role, width in (("outline_under", 4.0), ("text", 1.8)):
                painter.setPen(QPen(theme.color(role), width))
                painter.drawRect(box.adjusted(-2, -2, 2, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_texts(self, painter: QPainter, curve: ActivationCurve) -> None:
        """Write the activation above, the reference's point below, and the candidate's if it differs."""
        line, theme = self.fontMetrics().height(), self._theme
        texts = self._texts(curve)
        marks = MARKS if len(texts) > 1 else ("",)
        painter.setPen(theme.color("text"))
        for text, mark, top in zip(texts, marks, (0.0, self.height() - line - 1.0), strict=False):
            painter.drawText(
                QRectF(0.0, top, self.width(), line),
                Qt.AlignmentFlag.AlignHCenter,
                f"{mark} {text}".strip(),
            )

    def _texts(self, curve: ActivationCurve) -> list[str]:
        """The points of the engines, without repetition, as long as they fit."""
        texts: list[str] = []
        for form in (f"{curve.activation}({{x}}) = {{y}}", "{x} → {y}", "→ {y}"):
            texts = list(dict.fromkeys(form.format(x=short_number(x), y=short_number(y)) for x, y in curve.points))
            mark = f"{MARKS[0]} " if len(texts) > 1 else ""
            if all(self.fontMetrics().horizontalAdvance(mark + text) <= self.width() for text in texts):
                break
        return texts
