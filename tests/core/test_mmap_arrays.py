"""Mapped arrays, which may be larger than memory."""

import io
import mmap
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from rnnviz.core import mmap_arrays as arrays
from rnnviz.core.mmap_arrays import allocate_array, create_mapped, open_mapped, read_only, release_pages, store_mapped


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system knows no such thing")
def test_released_pages_of_a_mapped_array_leave_memory_and_can_be_read_again(tmp_path):
    def resident():
        return psutil.Process().memory_info().shared

    np.save(tmp_path / "long.npy", np.ones((4000, 1000), np.float32))
    mapped = open_mapped(tmp_path / "long.npy")
    before = resident()
    part = mapped[500:3500, 10:900]
    assert part.sum() == part.size
    held = resident() - before
    release_pages(part)
    assert held > 11e6
    assert resident() - before < held / 10
    assert part.sum() == part.size
    release_pages(mapped[:0])
    release_pages(np.ones(3))


@pytest.mark.parametrize("written", [0, 1 << 30], ids=["allocated", "written"])
@pytest.mark.parametrize("shape", [(3,), (1 << 19, 1), (2, 3, 5)])
def test_a_new_mapped_array_is_zero_and_written_values_are_in_the_file(tmp_path, monkeypatch, shape, written):
    monkeypatch.setattr(arrays, "_WRITTEN_BYTES", written)
    allocated: list[int] = []

    def allocate(file: int, begin: int, size: int) -> None:
        allocated.append(size - begin)
        os.ftruncate(file, size)

    monkeypatch.setattr(os, "posix_fallocate", allocate, raising=False)
    path = tmp_path / "new.npy"
    mapped = create_mapped(path, "float32", shape)
    assert allocated == ([] if written else [path.stat().st_size])
    assert not mapped.any()
    mapped[:] = np.arange(mapped.size).reshape(shape)
    for again in (np.load(path), open_mapped(path)):
        np.testing.assert_array_equal(again, mapped)
        assert again.dtype == np.float32
    with pytest.raises(FileExistsError):
        create_mapped(path, "float32", shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stored_array_is_mapped_from_its_file_whatever_its_strides(tmp_path, dtype):
    array = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    for name, part in (("whole", array), ("strided", array[::2, :, ::-1])):
        stored = store_mapped(tmp_path / f"{name}.npy", part)
        np.testing.assert_array_equal(stored, part)
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), part)
        assert stored.dtype == dtype
        assert not stored.flags.writeable
    with pytest.raises(FileExistsError):
        store_mapped(tmp_path / "whole.npy", array)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no such device")
def test_a_full_disk_is_an_error_while_the_file_is_created(tmp_path):
    with Path("/dev/full").open("rb+", buffering=0) as full, pytest.raises(OSError, match="No space"):
        arrays._make_room(full, 4096)


def test_a_read_only_array_is_contiguous_in_its_type_and_its_giver_may_go_on_writing():
    given = np.arange(24.0).reshape(2, 3, 4)
    kept = read_only(given, "float64")
    assert np.shares_memory(kept, given)
    for array, dtype in (
        (given, "float64"),
        (np.ones((2, 3)), "float64"),
        (given[:, ::2].T, "float32"),
        (given[1], "float64"),
    ):
        kept = read_only(array, dtype)
        np.testing.assert_array_equal(kept, array)
        assert (kept.dtype, kept.flags.c_contiguous, kept.flags.writeable) == (np.dtype(dtype), True, False)
        assert array.flags.writeable
    assert read_only(np.array([1e300, -1e300, 1.0]), "float32").tolist() == [np.inf, -np.inf, 1.0]


@pytest.mark.parametrize("writable", [True, False])
def test_a_mapped_array_changes_its_file_only_where_it_was_opened_to(tmp_path, writable):
    create_mapped(tmp_path / "a.npy", "float64", (2, 3))
    opened = open_mapped(tmp_path / "a.npy", writable=True) if writable else open_mapped(tmp_path / "a.npy")
    assert type(opened) is np.ndarray
    assert opened.flags.writeable == writable
    if writable:
        opened[1, 2] = 7.0
    assert np.load(tmp_path / "a.npy")[1, 2] == (7.0 if writable else 0.0)


def test_objects_are_never_unpickled_out_of_a_file(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        open_mapped(tmp_path / "a.npy")

    class Trap:
        def __reduce__(self):
            return (tmp_path / "ran").write_text, ("ran",)

    (tmp_path / "a.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="allow_pickle="):
        open_mapped(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("dtype", ["float32", np.dtype([("hidden", "float64", (3, 5)), ("engine", "S7")])], ids=str)
def test_the_numbers_of_a_file_are_aligned_and_fill_it(tmp_path, dtype):
    create_mapped(tmp_path / "a.npy", dtype, (7,) if dtype == "float32" else ())
    content = (tmp_path / "a.npy").read_bytes()
    begin = content.index(b"\n") + 1
    assert begin % 64 == 0
    numbers = content[begin:]
    assert numbers == bytes(7 * 4 if dtype == "float32" else 3 * 5 * 8 + 7)


@pytest.mark.parametrize("bytes_more", [0, 1])
def test_an_allocated_array_is_in_memory_up_to_the_limit(monkeypatch, bytes_more):
    monkeypatch.setattr(arrays, "_IN_MEMORY_BYTES", 2 * 3 * 4 - bytes_more)
    room = allocate_array("float32", (2, 3))
    assert (room.base is None) == (bytes_more == 0)
    assert (room.shape, room.dtype) == ((2, 3), np.float32)
    room[:] = np.arange(6.0).reshape(2, 3)
    assert room.sum() == 15.0


class Sparing(io.FileIO):
    """A file on a disk that takes few bytes at a time."""

    def write(self, data: Any) -> int:
        return super().write(memoryview(data).cast("B")[:200])


def test_an_array_is_stored_whole_however_little_is_written_at_a_time(tmp_path):
    path = SimpleNamespace(open=lambda mode, buffering: Sparing(tmp_path / "a.npy", mode))
    array = np.random.default_rng(0).normal(size=(3, 5, 7))
    np.testing.assert_array_equal(store_mapped(path, array), array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)


class Pages(mmap.mmap):
    """A memory map that records which bytes are released."""

    def madvise(self, *asked: int) -> None:
        self.asked = asked


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system knows no such thing")
def test_pages_of_a_slice_and_its_read_ahead_are_released():
    row, neighbors = 1 << 15, 1 << 16
    pages = Pages(-1, 40 * row + 3)
    array = np.ndarray((40, row), np.uint8, pages)
    for part, begin, end in (
        (array[5:8], 2 * neighbors, 8 * row + neighbors),
        (array[4, 7:9], 2 * neighbors, 4 * row + 9 + neighbors),
        (array[6:9, ::2], 3 * neighbors, 9 * row - 1 + neighbors),
        (array[39], 19 * neighbors, 40 * row + 3),
        (array, 0, 40 * row + 3),
    ):
        release_pages(part)
        assert pages.asked == (mmap.MADV_DONTNEED, begin, end - begin)
    del pages.asked
    release_pages(array[:0])
    assert not hasattr(pages, "asked")
