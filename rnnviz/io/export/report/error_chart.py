"""Chart of the error ratio over time in a report, as points of an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnviz.core.engine_spec import display_name
from rnnviz.core.indexing import lane_text
from rnnviz.core.trace_index import Location
from rnnviz.quantities.error_series import ERROR_RATIO, error_series
from rnnviz.quantities.plot_series import LogScale, Outline, largest_of, log_scale, outline_of, runs
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult

_WIDTH, _HEIGHT = 1200, 260
"""Size of the SVG in its own units."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 10, 10, 30
"""Margins with the labels of the axes."""
_MOST_LANES = 16
"""Maximum number of other lanes drawn separately. More lanes are drawn as one curve, their maximum."""
_MOST_TICKS = 8


@dataclass(frozen=True)
class Tick:
    """Position on an axis and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class ErrorChart:
    """Curves as the data of SVG paths. `worst` is the lane with the largest error ratio, `others` the other lanes."""

    candidate: str
    lane: str
    worst: str
    others: tuple[str, ...]
    limit: float
    times: tuple[Tick, ...]
    decades: tuple[Tick, ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    bottom: int = _HEIGHT - _BOTTOM


def error_chart(result: RunResult, comparison: Comparison) -> ErrorChart:
    """The largest error ratio of a candidate at each time step of every lane, on a logarithmic axis."""
    series = error_series(result, comparison, ERROR_RATIO)
    assert series is not None
    assert series.limit is not None
    values, limit = series.main.values, series.limit[0]
    scale, timesteps = log_scale(series.lanes, limit), values.shape[-1]
    pixels = _WIDTH - _LEFT - _RIGHT
    outlines = {lane: outline_of(values[lane], range(timesteps), pixels) for lane in np.ndindex(values.shape[:2])}
    layer, direction = max(outlines, key=lambda lane: float(np.nan_to_num(values[lane], nan=-1.0, posinf=np.inf).max()))
    worst = outlines.pop((layer, direction))
    others = list(outlines.values()) if len(outlines) <= _MOST_LANES else [largest_of(list(outlines.values()))]
    return ErrorChart(
        display_name(comparison.candidate),
        lane_text(result.inputs.network, Location(layer, direction)),
        _path(worst, scale, timesteps),
        tuple(_path(other, scale, timesteps) for other in others),
        _y(float(scale.positions(np.array([limit]))[0]), scale),
        tuple(Tick(_x(t, timesteps), f"{t:,}") for t in _few(range(timesteps))),
        tuple(Tick(_y(position, scale), scale.text(position)) for position in _decades(scale)),
    )


def _path(outline: Outline, scale: LogScale, timesteps: int) -> str:
    """Path data: one part for each run of time steps with a number."""
    times, values = outline.points()
    heights = scale.positions(np.asarray(values, np.float64))
    parts = []
    for start, stop in runs(~np.isnan(heights)).tolist():
        points = [
            f"{_x(time, timesteps)},{_y(height, scale)}"
            for time, height in zip(times[start : stop + 1].tolist(), heights[start : stop + 1].tolist(), strict=True)
        ]
        # A single point becomes a dot by its round cap.
        parts.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return "".join(parts)


def _x(time: float, timesteps: int) -> float:
    return round(_LEFT + (time + 0.5) / timesteps * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(position: float, scale: LogScale) -> float:
    highest = scale.infinity if scale.infinite else float(scale.highest)
    return round(_TOP + (highest - position) / (highest - scale.zero) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _few(whole: range) -> Sequence[int]:
    """At most `_MOST_TICKS` of some whole numbers, at a step of 1, 2 or 5 times a power of ten."""
    step = next(m * 10**p for p in range(12) for m in (1, 2, 5) if len(whole) <= _MOST_TICKS * m * 10**p)
    return range(-(-whole.start // step) * step, whole.stop, step)


def _decades(scale: LogScale) -> list[float]:
    infinity = [scale.infinity] if scale.infinite else []
    return [scale.zero, *map(float, _few(range(scale.lowest, scale.highest + 1))), *infinity]
