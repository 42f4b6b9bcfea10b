"""Nothing vanishes where many time steps share a pixel."""

import numpy as np
import pytest

from rnnviz.gui.views.pixels import pixel_bands

FOUR = [[10, 10], [12, 12], [60, 61], [99, 99]]


@pytest.mark.parametrize(
    ("bands", "ends", "width", "narrowest", "pixels"),
    [
        (FOUR, (-0.5, 99.5), 100, 1, [[10, 11], [12, 13], [60, 62], [99, 100]]),
        (FOUR, (-0.5, 99.5), 100, 2, [[10, 14], [60, 62], [99, 100]]),
        (FOUR, (-0.5, 99.5), 100, 3, [[10, 15], [60, 63], [99, 100]]),
        # A range that ends at the left edge or begins at the right edge is invisible; one that overlaps is visible.
        ([[0, 4]], (4.5, 14.5), 10, 2, []),
        ([[0, 5]], (4.5, 14.5), 10, 2, [[0, 1]]),
        ([[14, 20]], (4.5, 14.5), 10, 2, [[9, 10]]),
        ([[15, 20]], (4.5, 14.5), 10, 2, []),
        ([[0, 20]], (4.5, 14.5), 10, 2, [[0, 10]]),
        ([[t, t] for t in range(0, 10_000, 2)], (-0.5, 9_999.5), 300, 2, [[0, 300]]),
    ],
)
def test_an_interval_has_a_minimum_width_and_adjacent_ones_are_merged(bands, ends, width, narrowest, pixels):
    assert pixel_bands(np.array(bands), *ends, width, narrowest).tolist() == pixels
