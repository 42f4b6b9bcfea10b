"""Visible data as text: mismatching cells, and a table of numbers."""

from rnnviz.core import number_format
from rnnviz.core.axis_labels import UNNAMED, feature_title, visible
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.gui.views.unrolled.header import header_of
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.visible_values import block_in_view


def outlines_in_view(shown: RenderState, geometry: Geometry) -> list[CellGeometry]:
    """Every visible mismatch of the shown sample."""
    cells = []
    for lane_rect in geometry.lane_rects_in_view():
        block = block_in_view(shown, geometry, lane_rect)
        cells += [
            CellGeometry(lane_rect.lane, timestep, unit)
            for row, unit in enumerate(block.units)
            for place, timestep in enumerate(block.timesteps)
            if block.marks[row, place]
        ]
    return cells


def table_in_view(shown: RenderState, geometry: Geometry) -> str:
    """Lanes with visible numbers as a tab-separated table in full precision; empty without any."""
    lines = []
    for lane_rect in geometry.lane_rects_in_view():
        if not geometry.font_pixels(lane_rect):
            continue
        block = block_in_view(shown, geometry, lane_rect)
        steps = [_column(shown, lane_rect.lane, t) for t in block.timesteps]
        title = header_of(shown, lane_rect.lane).title
        if block.differs:
            title = f"{title}: {' '.join(shown.subtraction())}"
        elif shown.gate is not None and lane_rect.lane.layer is not None:
            title = f"{title}: {shown.quantity}, {shown.gate.title}"
        lines.append("\t".join([title, *steps]))
        names = shown.result.inputs.names if lane_rect.lane.layer is None else UNNAMED
        lines += [
            "\t".join([feature_title(names, unit), *(number_format.full(value) for value in row)])
            for unit, row in zip(block.units, block.values, strict=True)
        ]
    return "\n".join(lines)


def _column(shown: RenderState, lane: Lane, timestep: int) -> str:
    if not 0 <= timestep < shown.result.shape[2]:
        return shown.initial_name
    both = shown.right is not None and lane.layer is not None
    name = visible(shown.result.inputs.names.timestep(timestep))
    words = [
        f"t={timestep}",
        *([f"'{name}'"] if name else []),
        *([display_name(shown.engine_at(timestep))] if both else []),
    ]
    return " ".join(words)
