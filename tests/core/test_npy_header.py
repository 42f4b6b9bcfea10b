"""What stands before an array's numbers: read as numpy wrote it, and never at length."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.npy_header import check_numeric, read_npy_header


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


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)], ids=str)
def test_an_array_may_be_empty_or_one_number(shape: tuple[int, ...]) -> None:
    content = written(np.ones(shape))
    assert read_npy_header(BytesIO(content), len(content)).shape == shape


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
    with pytest.raises(ValueError, match=r"^an array of") as caught:
        read_npy_header(BytesIO(content), len(content) + length)
    size = len(content)
    assert str(caught.value) == f"an array of the shape (4,) would have {size} bytes and has {size + length}"


def header(count: int, shape: tuple[int, ...] = (4,), version: int = 1) -> bytes:
    """One of `count` bytes, most of them spaces."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY" + bytes((version, 0)) + count.to_bytes(2 * version, "little") + text.ljust(count - 1) + b"\n"


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_of_ten_thousand_bytes_is_read_and_a_longer_one_is_not(version: int) -> None:
    begin = 8 + 2 * version + 10_000
    content = header(10_000, version=version) + bytes(16)
    found = read_npy_header(BytesIO(content), begin + 16)
    assert (found.shape, found.begin, found.size) == ((4,), begin, begin + 16)
    with pytest.raises(ValueError, match=r"^an array has a header of 10001 bytes$"):
        read_npy_header(BytesIO(header(10_001, version=version)), 20_000)


def test_a_format_that_numpy_does_not_write_and_a_shape_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^its format has the version \(3, 0\)$"):
        read_npy_header(BytesIO(b"\x93NUMPY\x03\x00" + bytes(100)), 108)
    with pytest.raises(ValueError, match=r"^an array of the shape \(-2, -2\) would have \d+ bytes and has 144$"):
        read_npy_header(BytesIO(header(118, (-2, -2)) + bytes(16)), 144)


@pytest.mark.parametrize(
    ("dtype", "sentence"),
    [
        ("O", "x holds Python objects, which are never unpickled: it must hold numbers."),
        ([("a", "O")], "x holds Python objects, which are never unpickled: it must hold numbers."),
        ("U3", "x holds values of the type <U3: they must be real numbers."),
        ("c8", "x holds values of the type complex64: they must be real numbers."),
        ("M8[s]", "x holds values of the type datetime64[s]: they must be real numbers."),
    ],
    ids=str,
)
def test_what_are_no_real_numbers_is_a_sentence(dtype: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_numeric(np.dtype(dtype), "x")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", ">f8"])
def test_real_numbers_of_every_type_are_taken(dtype: str) -> None:
    check_numeric(np.dtype(dtype), "x")
