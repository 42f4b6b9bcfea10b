"""Unit order of the lanes: computed by a task if it takes long."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import count
from rnnviz.gui.kit.tasks import LatestTask
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
