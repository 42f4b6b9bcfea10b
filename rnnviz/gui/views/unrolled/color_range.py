"""The range of the colors: which values it covers, and the dialog for a fixed one."""

import re
from math import isfinite

import numpy as np
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Limit, RangeName
from rnnviz.gui.kit.tasks import Check
from rnnviz.gui.theme.scaling import space_dialog
from rnnviz.gui.views.unrolled.colormap import DECADES, ENDS, ColorScale, rounded_up
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.render_state import Reach, RenderState
from rnnviz.reading.level_of_detail import Bins

RANGES: dict[RangeName, tuple[str, str]] = {
    "auto": ("&Most values", "Colors cover 98% of the values of all lanes and time steps, without the initial state."),
    "visible": ("&Visible values", "Colors cover the largest hidden value in view."),
    "lane": ("&Selected lane", "Colors cover the largest value of the selected lane, at all time steps."),
    "all": ("&All values", "Colors cover the largest value of all lanes and samples."),
    "fixed": ("&Fixed…", "Colors cover values up to a number that you type."),
}
LOGARITHMIC = (
    "&Logarithmic",
    f"The scale is logarithmic on both sides of 0, for {DECADES} powers of ten (Shift+C).",
)
_MOST_VALUES, _OUTLIER = 98.0, 8.0
"""Percent of the values that the colors cover, and how much larger the largest difference may be than these."""
_SAMPLED_STEPS, _SAMPLED_VALUES = 32, 1 << 19
"""Time steps of each lane that are looked at, where it has more values in all."""
_TIMES, _UNITS = 128, 32
"""Resolution at which the largest value is read: coarser than the screen's, from the levels of a long trace."""
_DECIMALS, _LEAST, _MOST = 9, 1e-9, 1e9
_WORD = re.compile(r"colors ([a-z]+)(?: -([0-9][0-9.e+-]*))? ([0-9][0-9.e+-]*)( log)?")


def limit_of(word: str) -> Limit | None:
    """The choice of a saved word, whose fixed range has two ends or, in an early version, one; None for another."""
    found = _WORD.fullmatch(word)
    name: RangeName | None = None if found is None else next((name for name in RANGES if name == found[1]), None)
    if found is None or name is None:
        return None
    try:
        high = _size(float(found[3]))
        low = -(high if found[2] is None else _size(float(found[2])))
        return Limit(name, low, high, logarithmic=found[4] is not None)
    except ValueError:
        return None


def _size(end: float) -> float:
    """Distance of an end of a range from 0, as far as a range can be chosen."""
    return min(max(abs(end), _LEAST), _MOST)


def is_fixed(shown: RenderState) -> bool:
    """Whether the quantity has a fixed scale that no choice changes."""
    return shown.quantity == "error_ratio" or (shown.gate is not None and shown.gate.high is not None)


def follows_values(shown: RenderState, limit: Limit) -> bool:
    """Whether the range of the colors is read from values. Computed quantities would take too long."""
    return not (is_fixed(shown) or limit.name in ("all", "fixed") or shown.computed)


def scaled_limit(scale: ColorScale, low: float = 1.0, high: float = 1.0) -> Limit:
    """The range of a scale with its ends multiplied by `low` and `high`, and rounded to two digits."""
    below, above = (_size(float(f"{end:.1e}")) for end in (scale.low * low, scale.high * high))
    return Limit("fixed", -(above if scale.sequential else below), above, logarithmic=scale.decades > 0)


def reach_of(
    shown: RenderState, geometry: Geometry | None, limit: Limit, selected: Lane, check: Check = lambda: None
) -> Reach:
    """The ends of the scale for a choice, or None for the quantity's own; only that of visible values needs a geometry.

    They are rounded up so that they rarely change. Any thread may call it, with a `check` that raises to cancel it.
    """
    if limit.name == "fixed" and not is_fixed(shown):
        return limit.low, limit.high
    if limit.name == "all" or is_fixed(shown):
        return None
    if shown.computed:
        largest = shown.paint.hidden.scale.high
    else:
        largest = _most(shown, check) if limit.name == "auto" else _largest(shown, geometry, limit, selected, check)
    if largest == 0.0 or not isfinite(largest):
        return None
    # A float32 that is a little larger than the same decimal is not beyond it.
    end = rounded_up(largest * (1.0 - 1e-6), ENDS)
    return -end, end


def _most(shown: RenderState, check: Check) -> float:
    """The magnitude that most values do not exceed; a large result is read at some time steps."""
    lanes = [lane for lane, _ in shown.lanes if lane.layer is not None]
    length, values = shown.length, []
    every = len(lanes) * length * shown.rows(lanes[0]) <= _SAMPLED_VALUES
    steps = np.arange(length) if every else np.unique(np.linspace(0, length - 1, _SAMPLED_STEPS).astype(int))
    for side in shown.sides:
        for lane in lanes:
            check()
            recorded, rows = side.colors.recorded(lane), slice(0, side.colors.shape(lane)[1])
            looked = [slice(0, length)] if every else [slice(t, t + 1) for t in steps.tolist() if t in recorded]
            values += [side.colors.cells(lane, times, rows).values.ravel() for times in looked]
    found = np.abs(np.concatenate(values)) if values else np.zeros(0)
    found = found[np.isfinite(found)]
    if not found.size:
        return 0.0
    rank = min(int(np.ceil(_MOST_VALUES / 100.0 * found.size)), found.size) - 1
    most, comparison = float(np.partition(found, rank)[rank]), shown.comparison
    if shown.quantity == "difference" and comparison is not None and comparison.max_abs_error > _OUTLIER * most:
        # Where few values differ, the others are rounding errors.
        return comparison.max_abs_error
    return most or float(found.max())


def _largest(shown: RenderState, geometry: Geometry | None, limit: Limit, selected: Lane, check: Check) -> float:
    """The largest magnitude of the selected lane, or in view, read from the extremes of blocks."""
    times, parts = range(shown.length), [(selected, range(shown.rows(selected)))]
    if limit.name == "visible" and geometry is not None:
        # An engine may fill the padding, which is not shown.
        times = geometry.timesteps_in_view()
        times = range(times.start, min(times.stop, shown.length))
        in_view = [own for own in geometry.lane_rects_in_view() if own.lane.layer is not None]
        parts = [(own.lane, geometry.rows_in_view(own)) for own in in_view]
    largest = 0.0
    for lane, rows in parts if times else ():
        for side in shown.sides:
            check()
            values = side.colors.read(lane, _bins(times, _TIMES), _bins(rows, _UNITS)).values
            largest = max(largest, float(np.abs(values).max(where=np.isfinite(values), initial=0.0)))
    return largest


def _bins(cells: range, most: int) -> Bins:
    # Whole blocks of a level, so that nothing is left to reduce.
    block = 1 << (max(1, len(cells) // most).bit_length() - 1)
    return Bins(np.arange(cells.start // block * block, cells.stop, block), cells.stop)


def range_text(shown: RenderState, limit: Limit) -> str:
    """Sentences on the range of the colors and how to change it."""
    scale = shown.paint.hidden.scale
    low, high = (number_format.true_minus(number_format.error(end)) for end in (scale.low, scale.high))
    if is_fixed(shown):
        return f"Colors cover {low} to {high}."
    covered = RANGES[limit.name][0].replace("&", "").rstrip("…").lower()
    how = f" on a logarithmic scale of {DECADES} powers of ten on both sides of 0" if scale.decades else ""
    return f"Colors cover {low} to {high}{how}: {covered}. Drag an end of the bar, or click it for other ranges (C)."


class RangeDialog(QDialog):
    """Asks for the ends of a fixed range."""

    def __init__(self, limit: Limit, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Color range")
        self._logarithmic = limit.logarithmic
        form = QFormLayout(self)
        space_dialog(form)
        self.low, self.high = _end(limit.low, -_MOST, -_LEAST), _end(limit.high, _LEAST, _MOST)
        for name, box, other in (("Lowest value", self.low, "smaller"), ("Largest value", self.high, "larger")):
            box.setAccessibleName(name)
            box.setToolTip(f"Values that are {other} have the color of this one.")
            form.addRow(name, box)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.low.selectAll()
        self.finished.connect(self.deleteLater)

    @property
    def limit(self) -> Limit:
        return Limit("fixed", self.low.value(), self.high.value(), self._logarithmic)


class _EndBox(QDoubleSpinBox):
    """Shows no zeros behind the last digit."""

    def textFromValue(self, value: float) -> str:
        whole, point, decimals = super().textFromValue(value).partition(self.locale().decimalPoint())
        return f"{whole}{point}{decimals.rstrip('0') or '0'}"


def _end(value: float, low: float, high: float) -> QDoubleSpinBox:
    box = _EndBox()
    box.setDecimals(_DECIMALS)
    box.setRange(low, high)
    box.setValue(value)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    return box
