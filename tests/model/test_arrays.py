"""Mapped arrays, which may be larger than memory."""

import mmap
from pathlib import Path

import numpy as np
import psutil
import pytest

from rnnviz.model import arrays
from rnnviz.model.arrays import create_mapped, open_mapped, release_pages, room_for, store_mapped


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system knows no such thing")
def test_what_was_read_of_a_mapped_array_is_let_go_of_and_comes_back(tmp_path: Path) -> None:
    def resident() -> int:
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
def test_a_new_mapped_array_is_zero_and_what_is_put_there_stands_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], written: int
) -> None:
    monkeypatch.setattr(arrays, "_WRITTEN_BYTES", written)
    path = tmp_path / "new.npy"
    mapped = create_mapped(path, "float32", shape)
    assert not mapped.any()
    mapped[:] = np.arange(mapped.size).reshape(shape)
    for again in (np.load(path), open_mapped(path)):
        np.testing.assert_array_equal(again, mapped)
        assert again.dtype == np.float32
    with pytest.raises(FileExistsError):
        create_mapped(path, "float32", shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stored_array_is_mapped_from_its_file_whatever_its_strides(tmp_path: Path, dtype: str) -> None:
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
def test_a_full_disk_is_an_error_while_the_file_is_made(tmp_path: Path) -> None:
    with Path("/dev/full").open("rb+", buffering=0) as full, pytest.raises(OSError, match="No space"):
        arrays._make_room(full, 4096)


@pytest.mark.parametrize("in_memory", [0, 1 << 26], ids=["in a file", "in memory"])
def test_room_is_writable_wherever_it_lies(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(arrays, "_IN_MEMORY_BYTES", in_memory)
    room = room_for("float64", (2, 3, 5))
    room[:] = np.arange(30.0).reshape(2, 3, 5)
    assert room.sum() == 435.0
    assert (room.base is None) == bool(in_memory)
