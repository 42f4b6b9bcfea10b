"""The bars of a histogram count what they say, where they say."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.series.histogram_bars import error_ratio_bars, ulp_bars
from rnnviz.verify.compare import Comparison
from rnnviz.verify.histogram import Histogram
from tests.factories import make_result


def comparison_of(**edits: float) -> Comparison:
    def edit(trace: Trace) -> None:
        for t, amount in enumerate(edits.values()):
            trace.hidden[0, 0, t, 0, 0] += np.float32(amount)

    return make_result(edits={"manual": edit}).comparison("manual")


def test_equal_engines_show_zero_and_the_limit():
    bars = error_ratio_bars(comparison_of())
    assert [bar.words for bar in bars.bars] == [
        "exactly 0",
        "above 0.5, up to 1 times the tolerance",
        "above 1, up to 2 times the tolerance",
    ]
    assert bars.limit == pytest.approx(bars.bars[2].x)
    assert [bar.words for bar in ulp_bars(comparison_of()).bars] == ["exactly 0", "1 ulp"]


def spread(lowest: int, highest: int, counts: dict[int, int]) -> Histogram:
    """A histogram of some counts by bin, whose first numbers are at the time step of their bin."""
    bins = highest - lowest + 3
    numbers = np.array([counts.get(place, 0) for place in range(bins)])
    return Histogram(
        lowest,
        highest,
        numbers,
        tuple(Location(0, 1, place, 2, 3) if place in counts else None for place in range(bins)),
    )


def test_bars_span_the_filled_octaves():
    spreads = replace(comparison_of(), error_ratios=spread(-3, 2, {0: 3, 1: 5, 6: 2, 7: 4}))
    bars = error_ratio_bars(spreads)
    unit = "times the tolerance"
    infinite = "infinite: NaN in one engine, or a tolerance of 0"
    expected = [
        (0.0, "exactly 0", 0.0, 0.0, 3, False),
        (1.6, f"up to 0.25 {unit}", 0.0, 0.25, 5, False),
        (2.6, f"above 0.25, up to 0.5 {unit}", 0.25, 0.5, 0, False),
        (3.6, f"above 0.5, up to 1 {unit}", 0.5, 1.0, 0, False),
        (4.6, f"above 1, up to 2 {unit}", 1.0, 2.0, 0, True),
        (5.6, f"above 2, up to 4 {unit}", 2.0, 4.0, 0, True),
        (6.6, f"above 4 {unit}", 4.0, inf, 2, True),
        (8.2, infinite, inf, inf, 4, True),
    ]
    for place, (bar, (x, words, low, high, count, outside)) in enumerate(zip(bars.bars, expected, strict=True)):
        assert bar.x == pytest.approx(x)
        assert (bar.words, bar.low, bar.high, bar.count, bar.outside) == (words, low, high, count, outside)
        assert bar.first == (Location(0, 1, place, 2, 3) if count else None)
    assert (bars.total, bars.highest, bars.width) == (14, 5, pytest.approx(9.2))
    assert bars.limit == pytest.approx(4.6)
    assert [text for _, text in bars.ticks] == ["0", "∞", "1"]
    assert [x for x, _ in bars.ticks] == pytest.approx([0.5, 8.7, 4.6])


def test_bars_of_distances_are_those_of_the_octaves_from_one_float_on():
    spreads = replace(comparison_of(), ulps=spread(-1, 63, {0: 1, 4: 2, 65: 1, 66: 7}))
    bars = ulp_bars(spreads)
    shown = {bar.words: (bar.x, bar.count, bar.outside) for bar in bars.bars}
    assert list(shown)[:4] == ["exactly 0", "1 ulp", "2 ulp", "3–4 ulp"]
    assert shown["5–8 ulp"] == (pytest.approx(4.6), 2, False)
    assert bars.bars[-2].words == "9.2e+18–1.8e+19 ulp"
    assert bars.bars[-1].words == "no distance: NaN in one engine"
    assert (bars.limit, bars.total, len(bars.bars)) == (None, 11, 67)
    assert [text for _, text in bars.ticks[:6]] == ["0", "∞", "1", "2", "3–4", "5–8"]
    assert [x for x, _ in bars.ticks[:6]] == pytest.approx([0.5, bars.bars[-1].x + 0.5, 2.1, 3.1, 4.1, 5.1])
    assert len(bars.ticks) == 67
