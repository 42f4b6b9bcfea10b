"""An array's source gives the same floats again, to the last bit."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.export.notebook import UNPACKED, WRITTEN_OUT, assignment


def assigned(array: FloatArray) -> tuple[FloatArray, str]:
    source = assignment("it", array)
    names = {"np": np, "base64": base64, "zlib": zlib}
    exec("\n".join([*UNPACKED, source]), names)
    return names["it"], source


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.data())
def test_any_floats_are_restored(dtype: type, data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(max_dims=3))
    array = data.draw(arrays.arrays(dtype, shape))
    again, _ = assigned(array)
    np.testing.assert_array_equal(again, array, strict=True)
    known = ~np.isnan(array)
    np.testing.assert_array_equal(np.signbit(again)[known], np.signbit(array)[known])


def test_small_arrays_are_written_out_large_ones_packed_and_zeros_named() -> None:
    numbers = np.random.default_rng(5).uniform(0.1, 1.0, WRITTEN_OUT + 1)
    written, packed = assignment("it", numbers[:-1]), assignment("it", numbers)
    assert written.startswith("it = np.array([")
    assert repr(float(numbers[0])) in written
    assert packed.startswith("it = unpacked('''\n")
    assert assignment("it", np.zeros((2, 3), np.float32)) == "it = np.zeros((2, 3), 'float32')"
    assert max(map(len, f"{written}\n{packed}".splitlines())) <= 120
