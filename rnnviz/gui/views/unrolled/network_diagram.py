"""Diagram of the config's network, in place of the lanes before the first run."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.trace_index import ARROWS, DIRECTIONS, Lane, lanes_of
from rnnviz.core.words import plural
from rnnviz.gui.naming import named
from rnnviz.gui.settings_panel.summary import output_words, state_words, steps_of
from rnnviz.gui.theme.palettes import LIGHT, Theme, blend
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.marks import arrow

_HINT = "Run (F5) computes this network."
_ROW, _COLUMN, _MARGIN, _RADIUS, _FRAME = 64, 120, 24, 6, 4
_MOST_LANES = 9
"""Lanes that are drawn, with the input. Of more, those between the top layer and the lowest layers are left out."""
_MOST_STEPS = 4
_CENTER = Qt.AlignmentFlag.AlignCenter
_OVER = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip


class NetworkDiagram(QWidget):
    """Input, layers, directions, initial states and output of a config, with their sizes."""

    def __init__(self, config: Config, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Network of the config")
        self._theme = LIGHT
        self.show_config(config)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_config(self, config: Config) -> None:
        self._config = config
        words = [f"{title}: {size}" if size else title for title, size in map(self._words, self.lanes())]
        self.setAccessibleDescription("; ".join(filter(None, (*words, *self.shapes()))))
        self.update()

    def lanes(self) -> list[Lane | None]:
        """Lanes from the top down, the input last; None in place of those that are left out."""
        network = self._config.network
        lanes: list[Lane | None] = list(lanes_of(network))
        if len(lanes) <= _MOST_LANES:
            return lanes
        top = network.directions
        return [*lanes[:top], None, *lanes[top - _MOST_LANES + 1 :]]

    def shapes(self) -> tuple[str, ...]:
        """Shapes of the output and of the final state, as far as they are known."""
        if not self._config.network.is_known:
            return ()
        return named(f"out {output_words(self._config)}"), named(f"final state {state_words(self._config)}")

    def timesteps(self) -> list[str]:
        """Titles of the time steps from left to right; "…" in place of those between."""
        timesteps = steps_of(self._config)[0]
        if timesteps < 0:
            return ["0", "1", "…", "T−1"]
        if timesteps <= _MOST_STEPS:
            return [str(t) for t in range(timesteps)]
        return ["0", "1", "…", str(timesteps - 1)]

    def _words(self, lane: Lane | None) -> tuple[str, str]:
        """Title and size of a lane."""
        network = self._config.network
        if lane is None:
            return "…", ""
        if lane.layer is None:
            unknown = self._config.sequence.brings_input_size
            return "input", "I features" if unknown else plural(network.input_size, "feature")
        title = f"layer {lane.layer} {DIRECTIONS[lane.backward]} {ARROWS[lane.backward]}"
        return title, plural(network.output_size, "unit")

    def _initial(self) -> str:
        network = self._config.network
        return ", ".join(f"{name}0" for name in network.kind.state_symbols) if network.is_known else "h0"

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme, lanes, steps = self._theme, self.lanes(), self.timesteps()
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("base"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = self.fontMetrics()
        line = metrics.height()
        texts = [self._words(lane) for lane in lanes]
        titles = max(metrics.horizontalAdvance(text) for pair in texts for text in pair) * 1.1 + _MARGIN
        # An initial state is at each end of the time steps.
        width = min((self.width() - titles - _MARGIN) / (len(steps) + 2), scaled(_COLUMN))
        height = min((self.height() - 3.0 * line) / (len(lanes) + 0.5), scaled(_ROW))
        left = (self.width() - titles - width * (len(steps) + 2)) / 2.0 + titles
        top = (self.height() - height * (len(lanes) - 0.25) - 2.0 * line) / 2.0 + line

        def box(row: int, column: int) -> QRectF:
            return QRectF(left + (column + 0.14) * width, top + (row + 0.22) * height, 0.72 * width, 0.56 * height)

        def fitting(text: str, shorter: str) -> str:
            return text if metrics.horizontalAdvance(text) < 0.72 * width else shorter

        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        for row, (lane, (title, size)) in enumerate(zip(lanes, texts, strict=True)):
            center = box(row, 0).center().y()
            for text, font, role, above in (
                (title, bold, "text", line if size else line / 2.0),
                (size, self.font(), "muted", 0.0),
            ):
                painter.setFont(font)
                painter.setPen(theme.color(role))
                room = QRectF(left - titles, center - above, titles - _MARGIN / 2.0, line)
                painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            hidden = None if lane is None or lane.layer is None else lane
            for column, step in enumerate(steps, start=1):
                rect = box(row, column)
                # A layer passes on both directions, which are in one frame.
                first = hidden is None or hidden.direction == self._config.network.directions - 1
                edge = rect.top() - (_FRAME if hidden is not None and hidden.direction else 0.0)
                if first:
                    center, above = rect.center().x(), rect.top() - 0.44 * height
                    end = above + (_FRAME if row and self._config.network.bidirectional else 0.0)
                    arrow(painter, QPointF(center, edge), QPointF(center, end), theme.color("muted"))
                if hidden is not None and hidden.direction == 1 and step != "…":
                    frame = rect.united(box(row + 1, column)).adjusted(-_FRAME, -_FRAME, _FRAME, _FRAME)
                    painter.setPen(QPen(theme.color("border"), 1.0))
                    painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
                if hidden is not None:
                    y, back = rect.center().y(), hidden.backward
                    source = box(row, column + 1 if back else column - 1)
                    begin, end = (source.left(), rect.right()) if back else (source.right(), rect.left())
                    arrow(painter, QPointF(begin, y), QPointF(end, y), theme.color("muted"))
                if step == "…" or lane is None:
                    painter.setPen(theme.color("muted"))
                    painter.drawText(rect, _CENTER, "…")
                    continue
                painter.setPen(QPen(theme.color("accent" if hidden else "border"), 1.0))
                painter.setBrush(blend(theme, "accent", 0.12) if hidden else theme.color("raised"))
                painter.drawRoundedRect(rect, _RADIUS, _RADIUS)
                painter.setPen(theme.color("text"))
                symbol = "h" if hidden else "x"
                painter.drawText(rect, _CENTER, fitting(f"{symbol}[{step}]", symbol))
            if hidden is not None:
                rect = box(row, len(steps) + 1 if hidden.backward else 0)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(theme.color("muted"), 1.0, Qt.PenStyle.DashLine))
                painter.drawRoundedRect(rect, _RADIUS, _RADIUS)
                painter.drawText(rect, _CENTER, fitting(self._initial(), "h0"))
        painter.setPen(theme.color("muted"))
        shapes = self.shapes()
        if shapes:
            painter.drawText(
                QRectF(left + width, top - 0.25 * height - line, width * len(steps), line), _OVER, shapes[0]
            )
        below = "   ".join((*shapes[1:], _HINT))
        if metrics.horizontalAdvance(below) > self.width():
            below = _HINT
        painter.drawText(QRectF(0.0, top + height * len(lanes) + line / 2.0, self.width(), line), _CENTER, below)
        painter.end()
