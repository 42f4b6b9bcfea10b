"""What stands before an array's numbers: read as numpy wrote it, and never at length."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest

from rnnviz.model.npy_header import read_npy_header


def written(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "?", "U3"])
def test_a_header_tells_what_numpy_wrote_and_where_the_numbers_begin(version: tuple[int, int], dtype: str) -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    content = written(array, version)
    header = read_npy_header(BytesIO(content), len(content))
    assert (header.shape, header.fortran, header.dtype) == ((2, 3), True, np.dtype(dtype))
    assert header.numeric == (dtype != "U3")
    assert header.size == len(content)
    assert content[header.begin :] == array.tobytes("F")


class Endless(BytesIO):
    """A file that says how much was asked of it."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        self.most = max(self.most, size or 0)
        return super().read(size)


def test_a_header_that_claims_to_be_huge_is_not_read() -> None:
    file = Endless(b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little") + bytes(100))
    with pytest.raises(ValueError, match="a header of 4294967295 bytes"):
        read_npy_header(file, 112)
    assert file.most <= 8


@pytest.mark.parametrize("length", [-1, 1])
def test_an_array_that_does_not_fill_its_file_is_refused(length: int) -> None:
    content = written(np.ones(4, np.float32))
    with pytest.raises(ValueError, match=r"an array of the shape \(4,\) would have"):
        read_npy_header(BytesIO(content), len(content) + length)
