"""Mapped arrays, which may be larger than memory."""

import mmap
from pathlib import Path

import numpy as np
import psutil
import pytest

from rnnviz.model.arrays import open_mapped, release_pages


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
