"""Bars of a histogram: they count every value, stand in order, and the limit parts what is outside."""

import itertools
from math import inf

import numpy as np
import pytest

from rnnviz.analysis.bars import Bars, ulp_bars, violation_bars
from rnnviz.analysis.compare import Comparison
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace
from tests.made_results import made_result


def comparison_of(**edits: float) -> Comparison:
    def edit(trace: Trace) -> None:
        for t, amount in enumerate(edits.values()):
            trace.hidden[0, 0, t, 0, 0] += np.float32(amount)

    return made_result(edits={"manual": edit}).comparison("manual")


MIXED = {"small": 1e-7, "large": 0.25, "nan": np.nan}


@pytest.mark.parametrize("make", [violation_bars, ulp_bars])
def test_the_bars_count_every_value_once_from_left_to_right(make) -> None:
    bars: Bars = make(comparison_of(**MIXED))
    assert sum(bar.count for bar in bars.bars) == bars.total == 40
    assert bars.bars[0].count == 37
    places = [bar.x for bar in bars.bars]
    assert all(right - left >= 1.0 - 1e-9 for left, right in itertools.pairwise(places))
    assert bars.width == places[-1] + 1.0


def test_the_limit_stands_between_what_passes_and_what_does_not() -> None:
    bars = violation_bars(comparison_of(**MIXED))
    assert bars.limit is not None
    for bar in bars.bars:
        assert bar.outside == (bar.x > bars.limit - 0.5)
        assert bar.outside == (bar.low >= 1.0)
    assert sum(bar.count for bar in bars.bars if bar.outside) == 2


def test_equal_engines_show_zero_and_the_limit() -> None:
    bars = violation_bars(comparison_of())
    assert [bar.words for bar in bars.bars] == [
        "exactly 0",
        "above 0.5, up to 1 times the tolerance",
        "above 1, up to 2 times the tolerance",
    ]
    assert bars.limit == pytest.approx(bars.bars[2].x)
    assert [bar.words for bar in ulp_bars(comparison_of()).bars] == ["exactly 0", "1 ULP"]


def test_decades_stand_where_their_values_do() -> None:
    bars = violation_bars(comparison_of(**MIXED))
    [at] = [x for x, text in bars.ticks if text == "1"]
    assert at == pytest.approx(bars.limit)
    for x, text in bars.ticks:
        if text in ("0", "∞"):
            continue
        [bar] = [bar for bar in bars.bars if bar.x < x <= bar.x + 1.0 and bar.low < inf]
        assert bar.low <= float(text) <= bar.high


def test_what_is_no_number_has_a_bar_of_its_own_only_if_there_is_any() -> None:
    last = violation_bars(comparison_of(**MIXED)).bars[-1]
    assert (last.low, last.count, last.first) == (inf, 1, Location(0, 0, 2, 0, 0))
    assert "infinite" in last.words
    assert ulp_bars(comparison_of(**MIXED)).bars[-1].words == "no distance: NaN on one side"
    assert violation_bars(comparison_of(large=0.25)).bars[-1].high < inf


def test_distances_in_floats_are_told_as_whole_numbers() -> None:
    words = [bar.words for bar in ulp_bars(comparison_of(large=0.25)).bars]
    assert words[:5] == ["exactly 0", "1 ULP", "2 ULP", "3–4 ULP", "5–8 ULP"]
