"""The bars of a histogram of octaves from left to right, where they are drawn, and their ticks."""

from math import ceil, floor, isinf, log2, log10

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.series.outlines import decade_text
from rnnviz.verify.compare import LaneComparison
from rnnviz.verify.histogram import Histogram

_APART = 0.6
"""How far the bars of zero and of infinity are from the others, in widths of a bar."""


@dataclass(frozen=True)
class HistogramBar:
    """One bin: it reaches from `x` to `x + 1`; `words` say which numbers it counts."""

    x: float
    words: str
    low: float
    high: float
    count: int
    first: Location | None
    outside: bool
    """Whether its numbers are outside the tolerance."""


@dataclass(frozen=True)
class Bars:
    """All bars from left to right, the ticks, and the position of the limit, in widths of a bar."""

    bars: tuple[HistogramBar, ...]
    ticks: tuple[tuple[float, str], ...]
    limit: float | None
    total: int

    @property
    def width(self) -> float:
        return self.bars[-1].x + 1.0

    @property
    def highest(self) -> int:
        return max(bar.count for bar in self.bars)


def error_ratio_bars(comparison: LaneComparison) -> Bars:
    """How the error ratios are spread; the limit and the octaves on both its sides are always shown."""
    histogram = comparison.error_ratios
    below = -histogram.lowest
    shown = _hull(histogram, below, below + 1)
    bars = _bars(histogram, shown, "times the tolerance", "infinite: NaN in one engine, or a tolerance of 0", 1.0)
    lowest, highest = (2.0 ** (histogram.lowest + place - 1) for place in (shown.start, shown.stop))

    def x(value: float) -> float:
        return log2(value / lowest) + 1.0 + _APART

    decades = range(ceil(log10(lowest)), floor(log10(highest)) + 1)
    ticks = tuple((x(10.0**decade), decade_text(decade)) for decade in decades)
    return Bars(bars, (*_end_ticks(bars), *ticks), x(1.0), histogram.total)


def ulp_bars(comparison: LaneComparison) -> Bars:
    histogram = comparison.ulps
    bars = _bars(histogram, _hull(histogram, 1, 1), "ulp", "no distance: NaN in one engine", None)
    ticks = tuple((bar.x + 0.5, _whole(bar.low, bar.high)) for bar in bars if bar.high > 0.0 and not isinf(bar.low))
    return Bars(bars, (*_end_ticks(bars), *ticks), None, histogram.total)


def _hull(histogram: Histogram, low: int, high: int) -> range:
    """The octaves' bins that are shown: from the first to the last filled one, and those from `low` to `high`."""
    filled = histogram.filled
    if not len(filled):
        return range(low, high + 1)
    return range(min(low, filled.start), max(high + 1, filled.stop))


def _bars(
    histogram: Histogram, shown: range, unit: str, infinite: str, limit: float | None
) -> tuple[HistogramBar, ...]:
    last = len(histogram.counts) - 1
    places = [(0, 0.0, "exactly 0"), *((place, place - shown.start + 1.0 + _APART, "") for place in shown)]
    if histogram.counts[last]:
        places.append((last, len(shown) + 1.0 + 2 * _APART, infinite))
    bars = []
    for place, x, words in places:
        low, high = histogram.edges(place)
        outside, count = limit is not None and low >= limit, int(histogram.counts[place])
        bars.append(
            HistogramBar(x, words or _words(low, high, unit), low, high, count, histogram.first[place], outside)
        )
    return tuple(bars)


def _words(low: float, high: float, unit: str) -> str:
    if unit == "ulp":
        return f"{_whole(low, high)} ulp"
    if low == 0.0:
        return f"up to {number_format.error(high)} {unit}"
    if isinf(high):
        return f"above {number_format.error(low)} {unit}"
    return f"above {number_format.error(low)}, up to {number_format.error(high)} {unit}"


def _whole(low: float, high: float) -> str:
    """The whole numbers above `low`, up to `high`: "1", "3-4", "4,097-8,192"."""
    least, most = int(low) + 1, int(min(high, 2.0**64))
    return number_format.ulp(most) if least >= most else f"{number_format.ulp(least)}–{number_format.ulp(most)}"


def _end_ticks(bars: tuple[HistogramBar, ...]) -> tuple[tuple[float, str], ...]:
    ends = [(bars[0].x + 0.5, "0")]
    if isinf(bars[-1].low):
        ends.append((bars[-1].x + 0.5, "∞"))
    return tuple(ends)
