"""Which coarser copies a long array has, how large they are, and that they are found again."""

import numpy as np
import pytest

from rnnviz.core import multiscale as pyramid
from rnnviz.core.multiscale import (
    NO_PYRAMID,
    Level,
    create_pyramid,
    level_shape,
    levels_of,
    open_pyramids,
    values_in_levels,
)


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((1, 1, 1 << 14, 9, 256), [(16, 1)]),
        ((1, 1, (1 << 14) - 1, 9, 512), []),
        ((1, 1, (1 << 16) - 1, 9, 63), []),
        ((2, 1, 1 << 15, 9, 64), [(16, 1)]),
        ((1, 2, 1 << 15, 9, 64), [(16, 1)]),
        ((2, 2, 1 << 12, 3, 512), [(4, 4)]),
        ((2, 2, 1 << 12, 3, 511), []),
        ((2, 2, (1 << 12) - 1, 3, 1024), []),
        ((1, 2, 1 << 14, 1, 1024), [(4, 4), (16, 1)]),
        ((3, 1, 1 << 20, 1, 5), [(16, 1), (64, 1), (256, 1), (1024, 1)]),
        ((3, 1, 1 << 20, 1, 700), [(4, 4), (16, 1), (64, 1), (256, 1), (1024, 1)]),
    ],
    ids=str,
)
def test_only_an_array_of_4_million_values_a_sample_has_levels_each_at_least_1024_blocks_long(shape, levels):
    assert list(levels_of(shape)) == levels
    assert values_in_levels(shape) == sum(
        shape[0] * shape[1] * -(-shape[2] // times) * shape[3] * -(-shape[4] // units) for times, units in levels
    )


def test_the_last_blocks_of_a_level_may_be_cut_off():
    assert level_shape((3, 2, 33, 7, 9), Level(16, 4)) == (3, 2, 3, 7, 3)
    assert level_shape((3, 2, 32, 7, 8), Level(16, 4)) == (3, 2, 2, 7, 2)


def test_pyramid_levels_are_found_by_name_and_read_only(tmp_path, monkeypatch):
    monkeypatch.setattr(pyramid, "_FEWEST_VALUES", 1)
    monkeypatch.setattr(pyramid, "_FEWEST_BLOCKS", 2)
    monkeypatch.setattr(pyramid, "_WIDE", 4)
    shape = (2, 1, 70, 3, 5)
    drawn = np.random.default_rng(0)
    written = {name: create_pyramid(tmp_path, name, "float32", shape) for name in ("low", "difference-low")}
    for made in written.values():
        assert list(made) == [(4, 4), (16, 1)]
        for level, array in made.items():
            assert (array.shape, array.dtype) == (level_shape(shape, level), np.float32)
            array[:] = drawn.normal(size=array.shape)
    opened = open_pyramids(tmp_path)
    assert set(opened) == {"low", "difference-low"}
    for name, found in opened.items():
        assert found
        assert set(found) == {Level(4, 4), Level(16, 1)}
        for level, array in found.items():
            np.testing.assert_array_equal(array, written[name][level])
            assert not array.flags.writeable
    assert not NO_PYRAMID
