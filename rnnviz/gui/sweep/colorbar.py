"""Color bar of a heat map, with decades and the limit."""

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from rnnviz.gui.sweep.colormap import STEPS, colors
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.sweeps.results import ColorRange

_BAR, _PAD, _TICK = 12.0, 8.0, 4.0


class HeatmapColorBar(QWidget):
    """A horizontal bar with the smallest value at the left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._range: ColorRange | None = None
        self._title = ""
        self._theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Color scale")

    def show_range(self, color_range: ColorRange, title: str) -> None:
        """Show another range; `title` names the quantity."""
        self._range, self._title = color_range, title
        self.setAccessibleDescription(" ".join((title, *(text for _, text in self.ticks()))))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def ticks(self) -> list[tuple[float, str]]:
        """Positions of the decades, 0 to 1, and their labels."""
        found = self._range
        if found is None:
            return []
        scale = found.scale
        decades = np.arange(scale.lowest, scale.highest + 1, dtype=np.float64)
        places = found.fractions(np.power(10.0, decades))
        ticks = [(float(place), scale.text(float(decade))) for place, decade in zip(places, decades, strict=True)]
        return [(place, text) for place, text in ticks if place not in (0.0, 1.0) or text]

    def sizeHint(self) -> QSize:
        return QSize(240, int(_BAR + _TICK + 2 * self.fontMetrics().height() + 4))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("base"))
        if self._range is not None:
            self._paint_bar(painter, self._range)
        painter.end()

    def _paint_bar(self, painter: QPainter, found: ColorRange) -> None:
        theme, metrics = self._theme, self.fontMetrics()
        limit = found.limit is not None
        painter.setPen(theme.color("muted"))
        painter.drawText(
            QRectF(_PAD, 0, self.width() - 2 * _PAD, metrics.height()), Qt.AlignmentFlag.AlignCenter, self._title
        )
        bar = QRectF(_PAD, metrics.height() + 1, self.width() - 2 * _PAD, _BAR)
        rgb = np.ascontiguousarray(colors(theme, limit=limit)[None])
        painter.drawImage(bar, QImage(rgb.data, STEPS, 1, 3 * STEPS, QImage.Format.Format_RGB888))
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawRect(bar)
        taken: list[tuple[float, float]] = []
        ticks = self.ticks()
        if found.limit is not None:
            # The limit first: of texts that would run into each other the later ones are left out.
            ticks = [(0.5, f"{found.limit:g} = limit"), *(tick for tick in ticks if tick[0] != 0.5)]
        # From the ends inwards, which say how far the colors reach.
        for place, text in sorted(ticks, key=lambda tick: (tick[0] != 0.5 or not limit, -abs(tick[0] - 0.5))):
            x = bar.left() + place * bar.width()
            wide = metrics.horizontalAdvance(text)
            left = min(max(x - wide / 2, 0.0), self.width() - wide)
            if any(left < end + _PAD and left + wide > start - _PAD for start, end in taken):
                continue
            taken.append((left, left + wide))
            at_limit = limit and place == 0.5
            painter.setPen(QPen(theme.color("wrong" if at_limit else "border"), 2.0 if at_limit else 1.0))
            painter.drawLine(
                round(x), round(bar.top() if at_limit else bar.bottom()), round(x), round(bar.bottom() + _TICK)
            )
            painter.setPen(theme.color("wrong" if at_limit else "muted"))
            painter.drawText(
                QRectF(left, bar.bottom() + _TICK, wide + 2, metrics.height()), Qt.AlignmentFlag.AlignLeft, text
            )
