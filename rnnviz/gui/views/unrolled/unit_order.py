"""Unit order of the lanes: computed in the background if it takes long, with its label and its menu."""

from functools import partial

from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCursor, QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import (
    QGraphicsSceneMouseEvent,
    QGraphicsWidget,
    QSizePolicy,
    QStyleOptionGraphicsItem,
    QWidget,
)

from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import count
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.reading.units import ORDERS, SAMPLED, LaneOrders, OrderKey, OrderName, find_orders, order_effort
from rnnviz.verify.result import RunResult

_AT_ONCE = 3e6
"""Maximum number of products that are computed within a frame."""
_KEPT = 8


class UnitOrderWorker(QObject):
    """The unit orders of one result, by engine and sample."""

    found = Signal()
    """The latest requested order is available."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._known: dict[OrderKey, LaneOrders] = {}
        self._wanted: OrderKey | None = None
        self._task = LatestTask("order", self)
        self._task.done.connect(self._take)

    @property
    def finding(self) -> bool:
        return self._task.busy

    def of(self, result: RunResult, key: OrderKey) -> LaneOrders | None:
        """An order of all lanes, or None for the order of the index or until `found` is emitted."""
        if result is not self._result:
            self._result = result
            self._known.clear()
        if key.name == "index" or key in self._known:
            self._wanted = None
            self._task.cancel()
            return self._known.get(key)
        if order_effort(result, key) <= _AT_ONCE:
            self._keep(find_orders(result, key, lambda: None))
            return self._known[key]
        if self._wanted != key or not self._task.busy:
            self._wanted = key
            self._task.ask(partial(find_orders, result, key))
        return None

    def reset(self) -> None:
        """Stop, and release the result."""
        self._task.cancel()
        self._result = self._wanted = None
        self._known.clear()

    def share(self, other: "UnitOrderWorker") -> None:
        """Take over the known orders of another one."""
        self._result, self._known = other._result, dict(other._known)

    def words(self, name: OrderName) -> str:
        """Description of an order and of the time steps it is computed from."""
        last, result = next(reversed(self._known), None), self._result
        why = ORDERS[name][1].format(array="h" if last is None else last.array)
        if name == "index" or result is None:
            return f"{why} Click to change the order (O)."
        steps = result.inputs.length(0 if last is None else last.sample)
        looked = "every time step" if steps <= SAMPLED else f"up to {count(SAMPLED)} of {count(steps)} time steps"
        engine = result.reference.engine if last is None else last.engine
        return f"{why} Computed for each lane from {looked} of the shown sample by {display_name(engine)} (O)."

    def stop(self) -> None:
        """Stop computing until the next request."""
        self._task.stop()

    def _take(self, orders: LaneOrders) -> None:
        if orders.key == self._wanted:
            self._keep(orders)
            self.found.emit()

    def _keep(self, orders: LaneOrders) -> None:
        self._known[orders.key] = orders
        while len(self._known) > _KEPT:
            self._known.pop(next(iter(self._known)))


_RIGHT, _TOP = 6.0, 4.0


class OrderLabel(QGraphicsWidget):
    """A line of text in the corner at the left of the time axis."""

    clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._finding = LIGHT, False
        self._name: OrderName = "index"
        # As tall as the axis next to it, and no taller.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))

    @property
    def text(self) -> str:
        if self._finding:
            return "computing the order …"
        return f"units by {ORDERS[self._name][0]} ⌄"

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_order(self, name: OrderName, *, finding: bool) -> None:
        if (name, finding) != (self._name, self._finding):
            self._name, self._finding = name, finding
            self.update()

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        font = QFont(self.font())
        font.setPixelSize(scaled(11))
        painter.setFont(font)
        painter.setPen(self._theme.color("muted" if self._name == "index" and not self._finding else "accent"))
        width = self.size().width() - _RIGHT
        metrics = QFontMetricsF(font)
        text = metrics.elidedText(self.text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(
            QRectF(0.0, _TOP, width, metrics.height()), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, text
        )

    def boundingRect(self) -> QRectF:
        return QRectF(QPointF(), self.size())

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        event.accept()
        self.clicked.emit()
