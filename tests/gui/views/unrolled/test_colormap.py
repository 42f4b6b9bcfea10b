"""Colors of numbers; NaN and infinity have distinct ones."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.gui.theme.palettes import DARK, LIGHT, Theme
from rnnviz.gui.views.unrolled.colormap import (
    ABOVE,
    BELOW,
    NAN,
    NEGATIVE,
    POSITIVE,
    STEPS,
    color_table,
    difference_scale,
    error_ratio_scale,
    hatch,
    pixel,
    value_scale,
)

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)


def test_a_scale_of_values_is_symmetric_and_covers_the_extent() -> None:
    assert (value_scale(2.5).low, value_scale(2.5).high) == (-2.5, 2.5)
    assert value_scale(0.3, bounded=True).high == 1.0
    assert value_scale(3.0, bounded=True).high == 3.0
    assert value_scale(0.0).high == 1.0


@pytest.mark.parametrize("largest", [0.0, 5e-324, 1e-12, 0.5, np.inf])
def test_a_scale_of_differences_has_its_middle_at_zero_however_small_or_large_they_are(largest: float) -> None:
    scale = difference_scale(largest)
    assert scale.low == -scale.high
    assert scale.indices(np.array([-scale.high, 0.0, scale.high])).tolist() == [0, STEPS // 2, STEPS - 1]
    assert scale.indices(np.array([0.0]))[0] == STEPS // 2


def test_special_values_have_reserved_indices() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1.2, -1.2, 1.0, -1.0, 0.0], np.float32)
    indices = value_scale(1.0).indices(values).tolist()
    assert indices == [NAN, POSITIVE, NEGATIVE, ABOVE, BELOW, STEPS - 1, 0, STEPS // 2]


@given(st.lists(st.floats(-1.0, 1.0), min_size=2))
def test_a_larger_value_never_has_a_lower_index(values: list[float]) -> None:
    assert (np.diff(value_scale(1.0).indices(np.sort(values)).astype(int)) >= 0).all()


@THEMES
def test_zero_has_the_middle_color_and_the_ends_theirs(theme: Theme) -> None:
    table, scale = color_table(theme, value_scale(2.0)), value_scale(2.0)
    ends = table[scale.indices(np.array([-2.0, 2.0]))].tolist()
    assert ends == [pixel(theme.diverging[0]), pixel(theme.diverging[-1])]
    middle = int(table[scale.indices(np.array([0.0]))][0])
    want = pixel(theme.diverging[3])
    assert all(abs((middle >> shift & 255) - (want >> shift & 255)) <= 2 for shift in (0, 8, 16))


@THEMES
def test_error_ratio_above_1_changes_the_hue(theme: Theme) -> None:
    scale = error_ratio_scale(120.0)
    table = color_table(theme, scale)
    assert scale.high == 1000.0
    under, over = (int(table[i]) for i in scale.indices(np.array([0.9, 1.2])))

    def distance(one: int, other: int) -> int:
        return sum(abs((one >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))

    neighbors = [distance(int(a), int(b)) for a, b in pairwise(table[:STEPS])]
    assert distance(under, over) > 60
    assert max(neighbors) == neighbors[int(np.argmax(neighbors))] > 5 * float(np.median(neighbors))


@THEMES
def test_each_special_value_has_a_distinct_pattern(theme: Theme) -> None:
    scale = value_scale(1.0)
    table = color_table(theme, scale)
    patterns = set()
    for index in (NAN, POSITIVE, NEGATIVE, ABOVE, BELOW):
        indices = np.full((8, 8), index, np.uint8)
        pixels = table[indices]
        hatch(pixels, indices, 0, 0, theme)
        assert len(np.unique(pixels)) == 2
        patterns.add(pixels.tobytes())
    assert len(patterns) == 5
