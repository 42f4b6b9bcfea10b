"""Application state: one config, one result, one selection. Every view follows its signals."""

from dataclasses import replace
from typing import TypeAlias

from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.quantities.catalog import Quantity, quantity_for
from rnnviz.quantities.highlights import Region
from rnnviz.quantities.unit_order import OrderName
from rnnviz.verify.mismatches import neighbor_mismatch
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import VERDICTS

ColorBy: TypeAlias = Quantity


class Session(QObject):
    """Config, result, candidate, selection and coloring.

    Signals carry the new value and are emitted only on a change. The selection always lies inside the result.
    """

    config_changed = Signal(object)
    result_changed = Signal(object)
    numbers_changed = Signal()
    """The values of the result changed, not only its audit."""
    candidate_changed = Signal(str)
    location_changed = Signal(object)
    color_by_changed = Signal(str)
    order_changed = Signal(str)
    engine_changed = Signal(str)
    swipe_changed = Signal(object)
    """The engine drawn from the selection on, or None."""
    highlight_changed = Signal(object)
    """The highlighted regions, a tuple of `Region`."""

    def __init__(self, config: Config, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.config = config
        self.result: RunResult | None = None
        self.candidate: str | None = None
        self._chosen: str | None = None
        self.location = Location()
        self.color_by: ColorBy = "value"
        self.order: OrderName = "index"
        self.swiping = False
        self.engine: str | None = None
        self.highlighted: tuple[Region, ...] = ()

    def set_config(self, config: Config) -> None:
        """Set the config. The last result stays until a run replaces it."""
        if config != self.config:
            self.config = config
            self.config_changed.emit(config)

    def set_result(self, result: RunResult | None) -> None:
        """Set the result. The selection stays as near as the new shape allows."""
        other = result is None or self.result is None or result.inputs is not self.result.inputs
        self.result = result
        if result is not None and result.config.network.cell == self.config.network.cell:
            self.config = self.config.with_custom_cell(result.config.network.custom)
        names = [] if result is None else [c.candidate for c in result.comparisons]
        if result is None:
            self.candidate = None
        elif self._chosen in names:
            self.candidate = self._chosen
        else:
            # Select the worst verdict, so that a candidate that agrees cannot hide it.
            worst = max(result.comparisons, key=lambda c: VERDICTS.index(result.comparison_verdict(c)))
            self.candidate = worst.candidate
        if result is None or self.engine not in result.traces:
            self.engine = None if result is None else result.reference.engine
        if result is not None:
            self.location = self._inside(self.location, result)
        if other:
            # The highlighted regions may not exist in the new result.
            self.set_highlight(())
        self.result_changed.emit(result)
        if other:
            self.numbers_changed.emit()
        if result is not None:
            self.location_changed.emit(self.location)

    def set_candidate(self, candidate: str) -> None:
        """Select the candidate to compare with the reference, in this result and in later ones."""
        self._chosen = candidate
        if candidate != self.candidate:
            self.candidate = candidate
            self.candidate_changed.emit(candidate)
            if self.swiping:
                self.swipe_changed.emit(self.swipe)

    def set_location(self, location: Location) -> None:
        """Set the selection. A location outside the result becomes the nearest one inside."""
        if self.result is None:
            return
        inside = self._inside(location, self.result)
        if inside != self.location:
            self.location = inside
            self.location_changed.emit(inside)

    @staticmethod
    def _inside(location: Location, result: RunResult) -> Location:
        return replace(location.within(result.shape), reverse=result.inputs.network.reverse)

    def set_color_by(self, color_by: ColorBy) -> None:
        """Color the lanes by a quantity, in this result and in later ones that have it."""
        if color_by != self.color_by:
            self.color_by = color_by
            self.color_by_changed.emit(color_by)

    def set_highlight(self, highlighted: tuple[Region, ...]) -> None:
        """Highlight these regions in every view."""
        if highlighted != self.highlighted:
            self.highlighted = highlighted
            self.highlight_changed.emit(highlighted)

    def set_order(self, order: OrderName) -> None:
        """Sort the units of each lane in this order."""
        if order != self.order:
            self.order = order
            self.order_changed.emit(order)

    @property
    def quantity(self) -> ColorBy:
        """The quantity of the lanes: `color_by`, or the values if the network does not have it."""
        config = self.config if self.result is None else self.result.config
        return quantity_for(self.color_by, config.network.kind, compared=True)

    def set_engine(self, engine: str) -> None:
        """Draw the values of this engine."""
        if engine != self.engine:
            self.engine = engine
            self.engine_changed.emit(engine)

    @property
    def swipe(self) -> str | None:
        """The candidate while the lanes are split at the selection, else None."""
        return self.candidate if self.swiping else None

    def set_swiping(self, swiping: bool) -> None:
        """Draw the reference before the selection and the candidate from it on; or one engine."""
        if swiping and self.result is not None:
            self.set_engine(self.result.reference.engine)
        if swiping != self.swiping:
            self.swiping = swiping
            self.swipe_changed.emit(self.swipe)

    def go_to_mismatch(self, *, forward: bool) -> bool:
        """Select the next or previous mismatch in the order of computation; False without one."""
        if self.result is None or self.candidate is None:
            return False
        found = neighbor_mismatch(
            self.result.comparison(self.candidate),
            self.result.reference,
            self.result[self.candidate],
            self.location,
            forward=forward,
        )
        if found is not None:
            self.set_location(found)
        return found is not None
