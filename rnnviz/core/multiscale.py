"""Min/max pyramids of long arrays (L, D, T, N, U), a memory-mapped `.npy` file for each level.

In a level, blocks of time steps and units are reduced to one number. A short array has none: it is read quickly enough.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import create_mapped, open_mapped

_FEWEST_VALUES = 1 << 22
"""Fewest values of one sample that get levels: fewer are reduced in a few milliseconds."""
_FEWEST_BLOCKS = 1024
"""Minimum number of time blocks of a level, about the width of a picture in pixels."""
_WIDE = 2048
"""With this many units in all lanes, a picture shows several of them on a pixel."""
_FINEST, _STEP, _SQUARE = 16, 4, 4

LevelArray: TypeAlias = NDArray[Any]


class Level(NamedTuple):
    """Number of time steps and of units in a block, powers of two."""

    times: int
    units: int


def levels_of(shape: tuple[int, ...]) -> tuple[Level, ...]:
    """The levels of an array (L, D, T, N, U), from the finest on."""
    layers, directions, timesteps, _, units = shape
    if layers * directions * timesteps * units < _FEWEST_VALUES:
        return ()
    levels = []
    if layers * directions * units >= _WIDE and timesteps // _SQUARE >= _FEWEST_BLOCKS:
        levels.append(Level(_SQUARE, _SQUARE))
    times = _FINEST
    while timesteps // times >= _FEWEST_BLOCKS:
        levels.append(Level(times, 1))
        times *= _STEP
    return tuple(levels)


def level_shape(shape: tuple[int, ...], level: Level) -> tuple[int, ...]:
    """Shape of a level. `shape` is (L, D, T, N, U)."""
    layers, directions, timesteps, samples, units = shape
    return layers, directions, -(-timesteps // level.times), samples, -(-units // level.units)


def values_in_levels(shape: tuple[int, ...]) -> int:
    """Number of values in all levels of an array."""
    return sum(prod(level_shape(shape, level)) for level in levels_of(shape))


Pyramid: TypeAlias = Mapping[Level, LevelArray]
"""The levels of one array, reduced in one way."""

NO_PYRAMID: Pyramid = {}


def create_pyramid(folder: Path, name: str, dtype: str, shape: tuple[int, ...]) -> Pyramid:
    """The writable levels of an array (L, D, T, N, U) in new files. Raises OSError if the disk is full."""
    paths = {level: folder / f"{name}.level-{level.times}x{level.units}.npy" for level in levels_of(shape)}
    return {level: create_mapped(path, dtype, level_shape(shape, level)) for level, path in paths.items()}


def open_pyramids(folder: Path) -> dict[str, Pyramid]:
    """The pyramids in a folder by name, mapped and read-only; OSError or ValueError if a file is none of ours."""
    found: dict[str, dict[Level, LevelArray]] = {}
    for path in sorted(folder.glob("*.level-*x*.npy")):
        name, _, size = path.name.removesuffix(".npy").rpartition(".level-")
        times, _, units = size.partition("x")
        found.setdefault(name, {})[Level(int(times), int(units))] = open_mapped(path)
    return dict(found)
