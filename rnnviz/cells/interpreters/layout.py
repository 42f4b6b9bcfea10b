"""How the values of a time step lie in memory, and the matrix products that this allows.

A value of N samples and H units is one of two arrays, and the slots of G gates are G of them, one after the other:

    "samples"     (N, H): W_h2h h is h times W^T of each gate, (G, H, H), a product for each tile of some columns;
    "features"    (H, N), feature-major: W_h2h h is W (G·H, H), as it is, times h, in pieces of some rows.

BLAS copies a large matrix into its own order before it multiplies with it, which costs more than the product
itself where there are few samples. OpenBLAS does without in products of up to a million multiplications on processors
with AVX-512 (`sgemm_small_kernel_permit`): there both orders keep theirs below that where they can, and "features" is
for the products whose tiles would be too narrow. On other processors W h, which copies h instead of W, is the faster
one wherever there are few samples. Which of the two it is, is measured once. All else depends on sizes alone, so that
on one machine the same network gives the same bits each time.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from math import prod
from time import perf_counter
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnviz.cells.activations import FloatArray

Order: TypeAlias = Literal["samples", "features"]

SMALL_PRODUCT = 1_000_000
"""The largest number of multiplications for which OpenBLAS takes a product without copying its operands."""

_SHORT_ROW, _LONG_ROW = 64, 128
"""Below this number of units a call costs more than its arithmetic, and no order makes a product much faster."""

_FEW_SAMPLES, _SHORTEST_PIECE = 12, 32
_NARROWEST_TILE, _VECTOR = 32, 16
_INPUT_ROWS = 64
_TURNED_SAMPLES = 16
_BLOCK_BYTES, _TILED_BLOCK_BYTES = 4 << 20, 1 << 19
"""The size of the input parts that are computed together: small products are as fast in a nearer cache."""

_ALIGNMENT, _ALIGNED_BYTES = 64, 4096
_MEASUREMENTS, _FASTER = 10, 2.0


def choose_order(batch_size: int, gates: int, inputs: int, hidden_size: int, dtype: np.dtype[Any]) -> Order:
    """The memory order of a layer whose recurrent product has the weight (G·H, `inputs`)."""
    if batch_size == 1 or gates == 0 or hidden_size < _SHORT_ROW:
        return "samples"
    single = dtype.itemsize == 4
    if has_small_products():
        # With more samples W h gains less than turning h round costs, soonest where a gate is all there is.
        most = 32 if not single else 48 if gates == 1 else 128
        large = hidden_size >= _LONG_ROW and not tile_columns(batch_size, inputs, hidden_size)
        return "features" if large and batch_size < most else "samples"
    most = hidden_size // 16 if gates == 1 else 64
    return "features" if batch_size <= (most if single else most // 2) else "samples"


def tile_columns(rows: int, inputs: int, hidden_size: int) -> int:
    """The number of columns in a tile of W^T (`inputs`, H) whose product with `rows` rows is small; 0 if too few."""
    most = SMALL_PRODUCT // (rows * inputs)
    if hidden_size <= most:
        return hidden_size
    return next((n for n in range(most & -_VECTOR, _NARROWEST_TILE - 1, -_VECTOR) if hidden_size % n == 0), 0)


@cache
def has_small_products() -> bool:
    """Whether BLAS takes small products without copying their operands: a measurement of some milliseconds.

    Where it does, one a little below `SMALL_PRODUCT` takes a fifth of the time of one above; else as long.
    """
    h = np.ones((2, 256), np.float32)
    rows = [int(SMALL_PRODUCT / 512 * factor) for factor in (0.98, 1.12)]
    pairs = [(np.ones((256, n), np.float32), np.empty((2, n), np.float32)) for n in rows]
    seconds = [float("inf"), float("inf")]
    for _ in range(_MEASUREMENTS):
        for k, (weight, out) in enumerate(pairs):
            start = perf_counter()
            np.dot(h, weight, out=out)
            seconds[k] = min(seconds[k], perf_counter() - start)
    return seconds[1] > _FASTER * seconds[0]


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Room for an array, at a line of the cache unless it is small: vector instructions are fastest there."""
    size = prod(shape) * dtype.itemsize
    if size < _ALIGNED_BYTES:
        return np.empty(shape, dtype)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -int(memory.ctypes.data) % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned_array(array: FloatArray) -> FloatArray:
    """The same numbers in C order, in aligned memory; not a copy of a small array that has that order."""
    if array.nbytes < _ALIGNED_BYTES:
        return np.ascontiguousarray(array)
    copy = aligned(array.shape, array.dtype)
    np.copyto(copy, array)
    return copy


def _by_tile(slots: FloatArray, columns: int) -> FloatArray:
    """A view of slots (G, M, H) by tile of columns: (G, H / columns, M, columns)."""
    gates, rows, size = slots.shape
    return slots.reshape(gates, rows, size // columns, columns).swapaxes(1, 2)


class Layout:
    """The arrays of one layer's time steps in one memory order, which the sizes decide unless it is given."""

    def __init__(
        self,
        batch_size: int,
        gates: int,
        products: int,
        inputs: int,
        hidden_size: int,
        dtype: np.dtype[Any],
        order: Order | None = None,
    ) -> None:
        """Choose the order of a layer with `gates` slots, the first `products` of them products of h (N, `inputs`)."""
        self.order: Order = order or choose_order(batch_size, products, inputs, hidden_size, dtype)
        self._samples, self._gates, self._products = batch_size, gates, products
        self._size, self._dtype = hidden_size, dtype
        self.rows_are_samples = self.order == "samples"
        # The slots of a single sample are one row.
        self._pieces = 1 if batch_size == 1 else products if self.rows_are_samples else self._row_pieces(inputs)
        self._piece_rows = -(-products * hidden_size // max(1, self._pieces))
        may_be_small = self.rows_are_samples and batch_size > 1 and has_small_products()
        columns = tile_columns(batch_size, inputs, hidden_size) if may_be_small else 0
        self._small, self._columns = columns > 0, columns or hidden_size

    @property
    def stacked(self) -> bool:
        """Whether the recurrent product is a stack of products, not one."""
        return self._pieces > 1 or self._columns < self._size

    def _row_pieces(self, inputs: int) -> int:
        """In how many pieces W (R·H, `inputs`) is multiplied with h (`inputs`, N)."""
        rows, most = self._products * self._size, SMALL_PRODUCT // (self._samples * inputs)
        worth = self._samples <= _FEW_SAMPLES and _SHORTEST_PIECE <= most < rows
        # Pieces are too small to be shared out among threads, so that they must gain something else.
        return -(-rows // most) if worth and has_small_products() else 1

    def value_shape(self, size: int) -> tuple[int, int]:
        """(N, H) or (H, N)."""
        return (self._samples, size) if self.rows_are_samples else (size, self._samples)

    def values(self, count: int, size: int) -> FloatArray:
        """Room for some values: (count, N, H) or (count, H, N)."""
        return aligned((count, *self.value_shape(size)), self._dtype)

    def from_rows(self, array: FloatArray) -> FloatArray:
        """A value from (N, H), as it lies here; not a copy where that is not needed."""
        return array if self.rows_are_samples else np.ascontiguousarray(array.T)

    def slots(self) -> FloatArray:
        """Room for the slots of all gates: (G, N, H) or (G, H, N)."""
        return self.values(self._gates, self._size)

    def product_slots(self) -> tuple[FloatArray, FloatArray]:
        """Room for the slots of all gates, and the matrix or stack in it that the recurrent product fills."""
        n, size, pieces, rows = self._samples, self._size, self._pieces, self._piece_rows
        if self.rows_are_samples:
            slots = self.slots()
            if n == 1:
                return slots, slots.reshape(1, -1)[:, :rows]
            return slots, _by_tile(slots[:pieces], self._columns) if self.stacked else slots[0]
        memory = aligned((max(self._gates * size, pieces * rows), n), self._dtype)
        product = memory[: pieces * rows]
        return (
            memory[: self._gates * size].reshape(self._gates, size, n),
            product.reshape(pieces, rows, n) if pieces > 1 else product,
        )

    @property
    def recurrent_key(self) -> Hashable:
        """Identifies weights that `recurrent_weight` and `matrix` arrange in one way."""
        return self.order, self._pieces, self._columns

    def input_key(self, features: int) -> Hashable:
        """Identifies weights that `input_weight` arranges in one way."""
        return self.order, self._input_columns(features) if self.rows_are_samples else self._samples < _TURNED_SAMPLES

    def recurrent_weight(self, weight: FloatArray) -> FloatArray:
        """W (R·H, K), as its product with h needs it."""
        pieces, rows, inputs = self._pieces, self._piece_rows, weight.shape[1]
        if self.rows_are_samples:
            return self._tiled(weight, self._columns) if self.stacked else aligned_array(weight.T)
        if pieces * rows > len(weight):
            weight = np.pad(weight, ((0, pieces * rows - len(weight)), (0, 0)))
        return aligned_array(weight.reshape(pieces, rows, inputs) if self.stacked else weight)

    def matrix(self, weight: FloatArray) -> FloatArray:
        """W (M, K), as its product with one value needs it."""
        return aligned_array(weight.T if self.rows_are_samples else weight)

    def input_weight(self, weight: FloatArray) -> FloatArray:
        """W (G·H, I), in the order of the slots, as `input_parts` needs it."""
        if self.rows_are_samples:
            return self._tiled(weight, self._input_columns(weight.shape[1]) or self._size)
        return aligned_array(weight.T if self._samples < _TURNED_SAMPLES else weight)

    def _input_columns(self, features: int) -> int:
        """The number of columns in a tile of the input weight; 0 if one product for all time steps is faster."""
        if not self._small or self._size < _LONG_ROW:
            return 0
        return tile_columns(max(_INPUT_ROWS, self._samples), features, self._size)

    def _tiled(self, weight: FloatArray, columns: int) -> FloatArray:
        """W (G·H, K) as W^T by gate and tile: (G, H / columns, K, columns)."""
        return aligned_array(weight.reshape(-1, self._size // columns, columns, weight.shape[1]).swapaxes(2, 3))

    def spread(self, vectors: Sequence[FloatArray], scale: FloatArray) -> FloatArray:
        """Some vectors (H,), scaled and repeated for every sample, so that nothing is repeated in a step."""
        spread = self.values(len(vectors), len(vectors[0]))
        for vector, out in zip(vectors, spread, strict=True):
            np.multiply(vector if self.rows_are_samples else vector[:, np.newaxis], scale, out=out)
        return spread

    def block_length(self, timesteps: int, features: int) -> int:
        """How many time steps have their input parts computed together: they stay in the processor's cache."""
        row = self._gates * self._size * self._dtype.itemsize
        # Any other product copies its weight in each block.
        short = self._input_columns(features) > 0
        return min(timesteps, max(1, (_TILED_BLOCK_BYTES if short else _BLOCK_BYTES) // (self._samples * row)))

    def input_parts(
        self, x: FloatArray, weight: FloatArray, bias: FloatArray, *, backward: bool
    ) -> Iterator[tuple[slice, FloatArray]]:
        """W x_t + bias for many time steps at once, in blocks of time B in the order of computation.

        x is (T, N, I), `weight` the result of `input_weight`, `bias` (G·H,) in the order of the slots. Yields the times
        of a block and its parts by slot, (B, G, N, H) or (B, G, H, N), in memory that is used again for the next block.
        """
        timesteps, _, features = x.shape
        length = self.block_length(timesteps, features)
        if self.rows_are_samples:
            by_tile = self._input_columns(features) > 0
            compute = (self._tile_by_tile if by_tile else self._by_slot)(length, weight, bias)
        elif self._samples < _TURNED_SAMPLES:
            compute = self._turned(length, weight, bias)
        else:
            compute = self._by_feature(length, weight, bias)
        starts = range(0, timesteps, length)
        for start in reversed(starts) if backward else starts:
            times = slice(start, min(start + length, timesteps))
            yield times, compute(x[times].reshape(-1, features))

    def _by_slot(self, length: int, weight: FloatArray, bias: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """A product for each gate."""
        gates, size, n = self._gates, self._size, self._samples
        stack, biases = weight[:, 0], bias.reshape(gates, 1, size)
        parts = aligned((gates, length * n, size), self._dtype)

        def compute(x: FloatArray) -> FloatArray:
            out = parts[:, : len(x)]
            np.matmul(x, stack, out=out)
            np.add(out, biases, out=out)
            return out.reshape(gates, -1, n, size).swapaxes(0, 1)

        return compute

    def _tile_by_tile(self, length: int, weight: FloatArray, bias: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """A product for each tile of a gate, with as many time steps at once as keep it small."""
        gates, size, n = self._gates, self._size, self._samples
        _, _, features, columns = weight.shape
        count = min(length, SMALL_PRODUCT // (features * columns * n))
        product = aligned((gates, count * n, size), self._dtype)
        parts = aligned((length, gates, n * size), self._dtype)
        biases = np.repeat(bias.reshape(gates, 1, size), n, axis=1).reshape(gates, -1)

        def compute(x: FloatArray) -> FloatArray:
            steps = len(x) // n
            for start in range(0, steps, count):
                stop = min(start + count, steps)
                out = product[:, : (stop - start) * n]
                np.matmul(x[start * n : stop * n], weight, out=_by_tile(out, columns))
                np.add(out.reshape(gates, -1, n * size).swapaxes(0, 1), biases, out=parts[start:stop])
            return parts[:steps].reshape(steps, gates, n, size)

        return compute

    def _turned(self, length: int, weight: FloatArray, bias: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """One product, whose rows are turned round in each time step: calls on short rows would cost more."""
        gates, size, n = self._gates, self._size, self._samples
        product, column = aligned((length * n, gates * size), self._dtype), bias[:, np.newaxis]
        parts = aligned((length, gates * size, n), self._dtype)

        def compute(x: FloatArray) -> FloatArray:
            out, steps = product[: len(x)], len(x) // n
            np.matmul(x, weight, out=out)
            np.add(out.reshape(steps, n, -1).swapaxes(1, 2), column, out=parts[:steps])
            return parts[:steps].reshape(steps, gates, size, n)

        return compute

    def _by_feature(self, length: int, weight: FloatArray, bias: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """One product W x for all time steps, of which each takes some columns."""
        gates, size, n = self._gates, self._size, self._samples
        memory = aligned((length * n * gates * size,), self._dtype)
        column = bias[:, np.newaxis]

        def compute(x: FloatArray) -> FloatArray:
            out = memory[: len(x) * gates * size].reshape(gates * size, len(x))
            np.matmul(weight, x.T, out=out)
            np.add(out, column, out=out)
            return out.reshape(gates, size, -1, n).transpose(2, 0, 1, 3)

        return compute
