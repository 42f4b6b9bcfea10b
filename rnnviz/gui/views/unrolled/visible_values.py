"""Visible cells that are large enough for a number."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.colormap import MISSING, IndexArray
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.gui.views.unrolled.layout import LaneRect
from rnnviz.gui.views.unrolled.render_state import EngineSide, RenderState
from rnnviz.quantities.level_of_detail import BoolArray, every_cell

_SHORTER = {"infinity": "inf", "-infinity": "-inf"}


class CellNumber(NamedTuple):
    """A number as written on its cell."""

    cell: CellGeometry
    text: str


@dataclass(frozen=True, eq=False)
class Block:
    """Visible cells of one lane: `values`, color `indices` and `marks`, each of shape (rows, time steps).

    `units` are those in the `rows`. Missing values of recorded outputs have no text.
    """

    lane_rect: LaneRect
    timesteps: tuple[int, ...]
    rows: range
    units: tuple[int, ...]
    values: FloatArray
    indices: IndexArray
    marks: BoolArray
    differs: bool

    def texts(self, digits: int) -> list[list[str]]:
        """Text of each cell, as far as it fits: three decimals, or two digits of a difference."""
        return [
            [
                "" if index == MISSING else number_format.true_minus(fitting(value, digits, differs=self.differs))
                for value, index in zip(row, indices, strict=True)
            ]
            for row, indices in zip(self.values, self.indices, strict=True)
        ]


def fitting(value: float, digits: int, *, differs: bool = False) -> str:
    """Short form of a number or a difference, with fewer digits if it does not fit."""
    text = number_format.error(value) if differs else number_format.short(value)
    if len(text) > digits:
        text = _SHORTER.get(text, text)
    if len(text) > digits:
        mantissa, _, exponent = f"{float(value):.0e}".partition("e")
        text = f"{mantissa}e{int(exponent):+d}"
    return text


def initial_timestep(shown: RenderState, geometry: Geometry, lane_rect: LaneRect) -> int | None:
    """Column of a lane's initial state (-1 or T), or None if it is not visible."""
    if not geometry.boxes or lane_rect.lane.layer is None or not shown.initial_name:
        return None
    timestep = geometry.picture.timesteps if lane_rect.lane.backward else -1
    x, width = geometry.column(timestep)
    return timestep if x + width > 0.0 and x < geometry.width else None


def block_in_view(shown: RenderState, geometry: Geometry, lane_rect: LaneRect) -> Block:
    """Read the visible cells of a lane, including its initial state."""
    steps, rows = geometry.timesteps_in_view(), geometry.rows_in_view(lane_rect)
    scale, _ = shown.paint.of(lane_rect.lane)
    if len(steps):
        parts = [_read(side, lane_rect.lane, part, rows) for side, part in shown.parts(lane_rect.lane, steps)]
        values, colored, marks = (np.concatenate(kind, axis=1) for kind in zip(*parts, strict=True))
        indices = scale.indices(colored)
        indices[:, _unrecorded(shown, lane_rect.lane, steps)] = MISSING
    else:
        values = np.zeros((len(rows), 0))
        indices, marks = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.bool_)
    timesteps = tuple(steps)
    units = tuple(geometry.picture.unit_at(lane_rect.lane, row) for row in rows)
    initial = initial_timestep(shown, geometry, lane_rect)
    if initial is not None:
        state = shown.initial(lane_rect.lane)
        assert state is not None, "there is a column for it"
        column = state[list(units), None]
        # The initial state is given to both engines: they do not differ in it.
        if shown.differs(lane_rect.lane):
            column = np.zeros(column.shape)
        colored = np.zeros(column.shape) if shown.quantity == "error_ratio" else column
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
    return Block(lane_rect, timesteps, rows, units, values, indices, marks, shown.differs(lane_rect.lane))


def _unrecorded(shown: RenderState, lane: Lane, steps: range) -> list[bool]:
    """Mask of missing values, of shape (time steps,)."""
    parts = [(side.colors.recorded(lane), part) for side, part in shown.parts(lane, steps)]
    return [timestep not in recorded for recorded, part in parts for timestep in part]


def _read(side: EngineSide, lane: Lane, steps: range, rows: range) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Values, color indices and marks, each of shape (rows, time steps)."""
    pixels = every_cell(steps.start, steps.stop), every_cell(rows.start, rows.stop)
    patch = side.values.read(lane, *pixels)
    colored = patch.values if side.colors is side.values else side.colors.read(lane, *pixels).values
    return patch.values, colored, np.zeros(patch.values.shape, np.bool_) if patch.marks is None else patch.marks


def numbers_of(block: Block, digits: int) -> list[CellNumber]:
    """Every number of a block with its cell."""
    return [
        CellNumber(CellGeometry(block.lane_rect.lane, timestep, unit), text)
        for unit, row in zip(block.units, block.texts(digits), strict=True)
        for timestep, text in zip(block.timesteps, row, strict=True)
    ]
