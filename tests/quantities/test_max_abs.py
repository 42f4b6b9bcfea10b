"""The range of a color scale."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rnnviz.quantities import max_abs as extent
from rnnviz.quantities.max_abs import largest_magnitude


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=6), elements=st.floats()), st.integers(1, 20))
def test_the_extent_is_the_largest_finite_magnitude(array: np.ndarray, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "_BLOCK_VALUES", block)
        found = largest_magnitude(array)
    assert found == max((abs(value) for value in array.flat if math.isfinite(value)), default=0.0)


def test_an_array_without_a_finite_number_has_no_extent() -> None:
    assert largest_magnitude(np.array([math.nan, math.inf, -math.inf])) == 0.0
