"""Bars of a histogram: every value is counted, in order, and the limit separates mismatches."""

import itertools
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.plot_series import Bars, error_ratio_bars, ulp_bars
from rnnviz.verify.compare import Comparison
from rnnviz.verify.histogram import Histogram
from tests.factories import make_result


def comparison_of(**edits: float) -> Comparison:
    def edit(trace: Trace) -> None:
        for t, amount in enumerate(edits.values()):
            trace.hidden[0, 0, t, 0, 0] += np.float32(amount)

    return make_result(edits={"manual": edit}).comparison("manual")


MIXED = {"small": 1e-7, "large": 0.25, "nan": np.nan}


@pytest.mark.parametrize("make", [error_ratio_bars, ulp_bars])
def test_the_bars_count_every_value_once_from_left_to_right(make) -> None:
    bars: Bars = make(comparison_of(**MIXED))
    assert sum(bar.count for bar in bars.bars) == bars.total == 40
    assert bars.bars[0].count == 37
    places = [bar.x for bar in bars.bars]
    assert all(right - left >= 1.0 - 1e-9 for left, right in itertools.pairwise(places))
    assert bars.width == places[-1] + 1.0


def test_the_limit_separates_passing_from_failing_bars() -> None:
    bars = error_ratio_bars(comparison_of(**MIXED))
    assert bars.limit is not None
    for bar in bars.bars:
        assert bar.outside == (bar.x > bars.limit - 0.5)
        assert bar.outside == (bar.low >= 1.0)
    assert sum(bar.count for bar in bars.bars if bar.outside) == 2


def test_equal_engines_show_zero_and_the_limit() -> None:
    bars = error_ratio_bars(comparison_of())
    assert [bar.words for bar in bars.bars] == [
        "exactly 0",
        "above 0.5, up to 1 times the tolerance",
        "above 1, up to 2 times the tolerance",
    ]
    assert bars.limit == pytest.approx(bars.bars[2].x)
    assert [bar.words for bar in ulp_bars(comparison_of()).bars] == ["exactly 0", "1 ulp"]


def test_decades_are_at_their_values() -> None:
    bars = error_ratio_bars(comparison_of(**MIXED))
    [at] = [x for x, text in bars.ticks if text == "1"]
    assert at == pytest.approx(bars.limit)
    for x, text in bars.ticks:
        if text in ("0", "∞"):
            continue
        [bar] = [bar for bar in bars.bars if bar.x < x <= bar.x + 1.0 and bar.low < inf]
        assert bar.low <= float(text) <= bar.high


def test_nonfinite_values_have_a_bar_only_if_there_are_any() -> None:
    last = error_ratio_bars(comparison_of(**MIXED)).bars[-1]
    assert (last.low, last.count, last.first) == (inf, 1, Location(0, 0, 2, 0, 0))
    assert "infinite" in last.words
    assert ulp_bars(comparison_of(**MIXED)).bars[-1].words == "no distance: NaN in one engine"
    assert error_ratio_bars(comparison_of(large=0.25)).bars[-1].high < inf


def test_ulp_distances_are_whole_numbers() -> None:
    words = [bar.words for bar in ulp_bars(comparison_of(large=0.25)).bars]
    assert words[:5] == ["exactly 0", "1 ulp", "2 ulp", "3–4 ulp", "5–8 ulp"]


def spread(lowest: int, highest: int, counts: dict[int, int]) -> Histogram:
    """A histogram of some counts by bin, whose first numbers are at the time step of their bin."""
    bins = highest - lowest + 3
    numbers = np.array([counts.get(place, 0) for place in range(bins)])
    return Histogram(lowest, highest, numbers, np.array([(0, 1, place, 2, 3) for place in range(bins)]))


def test_bars_span_the_filled_octaves() -> None:
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


@pytest.mark.parametrize(
    ("counts", "texts"),
    [
        # From 2^-7 to 2, from 1/2 to 2^7: only decades between the ends of what is shown have a tick.
        ({14: 1}, ["0", "0.01", "0.1", "1"]),
        ({27: 1}, ["0", "1", "10", "100"]),
    ],
)
def test_there_is_a_tick_at_every_decade_that_is_shown(counts: dict[int, int], texts: list[str]) -> None:
    bars = error_ratio_bars(replace(comparison_of(), error_ratios=spread(-20, 20, counts)))
    assert [text for _, text in bars.ticks] == texts
    assert len(bars.bars) == 1 + 8
    assert [x for x, _ in bars.ticks[1:]] == pytest.approx(
        [bars.limit + np.log2(float(text)) for text in texts[1:]], abs=1e-9
    )


def test_bars_of_distances_are_those_of_the_octaves_from_one_float_on() -> None:
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
