"""The cells in view that are large enough for a number: what is written on them, and which are marked."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.colormap import UNTOLD, IndexArray
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.gui.views.unrolled.layout import Band
from rnnviz.gui.views.unrolled.render_state import EngineSide, RenderState
from rnnviz.quantities.level_of_detail import BoolArray, every_cell

_SHORTER = {"infinity": "inf", "-infinity": "-inf"}


class Number(NamedTuple):
    """A number as it is written on its cell."""

    cell: CellGeometry
    text: str


@dataclass(frozen=True, eq=False)
class Block:
    """The cells of one lane in view: `values`, `indices` of their colors and `marks`, each (rows, timesteps).

    `units` are those that are in the `rows`. Where a recording has no number nothing is written.
    """

    band: Band
    timesteps: tuple[int, ...]
    rows: range
    units: tuple[int, ...]
    values: FloatArray
    indices: IndexArray
    marks: BoolArray
    differs: bool

    def texts(self, digits: int) -> list[list[str]]:
        """What is written on each cell: three decimals, of a difference two digits, as far as they have room."""
        return [
            [
                "" if index == UNTOLD else fitting(value, digits, differs=self.differs)
                for value, index in zip(row, indices, strict=True)
            ]
            for row, indices in zip(self.values, self.indices, strict=True)
        ]


def fitting(value: float, digits: int, *, differs: bool = False) -> str:
    """A number's short form, or a difference's; what is too long for its cell is cut in its precision."""
    text = number_format.error(value) if differs else number_format.short(value)
    if len(text) > digits:
        text = _SHORTER.get(text, text)
    if len(text) > digits:
        mantissa, _, exponent = f"{float(value):.0e}".partition("e")
        text = f"{mantissa}e{int(exponent):+d}"
    return text


def initial_timestep(shown: RenderState, geometry: Geometry, band: Band) -> int | None:
    """Where the initial state's column of a lane is (-1 or T), if it is in view."""
    if not geometry.boxes or band.lane.layer is None or not shown.initial_name:
        return None
    timestep = geometry.picture.timesteps if band.lane.backward else -1
    x, width = geometry.column(timestep)
    return timestep if x + width > 0.0 and x < geometry.width else None


def block_in_view(shown: RenderState, geometry: Geometry, band: Band) -> Block:
    """Read the cells of a lane that are in view, with the initial state's column where it is."""
    steps, rows = geometry.timesteps_in_view(), geometry.rows_in_view(band)
    scale, _ = shown.paint.of(band.lane)
    if len(steps):
        parts = [_read(side, band.lane, part, rows) for side, part in shown.parts(band.lane, steps)]
        values, colored, marks = (np.concatenate(kind, axis=1) for kind in zip(*parts, strict=True))
        indices = scale.indices(colored)
        indices[:, _untold(shown, band.lane, steps)] = UNTOLD
    else:
        values = np.zeros((len(rows), 0))
        indices, marks = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.bool_)
    timesteps = tuple(steps)
    units = tuple(geometry.picture.unit_at(band.lane, row) for row in rows)
    initial = initial_timestep(shown, geometry, band)
    if initial is not None:
        state = shown.initial(band.lane)
        assert state is not None, "there is a column for it"
        column = state[list(units), None]
        # The initial state is given to both engines: they do not differ in it.
        if shown.differs(band.lane):
            column = np.zeros(column.shape)
        colored = np.zeros(column.shape) if shown.quantity == "violation" else column
        at_end = initial >= 0
        values, indices, marks = (
            np.concatenate([whole, new] if at_end else [new, whole], axis=1)
            for whole, new in (
                (values, column),
                (indices, scale.indices(colored)),
                (marks, np.zeros(column.shape, np.bool_)),
            )
        )
        timesteps = (*timesteps, initial) if at_end else (initial, *timesteps)
    return Block(band, timesteps, rows, units, values, indices, marks, shown.differs(band.lane))


def _untold(shown: RenderState, lane: Lane, steps: range) -> list[bool]:
    """(timesteps,): where there is no number."""
    parts = [(side.colors.told(lane), part) for side, part in shown.parts(lane, steps)]
    return [timestep not in told for told, part in parts for timestep in part]


def _read(side: EngineSide, lane: Lane, steps: range, rows: range) -> tuple[FloatArray, FloatArray, BoolArray]:
    """(rows, timesteps) each: the values, what their colors show, and the marks."""
    pixels = every_cell(steps.start, steps.stop), every_cell(rows.start, rows.stop)
    patch = side.values.read(lane, *pixels)
    colored = patch.values if side.colors is side.values else side.colors.read(lane, *pixels).values
    return patch.values, colored, np.zeros(patch.values.shape, np.bool_) if patch.marks is None else patch.marks


def numbers_of(block: Block, digits: int) -> list[Number]:
    """Every number of a block with its cell."""
    return [
        Number(CellGeometry(block.band.lane, timestep, unit), text)
        for unit, row in zip(block.units, block.texts(digits), strict=True)
        for timestep, text in zip(block.timesteps, row, strict=True)
    ]
