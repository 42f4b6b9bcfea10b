"""What the picture shows: one result, one engine and sample of it, in one theme. Read by every part that draws."""

from dataclasses import dataclass, field

from PySide6.QtGui import QColor

from rnnviz.analysis import numbers
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.lanes import INPUT, ChunkCache, Lane, Quantity, TraceLanes, lanes_of
from rnnviz.analysis.result import RunResult
from rnnviz.gui.theme import Theme
from rnnviz.gui.views.unrolled.colours import on, value_scale, violation_scale
from rnnviz.gui.views.unrolled.geometry import Picture, picture_of
from rnnviz.gui.views.unrolled.tiles import Paint, Tiles
from rnnviz.model.arrays import FloatArray

_FEWEST_DIGITS = len("-0.000")


@dataclass(frozen=True, eq=False)
class Shown:
    """One engine's numbers of one sample, coloured by value or by the candidate's violation of the tolerance."""

    result: RunResult
    engine: str
    candidate: str | None
    sample: int
    quantity: Quantity
    theme: Theme
    cache: ChunkCache
    values: TraceLanes = field(init=False)
    colours: TraceLanes = field(init=False)
    value_paint: Paint = field(init=False)
    paint: Paint = field(init=False)
    tiles: Tiles = field(init=False)

    def __post_init__(self) -> None:
        result, network = self.result, self.result.config.network
        by_value = value_scale(result.extents[self.engine], bounded=network.cell != "rnn_relu")
        by_input = value_scale(result.extents["input"])
        value_paint = Paint(self.theme, by_value, by_input)
        source = result, self.engine, self.candidate, self.sample
        values = TraceLanes(*source, "value", self.cache)
        colours, paint = values, value_paint
        if self.quantity == "violation" and self.comparison is not None:
            colours = TraceLanes(*source, "violation", self.cache)
            paint = Paint(self.theme, violation_scale(self.comparison.max_violation), by_input)
        for name, part in (
            ("values", values),
            ("colours", colours),
            ("value_paint", value_paint),
            ("paint", paint),
            ("tiles", Tiles(colours, paint)),
        ):
            object.__setattr__(self, name, part)

    @property
    def comparison(self) -> Comparison | None:
        """The candidate held against the reference."""
        return None if self.candidate is None else self.result.comparison(self.candidate)

    def picture(self) -> Picture:
        """Lanes, rows, timesteps, and how wide the widest number is."""
        layers, directions, timesteps, _, units = self.result.shape
        rows = [
            (lane, self.result.config.network.input_size if lane == INPUT else units)
            for lane in lanes_of(layers, directions)
        ]
        largest = max(self.result.extents[self.engine], self.result.extents["input"])
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
