"""Application state: one config, one result, one selection. Views show it, commands replace it."""

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar, cast, get_args
from weakref import WeakMethod

from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.masks import Mask, is_masked
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.value_sources import lies_in
from rnnviz.frozen import dataclass
from rnnviz.gui.regions import Region
from rnnviz.reading.quantities import Quantity, gradients_of, is_gradient, quantity_for
from rnnviz.reading.units import OrderName, Query
from rnnviz.verify.mismatches import neighbor_mismatch
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    # They compute gradients, and are imported when the first one is wanted.
    from rnnviz.dependence.influence import Influence
    from rnnviz.reading.parameter_gradients import Contributions

Followed: TypeAlias = Literal["influence", "contributions"]
"""Quantities that are computed on request, and that the lanes show: the influence on the selected value, and the
contributions of the time steps to the gradient of the selected parameter."""
Field: TypeAlias = Literal[
    "config",
    "result",
    "inputs",
    "candidate",
    "engine",
    "swipe",
    "location",
    "color_by",
    "limit",
    "order",
    "highlighted",
    "selected_range",
    "following",
    "followed",
    "parameter",
    "lesson_step",
    "masked",
]
"""Names in `Session.changed`. `inputs` changes with the values of the result, but not with its audit."""
FIELDS: tuple[Field, ...] = get_args(Field)


RangeName: TypeAlias = Literal["auto", "visible", "lane", "all", "fixed"]


class Limit(NamedTuple):
    """A choice of the values that the colors cover; `low` and `high` are the ends of a fixed range.

    With `logarithmic` the scale is logarithmic on both sides of 0.
    """

    name: RangeName = "auto"
    low: float = -1.0
    high: float = 1.0
    logarithmic: bool = False

    def word(self) -> str:
        """The choice as saved in a session."""
        return f"colors {self.name} {self.low!r} {self.high!r}{' log' * self.logarithmic}"


_FIRST, _AUTO = Location(), Limit()


@dataclass(frozen=True)
class AppState:
    """Everything that views show. The selection, candidate and engine always belong to the result.

    `chosen` is the candidate that the user selected, in this result or an earlier one. `lesson_step` is the name of the
    open lesson and the number of its step from 0.
    """

    config: Config
    result: RunResult | None = None
    chosen: str | None = None
    candidate: str | None = None
    engine: str | None = None
    location: Location = _FIRST
    wanted: Location = _FIRST
    """The location that the user selected, in this result or an earlier, larger one."""
    color_by: Quantity = "value"
    limit: Limit = _AUTO
    order: OrderName = "index"
    swiping: bool = False
    highlighted: tuple[Region, ...] = ()
    selected_range: Query | None = None
    following: Followed | None = None
    """The quantity that follows the selection."""
    followed: "Influence | Contributions | None" = None
    """The one that was computed last, for the present selection or for the one before."""
    parameter: Place | None = None
    """The selected number of a parameter whose gradient is shown."""
    lesson_step: tuple[str, int] | None = None
    masked: tuple[Mask, ...] = ()
    """The numbers that the question of the lesson's step asks for: no view shows them."""
    ran: Config | None = None
    """The config as it was when the run of the result began."""
    fresh: bool = True
    """Whether nothing was selected since the config was opened: its result is shown where it fails first."""

    @property
    def inputs(self) -> Inputs | None:
        return None if self.result is None else self.result.inputs

    @property
    def swipe(self) -> str | None:
        """The candidate while the lanes are split at the selection, else None."""
        return self.candidate if self.swiping else None

    def inside(self, location: Location) -> Location:
        """The location in the result that is nearest to `location`."""
        result = self.result
        if result is None:
            return location
        location = location.within(result.shape)
        # Padding has no numbers: the last time step of the sample is selected in its place.
        timestep = min(location.timestep, result.inputs.length(location.sample) - 1)
        return result.inputs.places.location(*location.moved(timestep=timestep).index)

    def with_result(self, result: RunResult | None, ran: Config | None = None) -> "AppState":
        """The state with another result, of the config `ran`.

        Candidate, engine and selection stay as near as it allows.
        """
        ran = ran or (None if result is None else result.config)
        if result is None:
            none = replace(self, result=None, candidate=None, engine=None, highlighted=(), selected_range=None)
            return replace(none, followed=None).with_parameter(None)
        config, candidate, engine = self.config, self.chosen, self.engine
        if self.result is not None and engine == self.result.reference.engine:
            engine = None
        if result.config.network.cell == config.network.cell:
            config = config.with_custom_cell(result.config.network.custom)
        if candidate not in [comparison.candidate for comparison in result.comparisons]:
            # Select the worst verdict, so that a candidate that agrees cannot hide it.
            candidate = next((comparison.candidate for comparison in result.by_importance), None)
        if engine not in result.traces:
            engine = result.reference.engine
        state = replace(self, config=config, result=result, ran=ran, candidate=candidate, engine=engine)
        if result.inputs is not self.inputs:
            # The regions and the range may not exist in other values.
            state = replace(state, highlighted=(), selected_range=None, followed=None)
            at = state.parameter
            if at is not None and not (result.inputs.loss is not None and lies_in(at, result.inputs)):
                state = state.with_parameter(None)
        return replace(state, location=state.inside(self.wanted))._at_first_fault()

    def _at_first_fault(self) -> "AppState":
        """The state at the first wrong value of the first wrong engine, if nothing was selected yet.

        The audit, which comes after the comparison, may know an earlier one. A lesson says itself what it shows.
        """
        result = self.result
        if result is None or not self.fresh:
            return self
        fault = result.first_fault
        state = replace(self, fresh=result.judgment is None or self.ran != self.config)
        if fault is None or self.lesson_step is not None or result.verdict is not Verdict.DISAGREE:
            return state
        engine, where = fault
        state = replace(state, engine=engine, location=state.inside(where), wanted=where)
        if engine == result.reference.engine:
            return state
        # What is wrong is seen best in the difference, if it is in h.
        wrong = result.comparison(engine).verdict is Verdict.DISAGREE
        return replace(state, candidate=engine, color_by="difference" if wrong else state.color_by)

    def with_parameter(self, parameter: Place | None) -> "AppState":
        """The state with another selected parameter; without one, contributions are not shown."""
        state = replace(self, parameter=parameter)
        return replace(state, following=None) if parameter is None and self.following == "contributions" else state

    def with_first_view(self) -> "AppState":
        """The state with the selection, engine, candidate, quantity and range of a newly opened config."""
        engine = None if self.result is None else self.result.reference.engine
        first = replace(self, location=self.inside(_FIRST), wanted=_FIRST, selected_range=None)
        first = replace(first, engine=engine, chosen=None, color_by="value", swiping=False)
        return replace(first, limit=_AUTO, fresh=True)

    def changed_from(self, before: "AppState") -> frozenset[Field]:
        return frozenset(name for name in FIELDS if _differ(getattr(before, name), getattr(self, name)))


def _differ(before: object, after: object) -> bool:
    # Results and inputs hold arrays.
    return before is not after and (isinstance(after, RunResult | Inputs) or bool(before != after))


Value = TypeVar("Value")


class _OfState(Generic[Value]):
    """A value of the application state, as an attribute of its session."""

    def __init__(self, read: Callable[[AppState], Value]) -> None:
        self._read = read

    def __get__(self, session: "Session", _class: type) -> Value:
        return self._read(session.state)


class Session(QObject):
    """Holder of the application state: commands replace it, and one signal names the changed fields.

    Each command is one of its methods.
    """

    changed = Signal(object)
    """The names of the changed fields, a frozenset. The state has all of them when it is emitted."""

    config = _OfState(lambda state: state.config)
    """The config, which may be newer than the result."""
    result = _OfState(lambda state: state.result)
    candidate = _OfState(lambda state: state.candidate)
    engine = _OfState(lambda state: state.engine)
    """The engine whose values the lanes show."""
    location = _OfState(lambda state: state.location)
    color_by = _OfState(lambda state: state.color_by)
    """The quantity chosen for the lanes."""
    order = _OfState(lambda state: state.order)
    limit = _OfState(lambda state: state.limit)
    swiping = _OfState(lambda state: state.swiping)
    """Whether the lanes are split at the selection."""
    swipe = _OfState(lambda state: state.swipe)
    """The engine drawn from the selection on, or None."""
    highlighted = _OfState(lambda state: state.highlighted)
    following = _OfState(lambda state: state.following)
    """The quantity that follows the selection."""
    parameter = _OfState(lambda state: state.parameter)
    """The selected number of a parameter whose gradient is shown."""
    masked = _OfState(lambda state: state.masked)
    """The numbers that no view shows, because an open question asks for them."""

    def __init__(self, config: Config, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = AppState(config)

    def on_change(self, slot: Callable[[], object], *fields: Field) -> None:
        """Call `slot` after each change of one of the fields.

        An object whose method is the slot is not kept alive by it, as with other signals.
        """
        wanted = frozenset(fields)
        slots = WeakMethod(slot) if isinstance(slot, MethodType) else lambda: slot

        def call(changed: frozenset[Field]) -> None:
            called = None if wanted.isdisjoint(changed) else slots()
            if called is not None:
                called()

        self.changed.connect(call)

    @property
    def length(self) -> int:
        """Number of time steps of the selected sample; 0 without a result."""
        return 0 if self.result is None else self.result.inputs.length(self.location.sample)

    @property
    def quantity(self) -> Quantity:
        """The quantity of the lanes: `color_by`, or the values if the network does not have it."""
        config = self.config if self.result is None else self.result.config
        return quantity_for(self.color_by, config.network.kind, compared=True, gradients=self.gradients)

    @property
    def gradients(self) -> tuple[str, ...]:
        """The gradients over time that any engine of the result gives."""
        result = self.result
        return () if result is None else gradients_of(result.traces.values(), result.config.network.kind)

    @property
    def array(self) -> str:
        """The array that the lanes show: a gradient, else h."""
        return self.quantity if self.in_backward_pass else "h"

    @property
    def in_backward_pass(self) -> bool:
        """Whether the lanes show gradients, so that playback follows the backward pass."""
        return is_gradient(self.quantity)

    def replace(self, state: AppState) -> None:
        """Replace the state at once, so that no view shows a part of a change."""
        query = state.selected_range
        if query is not None and (query.engine, query.sample) != (state.engine, state.location.sample):
            state = replace(state, selected_range=None)
        before, self.state = self.state, state
        changed = state.changed_from(before)
        if changed:
            self.changed.emit(changed)

    def _choose(self, **chosen: Any) -> None:
        self.replace(replace(self.state, fresh=False, **chosen))

    def set_config(self, config: Config) -> None:
        """Set the config. The last result stays until a run replaces it."""
        self.replace(replace(self.state, config=config))

    def set_result(self, result: RunResult | None, ran: Config | None = None) -> None:
        """Set the result of the config `ran`. The selection stays as near as the new shape allows."""
        self.replace(self.state.with_result(result, ran))

    def set_candidate(self, candidate: str) -> None:
        """Select the candidate to compare with the reference, in this result and in later ones that have it."""
        present = self.result is not None and candidate in [c.candidate for c in self.result.comparisons]
        self._choose(chosen=candidate, candidate=candidate if present else self.candidate)

    def set_location(self, location: Location) -> None:
        """Set the selection. A location outside the result becomes the nearest one inside."""
        if self.result is not None:
            location = self.state.inside(location)
            self._choose(location=location, wanted=location)

    def set_color_by(self, color_by: Quantity) -> None:
        """Color the lanes by a quantity, in this result and in later ones that have it."""
        self._choose(color_by=color_by)

    def set_limit(self, limit: Limit) -> None:
        """Set the values that the colors cover."""
        self.replace(replace(self.state, limit=limit))

    def set_highlight(self, highlighted: tuple[Region, ...]) -> None:
        self.replace(replace(self.state, highlighted=highlighted))

    def set_range(self, query: Query | None) -> None:
        """Select a range of time steps. Another engine, sample or other values clear it."""
        self._choose(selected_range=query)

    @property
    def influence(self) -> "Influence | None":
        """The influence that was computed last, while it is shown."""
        return cast("Influence | None", self.state.followed) if self.following == "influence" else None

    @property
    def contributions(self) -> "Contributions | None":
        """The contributions that were computed last, while they are shown."""
        return cast("Contributions | None", self.state.followed) if self.following == "contributions" else None

    def set_following(self, following: Followed | None) -> None:
        """Show a quantity that follows the selection, or none."""
        self.replace(replace(self.state, following=following, followed=None))

    def set_followed(self, followed: "Influence | Contributions | None") -> None:
        """Set the quantity that `following` names."""
        self.replace(replace(self.state, followed=followed))

    def set_parameter(self, parameter: Place) -> None:
        self.replace(self.state.with_parameter(parameter))

    def set_lesson_step(self, lesson_step: tuple[str, int] | None) -> None:
        self.replace(replace(self.state, lesson_step=lesson_step))

    def is_masked(self, place: Place) -> bool:
        """Whether a number is one that no view shows: "?" is there in its place."""
        return is_masked(self.state.masked, place)

    def set_masked(self, masked: tuple[Mask, ...]) -> None:
        self.replace(replace(self.state, masked=masked))

    def set_order(self, order: OrderName) -> None:
        self.replace(replace(self.state, order=order))

    def cycle_order(self) -> None:
        names: tuple[OrderName, ...] = get_args(OrderName)
        self.set_order(names[(names.index(self.order) + 1) % len(names)])

    def set_engine(self, engine: str) -> None:
        """Draw the values of this engine."""
        self._choose(engine=engine)

    def set_swiping(self, swiping: bool) -> None:
        """Draw the reference before the selection and the candidate from it on; or one engine."""
        engine = self.result.reference.engine if swiping and self.result is not None else self.engine
        self._choose(swiping=swiping, engine=engine)

    def go_to_mismatch(self, *, forward: bool) -> bool:
        """Select the next or previous mismatch in the order of computation; False without one.

        Of a gradient that the lanes show, if it has any, else of h, or else of the first gradient that has.
        """
        if self.result is None or self.candidate is None:
            return False
        comparison = self.result.comparison(self.candidate)
        compared, pair = comparison.mismatching(self.array), (self.result.reference, self.result[self.candidate])
        found = neighbor_mismatch(compared, *pair, self.location, forward=forward)
        if found is not None:
            self.set_location(found)
        return found is not None
