"""The range of a heat map's colors."""

from math import inf, nan

import numpy as np
import pytest

from rnnviz.gui.sweep.heatmap import color_range


@pytest.mark.parametrize(
    ("limit", "values", "places"),
    [
        (None, [1e-3, 1.0, 1e3], [0.0, 0.5, 1.0]),
        # The limit is in the middle; values below and above it fill one half each.
        (10.0, [1e-3, 0.1, 10.0, 100.0], [0.0, 0.25, 0.5, 1.0]),
        (1.0, [1e3], [1.0]),
        (8.0, [1.0, 8.0], [0.5 - 0.5 * np.log10(8.0), 0.5]),
        (1.0, [2.0, 1e4], [0.5 + np.log10(2.0) / 8.0, 1.0]),
        (1.0, [0.0, 1e-4, 1e-2, 1.0, 1e3, 1e6, inf, nan], [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, nan]),
        (None, [0.0, 1e-4, 1e-2, 1.0, 1e3, 1e6, inf, nan], [0.0, 0.0, 0.2, 0.4, 0.7, 1.0, 1.0, nan]),
    ],
)
def test_values_above_and_below_the_limit_fill_their_halves_of_the_colors(
    limit: float | None, values: list[float], places: list[float]
) -> None:
    found = color_range(np.array(values), limit).fractions(np.array(values))
    np.testing.assert_allclose(found, places)


@pytest.mark.parametrize("values", [[], [nan], [0.0], [1.0]])
def test_a_range_of_one_number_or_none_is_drawn(values: list[float]) -> None:
    for limit in (None, 1.0):
        found = color_range(np.array(values), limit).fractions(np.array(values))
        assert ((found >= 0.0) & (found <= 1.0) | np.isnan(found)).all()
