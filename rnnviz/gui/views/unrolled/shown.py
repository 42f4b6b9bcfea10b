"""What the picture shows: one sample of a result, of one engine or two, in one theme. Read by every part that draws."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from PySide6.QtGui import QColor

from rnnviz.analysis import numbers
from rnnviz.analysis.chunk_cache import ChunkCache
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.lanes import INPUT, Lane, Quantity, TraceLanes, lanes_of
from rnnviz.analysis.naming import shown_name
from rnnviz.analysis.result import RunResult
from rnnviz.gui.look.theme import Theme
from rnnviz.gui.views.unrolled.colours import difference_scale, on, value_scale, violation_scale
from rnnviz.gui.views.unrolled.geometry import Picture, picture_of
from rnnviz.gui.views.unrolled.tiles import Look, Paint, Tiles
from rnnviz.model.arrays import FloatArray

_FEWEST_DIGITS = len("-0.000")
S = TypeVar("S")


def parted(sides: Sequence[S], split: int, lane: Lane, steps: range) -> list[tuple[S, range]]:
    """Which side the timesteps of a lane belong to, from left to right; without those that have none."""
    if len(sides) == 1 or lane.layer is None:
        return [(side, steps) for side in sides[:1]]
    edge = min(max(split, steps.start), steps.stop)
    parts = (sides[0], range(steps.start, edge)), (sides[1], range(edge, steps.stop))
    return [(side, part) for side, part in parts if len(part)]


@dataclass(frozen=True, eq=False)
class Side:
    """One engine's share of the picture: what is written, what is coloured, and the images of the latter."""

    engine: str
    values: TraceLanes
    colours: TraceLanes
    tiles: Tiles


@dataclass(frozen=True, eq=False)
class Shown:
    """One engine's numbers of one sample, coloured by value or by the candidate's violation, or its differences.

    With `right` another engine's numbers stand in the hidden lanes from the timestep `split` on.
    """

    result: RunResult
    candidate: str | None
    sample: int
    quantity: Quantity
    theme: Theme
    paint: Paint
    left: Side
    right: Side | None = None
    split: int = 0

    @property
    def engine(self) -> str:
        """The engine whose values are drawn; where two are, the one on the left."""
        return self.left.engine

    @property
    def sides(self) -> tuple[Side, ...]:
        """The left one, and the right one if there are two."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def tiles(self) -> tuple[Tiles, ...]:
        """Those of the sides."""
        return tuple(side.tiles for side in self.sides)

    @property
    def comparison(self) -> Comparison | None:
        """The candidate held against the reference."""
        return None if self.candidate is None else self.result.comparison(self.candidate)

    @property
    def seen(self) -> set[int]:
        """The indices of the special colours that occurred."""
        return {index for tiles in self.tiles for index in tiles.seen}

    def wiped_to(self, timestep: int) -> "Shown":
        """The same numbers and images, parted at another timestep."""
        return self if self.right is None or timestep == self.split else replace(self, split=timestep)

    def parts(self, lane: Lane, steps: range) -> list[tuple[Side, range]]:
        """Which side the timesteps of a lane belong to, from left to right; without those that have none."""
        return parted(self.sides, self.split, lane, steps)

    def engine_at(self, timestep: int) -> str:
        """Whose values stand in the hidden lanes at a timestep."""
        return self.left.engine if self.right is None or timestep < self.split else self.right.engine

    def differs(self, lane: Lane) -> bool:
        """Whether the numbers of a lane are differences."""
        return self.quantity == "difference" and lane.layer is not None

    def subtraction(self) -> tuple[str, str]:
        """ "candidate" and "− reference" by the names of the engines."""
        assert self.comparison is not None
        return shown_name(self.comparison.candidate), f"− {shown_name(self.comparison.reference)}"

    def words(self) -> str:
        """What stands in the hidden lanes, in one sentence."""
        name = shown_name(self.engine)
        if self.right is not None:
            other = shown_name(self.right.engine)
            return f"The values of {name} before the cursor's timestep, those of {other} from it on."
        if self.quantity == "difference":
            return f"The differences {' '.join(self.subtraction())}."
        if self.quantity == "violation":
            return f"The values of {name}, coloured by the violation of the tolerance."
        return f"The values of {name}."

    def picture(self) -> Picture:
        """Lanes, rows, timesteps, and how wide the widest number is of any engine: they all lie in the same places."""
        layers, directions, timesteps, _, units = self.result.shape
        rows = [
            (lane, self.result.config.network.input_size if lane == INPUT else units)
            for lane in lanes_of(layers, directions)
        ]
        largest = max(self.result.extents.values())
        return picture_of(rows, timesteps, max(_FEWEST_DIGITS, len(numbers.short(-largest))))

    def initial(self, lane: Lane) -> FloatArray:
        """(H,): the state before a hidden lane's first step."""
        assert lane.layer is not None
        directions = self.result.config.network.directions
        state: FloatArray = self.result.inputs.initial_state.h[lane.layer * directions + lane.direction, self.sample]
        return state

    def mismatched(self, lane: Lane) -> int | None:
        """How many values of a lane mismatch, over all samples; None for the input and without a candidate."""
        if lane.layer is None or self.comparison is None:
            return None
        return int(self.comparison.lane_mismatched[lane.layer, lane.direction])

    def text_colours(self, lane: Lane) -> list[QColor]:
        """The colour of a number on each of the 256 colours of a lane."""
        return [on(int(entry), self.theme) for entry in self.paint.of(lane)[1]]


def shown_of(
    result: RunResult,
    engine: str,
    other: str | None,
    candidate: str | None,
    sample: int,
    colour_by: Quantity,
    theme: Theme,
    cache: ChunkCache,
    turn: int,
) -> Shown:
    """What there is to show: without a candidate nothing but values; another engine beside the first by value only.

    `cache` and `turn` are those of the result.
    """
    comparison = None if candidate is None else result.comparison(candidate)
    quantity = colour_by if comparison is not None else "value"
    engines = [engine]
    if other is not None and other != engine and quantity == "value":
        engines.append(other)
    by_value = value_scale(
        # One scale for both sides of a swipe: else equal numbers would differ in colour.
        max(result.extents[name] for name in engines),
        bounded=result.config.network.cell != "rnn_relu",
    )
    if comparison is not None and quantity == "violation":
        scale = violation_scale(comparison.max_violation)
    elif comparison is not None and quantity == "difference":
        scale = difference_scale(comparison.max_abs_error)
    else:
        scale = by_value
    paint = Paint(theme, scale, value_scale(result.extents["input"]))

    def side(name: str) -> Side:
        values = TraceLanes(result, name, candidate, sample, "value", cache)
        colours = values
        if quantity != "value":
            # Who is drawn plays no part in these: the reduced copies serve every engine.
            colours = TraceLanes(result, result.reference.engine, candidate, sample, quantity, cache)
        drawn = result.reference.engine if quantity != "value" else name
        look = Look(turn, drawn, candidate, sample, quantity, theme.name, scale.low, scale.high)
        return Side(name, colours if quantity == "difference" else values, colours, Tiles(colours, paint, look))

    left, *right = (side(name) for name in engines)
    return Shown(result, candidate, sample, quantity, theme, paint, left, right[0] if right else None)
