"""Targets of clicks and keys on cells."""

from rnnviz.core.trace_index import Lane, Location
from rnnviz.explain.provenance import InitialPlace, InputPlace, Place, quantity_place
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.render_state import RenderState


def pointed_at(shown: RenderState, at: Location, cell: CellGeometry) -> Location:
    """New selection for a click on a cell. Of the input only the time step applies, of a norm not the unit."""
    # The initial state's column stands for the step beside it.
    where = at.moved(timestep=min(max(cell.timestep, 0), shown.result.shape[2] - 1))
    if cell.lane.layer is None:
        return where
    where = where.moved(layer=cell.lane.layer, direction=cell.lane.direction)
    return where.moved(unit=cell.unit) if shown.per_unit else where


def unit_beside(shown: RenderState, at: Location, by: int) -> Location:
    """The unit `by` rows below (negative: above) the selection, in the shown order."""
    picture, lane = shown.picture(), Lane(at.layer, at.direction)
    row = min(max(picture.row_of(lane, at.unit) + by, 0), shown.result.shape[4] - 1)
    return at.moved(unit=picture.unit_at(lane, row))


def cell_at(shown: RenderState | None, at: Location) -> CellGeometry:
    """Cell of the selection. A lane of norms has one row for all units."""
    lane = Lane(at.layer, at.direction)
    return CellGeometry(lane, at.timestep, at.unit if shown is None else min(at.unit, shown.rows(lane) - 1))


def first_mismatch(shown: RenderState) -> CellGeometry | None:
    """Cell of the first mismatch of the comparison, or None; None in another sample, or without units."""
    first = None if shown.comparison is None else shown.comparison.first_mismatch
    if first is None or first.where.sample != shown.sample or not shown.per_unit:
        return None
    at = first.where
    return CellGeometry(Lane(at.layer, at.direction, reverse=at.reverse), at.timestep, at.unit)


def place_of(shown: RenderState, at: Location, cell: CellGeometry) -> Place:
    """Place of `rnnviz.explain.provenance` for a cell's number; `at` is the selection."""
    lane, timesteps = cell.lane, shown.result.shape[2]
    if lane.layer is None:
        return InputPlace(cell.timestep, at.sample, cell.unit, shown.result.inputs.names)
    if not 0 <= cell.timestep < timesteps:
        return InitialPlace(
            "c" if shown.quantity == "c" else "h",
            lane.layer,
            lane.direction,
            at.sample,
            cell.unit,
            reverse=lane.reverse,
        )
    # A norm belongs to all units, so the selected unit stays.
    unit = cell.unit if shown.per_unit else at.unit
    where = at.moved(layer=lane.layer, direction=lane.direction, timestep=cell.timestep, unit=unit)
    return quantity_place(where, shown.quantity)
