"""Downsampling that keeps the extreme value and every mark of the cells of a pixel, and the pyramids of traces.

Arrays come time first, `(T, U)`, and leave as a picture holds them, `(units, times)`. The extreme is the number of
largest magnitude, of two equal ones the positive; an infinity is more extreme than a number, and NaN than an infinity.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.multiscale import Level, LevelArray, Pyramid, create_pyramid, levels_of
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import BlockDifference, BoolArray, ComparedBlock, signed_difference

IntArray: TypeAlias = NDArray[np.int64]

_GATHERED = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Pixel j shows the cells from `starts[j]` to the next start, the last up to `stop`; `starts` never falls."""

    starts: IntArray
    stop: int

    @property
    def first(self) -> int:
        return int(self.starts[0])

    @property
    def block(self) -> int:
        """The largest power of two of cells that lie in every pixel but the last, which the end may cut off."""
        widths = np.diff(self.starts)
        narrowest = int(widths.min()) if len(widths) else self.stop - self.first
        return 1 << max(0, narrowest.bit_length() - 1)

    @property
    def widest(self) -> int:
        """How many cells lie in the pixel that shows most of them, at least one."""
        widths = np.diff(self.starts)
        return max(1, self.stop - int(self.starts[-1]), int(widths.max()) if len(widths) else 1)

    def in_blocks(self, size: int) -> "Bins":
        """The same pixels in blocks of at most `block` cells; the later of two pixels shows a block that they share."""
        return Bins(self.starts // size, -(-self.stop // size))

    def after(self, origin: int) -> "Bins":
        """The same pixels on an array that begins at cell `origin`."""
        return Bins(self.starts - origin, self.stop - origin)


def every_cell(first: int, stop: int) -> Bins:
    return Bins(np.arange(first, stop, dtype=np.int64), stop)


def block_extremes(low: FloatArray, high: FloatArray, times: int, units: int) -> FloatArray:
    """(ceil(U / units), ceil(T / times)): the extreme of each block of numbers from `low` to `high` (T, U)."""
    single = low is high
    low = block_ends(np.minimum, low, times, units)
    high = low if single and times == units == 1 else block_ends(np.maximum, high, times, units)
    return low if low is high else _extreme(high, low)


def block_ends(ufunc: np.ufunc, values: NDArray[Any], times: int, units: int) -> NDArray[Any]:
    """(ceil(U / units), ceil(T / times)): each block of values or marks (T, U) reduced to one."""
    return reduce_blocks(ufunc, np.ascontiguousarray(reduce_blocks(ufunc, values, times).T), units)


def reduce_blocks(ufunc: np.ufunc, values: NDArray[Any], size: int) -> NDArray[Any]:
    """Each block of `size` rows reduced to one; the last may be cut off."""
    missing = -len(values) % size
    if missing:
        # A repeated value changes no extreme and no mark.
        values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    if values.ndim == 1:
        # By halves, as far as the size allows: a reduction of short rows takes twenty times as long.
        while size % 2 == 0:
            values, size = ufunc(values[::2], values[1::2]), size // 2
    return values if size == 1 else np.asarray(ufunc.reduce(values.reshape(-1, size, *values.shape[1:]), axis=1))


def bin_extremes(picture: FloatArray, times: Bins, units: Bins) -> FloatArray:
    """(pixels of units, pixels of times): the extreme of each pixel of a picture (units, times)."""
    for axis, bins in ((1, times), (0, units)):
        if bins.widest == 1:
            picture = np.take(picture, bins.starts, axis=axis)
        else:
            largest = _reduced(np.maximum, picture, bins, axis)
            picture = _extreme(largest, _reduced(np.minimum, picture, bins, axis))
    return picture


def bin_marks(picture: BoolArray, times: Bins, units: Bins) -> BoolArray:
    """(pixels of units, pixels of times): whether any mark lies on each pixel of a picture (units, times)."""
    for axis, bins in ((1, times), (0, units)):
        picture = _reduced(np.logical_or, picture, bins, axis)
    return picture


def _extreme(largest: FloatArray, smallest: FloatArray) -> FloatArray:
    # A NaN on either side fails the comparison, and both sides hold it.
    with np.errstate(invalid="ignore"):
        return np.where(largest >= -smallest, largest, smallest)


def _reduced(ufunc: np.ufunc, picture: NDArray[Any], bins: Bins, axis: int) -> NDArray[Any]:
    """Reduce the cells of each pixel. A few gathers are several times faster than one `reduceat`."""
    widest = bins.widest
    if widest > _GATHERED:
        cut = picture[:, : bins.stop] if axis else picture[: bins.stop]
        return np.asarray(ufunc.reduceat(cut, bins.starts, axis=axis))
    last = np.maximum(np.append(bins.starts[1:], bins.stop) - 1, bins.starts)
    result = np.take(picture, bins.starts, axis=axis)
    for step in range(1, widest):
        ufunc(result, np.take(picture, np.minimum(bins.starts + step, last), axis=axis), out=result)
    return np.asarray(result)


_BLOCK_VALUES = 1 << 16

Values: TypeAlias = NDArray[Any]

Kind: TypeAlias = tuple[np.ufunc, float, str]
"""How blocks are reduced, the value that changes nothing of it, and the type, "" for the array's own."""

# "h.low" and the others, of each block of each sample. NaN is in both ends of every block that holds one.
_VALUES: dict[str, Kind] = {"low": (np.minimum, np.inf, ""), "high": (np.maximum, -np.inf, "")}
_DIFFERENCES: dict[str, Kind] = {
    "difference-low": (np.minimum, np.inf, ""),
    "difference-high": (np.maximum, -np.inf, ""),
    "error_ratio": (np.maximum, 0.0, "float32"),
    "marks": (np.logical_or, False, "bool"),
}


class Pyramids:
    """The pyramids of an array while they are filled, with blocks of time steps in any order."""

    def __init__(self, folder: Path, name: str, array: FloatArray, kinds: Mapping[str, Kind]) -> None:
        levels = levels_of(array.shape)
        flat = [level for level in levels if level.units == 1]
        # The others are made from the next finer one.
        self._from_values, self._coarser = [*levels[: len(levels) - len(flat)], *flat[:1]], list(pairwise(flat))
        self._kinds: dict[str, tuple[np.ufunc, Pyramid]] = {}
        for kind, (ufunc, start, dtype) in kinds.items():
            pyramid = create_pyramid(folder, f"{name}.{kind}", dtype or array.dtype.name, array.shape)
            self._kinds[kind] = ufunc, pyramid
            for level in self._from_values:
                pyramid[level][...] = start

    def add(self, layer: int, direction: int, first: int, values: Mapping[str, Values]) -> None:
        """Reduce values (B, N, U) of the time steps from `first` on, by the kind of their pyramid."""
        for (ufunc, pyramid), block in ((self._kinds[kind], block) for kind, block in values.items()):
            for level in self._from_values:
                blocks = _level_blocks(ufunc, block, first % level.times, level)
                lane = pyramid[level][layer, direction]
                place = lane[first // level.times : first // level.times + len(blocks)]
                ufunc(place, _in_range(blocks, place.dtype), out=place)

    def finish(self) -> None:
        """Make the coarser levels from the finer ones."""
        for (ufunc, pyramid), (finer, level) in product(self._kinds.values(), self._coarser):
            target, source, share = pyramid[level], pyramid[finer], level.times // finer.times
            for layer, direction in np.ndindex(source.shape[:2]):
                for times in _slices(source.shape, share):
                    blocks = reduce_blocks(ufunc, source[layer, direction, times], share)
                    start = times.start // share
                    target[layer, direction, start : start + len(blocks)] = blocks


class ComparedPyramids:
    """All pyramids that a comparison of an array fills: the candidate's, and with the `first` one the reference's."""

    def __init__(self, reference: Trace, candidate: Trace, name: str = "h", *, first: bool) -> None:
        assert reference.folder is not None
        assert candidate.folder is not None
        self._candidate = Pyramids(candidate.folder, name, candidate.in_lanes(name), _VALUES | _DIFFERENCES)
        self._reference = Pyramids(reference.folder, name, reference.in_lanes(name), _VALUES) if first else None

    def add(self, block: ComparedBlock) -> None:
        """Reduce the values of both engines, and their difference."""
        (layer, direction, first), difference = block.start, block.difference
        at, r, c = (layer, direction, first), block.reference, block.candidate
        if self._reference is not None:
            self._reference.add(*at, dict.fromkeys(_VALUES, r))
        values: dict[str, Values] = dict.fromkeys(_VALUES, c)
        if difference is None:
            nothing = np.full(r.shape, np.nan, np.float32)
            values |= dict.fromkeys(("difference-low", "difference-high", "error_ratio"), nothing)
        else:
            values |= dict.fromkeys(("difference-low", "difference-high"), _signed(r, c, difference))
            if difference.error.any():
                # An error ratio is above 1 exactly where the error is above the tolerance.
                values |= {"error_ratio": difference.error_ratio, "marks": difference.error_ratio > 1.0}
        self._candidate.add(*at, values)

    def finish(self) -> None:
        if self._reference is not None:
            self._reference.finish()
        self._candidate.finish()


def needs_pyramid(trace: Trace, name: str = "h") -> bool:
    """Whether a trace is stored, and so long that pictures of the array need one."""
    return trace.folder is not None and bool(levels_of(trace.in_lanes(name).shape))


def build_values(folder: Path, name: str, array: FloatArray) -> None:
    """Read an array (L, D, T, N, U) once and leave the pyramids of its values in `folder`, if it is long."""
    if not levels_of(array.shape):
        return
    pyramids = Pyramids(folder, name, array, _VALUES)
    for layer, direction in np.ndindex(array.shape[:2]):
        for times in _slices(array.shape, 1):
            pyramids.add(layer, direction, times.start, dict.fromkeys(_VALUES, array[layer, direction, times]))
    pyramids.finish()


def _level_blocks(ufunc: np.ufunc, values: LevelArray, lead: int, level: Level) -> LevelArray:
    """(blocks of time, N, blocks of units): values (B, N, U) whose first row is row `lead` of its block."""
    if lead:
        # A repeated row changes no extreme and no mark.
        values = np.concatenate([np.repeat(values[:1], lead, axis=0), values])
    blocks = reduce_blocks(ufunc, values, level.times)
    if level.units == 1:
        return blocks
    units = blocks[..., :: level.units].copy()
    for step in range(1, level.units):
        part = blocks[..., step :: level.units]
        place = units[..., : part.shape[-1]]
        ufunc(place, part, out=place)
    return np.asarray(units)


def _signed(r: FloatArray, c: FloatArray, difference: BlockDifference) -> Values:
    """`signed_difference`, which the error of finite numbers is but for its sign."""
    if difference.finite is not None:
        return signed_difference(r, c)
    with np.errstate(over="ignore"):
        return np.asarray(np.copysign(difference.error, c - r))


def _in_range(values: LevelArray, dtype: np.dtype[Any]) -> LevelArray:
    """In `dtype`, where a number beyond its range becomes its largest one: it is not an infinity."""
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype)
    beyond = np.isinf(narrow) & np.isfinite(values)
    if beyond.any():
        narrow[beyond] = np.copysign(np.finfo(dtype).max, values[beyond])
    return np.asarray(narrow)


def _slices(shape: tuple[int, ...], multiple: int) -> Iterator[slice]:
    """All time steps of an array (L, D, T, N, U) in slices that fit the processor's cache, multiples of this many."""
    _, _, timesteps, samples, units = shape
    length = max(1, _BLOCK_VALUES // (samples * units * multiple)) * multiple
    for start in range(0, timesteps, length):
        yield slice(start, min(start + length, timesteps))
