"""Tooltip of a cell."""

from rnnviz.core import number_format
from rnnviz.core.axis_labels import IN_FULL, feature_in_words, timestep_in_words
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.quantities.level_of_detail import every_cell
from rnnviz.verify.metrics import abs_error, error_ratio


def describe(shown: RenderState, cell: CellGeometry) -> str:
    """Lane, time step, unit, every engine's value in full precision, and each candidate's error; several lines."""
    lane, t, unit = cell
    result = shown.result
    timesteps = result.shape[2]
    names = result.inputs.names
    if lane.layer is None:
        t = min(max(t, 0), timesteps - 1)
        value = result.inputs.sequence[t, shown.sample, unit]
        time, feature = timestep_in_words(names, t, IN_FULL), feature_in_words(names, unit, IN_FULL)
        return f"input, {time}, sample {shown.sample}, {feature}\nx = {number_format.full(value)}"
    where = f"layer {lane.layer}, {DIRECTIONS[lane.backward]}"
    computed = 0 <= t < timesteps
    if not computed and (t < 0) != lane.backward:
        state = shown.initial(lane)
        if state is None:
            return ""
        of_unit = f", unit {unit}" if shown.per_unit else ""
        value = f"{shown.initial_name} = {number_format.full(state[unit])}"
        return f"{where}, initial state, sample {shown.sample}{of_unit}\n{value}"
    t = min(max(t, 0), timesteps - 1)
    where = f"{where}, {timestep_in_words(names, t, IN_FULL)}, sample {shown.sample}"
    row = shown.picture().row_of(lane, unit)
    lines = [f"{where}, unit {unit}" if shown.per_unit else where]
    if shown.gate is not None:
        patch = shown.left.values.read(lane, every_cell(t, t + 1), every_cell(row, row + 1))
        value = f"{shown.quantity} = {number_format.full(patch.values[0, 0])}"
        lines.append(f"{value}: {shown.gate.title}, from the values of {display_name(shown.engine)}")
        if not shown.gate.per_unit:
            return "\n".join(lines)
    if shown.quantity == "difference":
        # In full, as the values below are: the picture has no room for it.
        patch = shown.left.values.read(lane, every_cell(t, t + 1), every_cell(row, row + 1))
        lines.append(f"{' '.join(shown.subtraction())} = {number_format.full(float(patch.values[0, 0]))}")
    index = lane.layer, lane.direction, t, shown.sample, unit
    reference, held = result.reference.hidden[index], result.reference.holds(*index[:3])
    for engine, trace in result.traces.items():
        if not trace.holds(*index[:3]):
            lines.append(f"{display_name(engine)} not recorded")
            continue
        line = f"{display_name(engine)} {number_format.full(trace.hidden[index])}"
        if engine != result.reference.engine and held:
            comparison = result.comparison(engine)
            r, c = reference.reshape(1), trace.hidden[index].reshape(1)
            error = abs_error(r, c)[0]
            share = error_ratio(r, c, comparison.rtol, comparison.atol)[0]
            line += f"   difference {number_format.error(error)}, error ratio {number_format.error(share)}"
        lines.append(line)
    return "\n".join(lines)
