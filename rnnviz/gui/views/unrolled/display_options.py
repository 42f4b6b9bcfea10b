"""Display options of the lanes: engine, quantity, unit order, theme."""

from typing import get_args

from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.render_state import RenderState, render_state_of
from rnnviz.gui.views.unrolled.unit_order_worker import UnitOrderWorker
from rnnviz.quantities.gate_lanes import LaneGates
from rnnviz.quantities.gates import Quantity, choices_of
from rnnviz.quantities.lane_reader import ChunkCache
from rnnviz.verify.result import RunResult


class DisplayOptions:
    """Options and result of the view, with its caches."""

    def __init__(self, ordering: UnitOrderWorker) -> None:
        self.result: RunResult | None = None
        self.theme: Theme = LIGHT
        self.reach: float | None = None
        """End of the color scale, or None for the quantity's own."""
        self._unit_order = ordering
        self._candidate: str | None = None
        self._engine: str | None = None
        self._other: str | None = None
        self._color_by: Quantity = "value"
        self._cache, self._turn = ChunkCache(), 0
        self._gates: LaneGates | None = None

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self.result:
            # Not cleared: a piece of the earlier result may be drawn at this moment, and would come in after.
            self._cache, self._turn = ChunkCache(), self._turn + 1
            self._gates = None if result is None else LaneGates(result)
            self._unit_order.reset()
        self.result, self._candidate = result, candidate

    def set_quantity(self, color_by: Quantity) -> bool:
        """Set the quantity, and return whether it changed.

        Raises ValueError for an unknown quantity.
        """
        known = get_args(Quantity)
        if self.result is not None:
            # A custom cell has other gates.
            known += tuple(choice.name for choice in choices_of(self.result.config.network.kind))
        if color_by not in known:
            allowed = '", "'.join(dict.fromkeys(known))
            raise ValueError(f'color_by = "{color_by}" is not known: it must be one of "{allowed}".')
        before, self._color_by = self._color_by, color_by
        return before != color_by

    def set_engine(self, name: str | None) -> bool:
        """Set the engine, and return whether it changed. Raises KeyError if it was not run."""
        if self.result is not None and name is not None:
            self.result[name]
        before, self._engine = self._engine, name
        return before != name

    def set_other_engine(self, name: str | None) -> bool:
        """Set the engine drawn from the selection on, and return whether it changed.

        Raises KeyError if the engine was not run.
        """
        if self.result is not None and name is not None:
            self.result[name]
        before, self._other = self._other, name
        return before != name

    def shown(self, location: Location) -> RenderState | None:
        """The render state at a location; None without a result."""
        result = self.result
        if result is None:
            return None
        engine = self._engine if self._engine in result.traces else result.reference.engine
        assert engine is not None
        return render_state_of(
            result,
            engine,
            self._other if self._other in result.traces else None,
            self._candidate,
            location.sample,
            self._color_by,
            self.theme,
            self._cache,
            self._gates or LaneGates(result),
            self._turn,
            self._unit_order.of(result, engine, location.sample),
            self.reach,
        ).with_split(location.timestep)
