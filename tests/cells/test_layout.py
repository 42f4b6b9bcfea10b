"""Memory orders of a layer: every product and every array equals the plain one."""

import numpy as np
import pytest

from rnnviz.cells.interpreters import layout
from rnnviz.cells.interpreters.layout import Layout, Order, aligned, aligned_array, choose_order
from tests.cases import cases

F32, F64 = np.dtype("float32"), np.dtype("float64")
both_orders = pytest.mark.parametrize("order", ["samples", "features"])


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def by_sample(value: np.ndarray, order: Order) -> np.ndarray:
    """(..., N, H) of a value that lies as (..., N, H) or (..., H, N)."""
    return value if order == "samples" else value.swapaxes(-1, -2)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 2 * 3 * 4 * 8 * 16, 1 << 22])
@pytest.mark.parametrize("samples", [1, 15, 16])
@both_orders
def test_input_parts_come_in_blocks_in_the_order_of_computation(order, samples, block_bytes, backward, monkeypatch):
    for name in ("_BLOCK_BYTES", "_TILED_BLOCK_BYTES"):
        monkeypatch.setattr(layout, name, block_bytes)
    gates, size, features, steps = 3, 4, 2, 7
    x, weight, bias = numbers(steps, samples, features), numbers(gates * size, features), numbers(gates * size)
    laid = Layout(samples, gates, gates, size, size, F64, order)
    length = laid.block_length(steps, features)
    assert length == min(steps, max(1, block_bytes // (samples * gates * size * 8)))
    found, starts = np.full((gates, steps, samples, size), np.nan), []
    for times, parts in laid.input_parts(x, laid.input_weight(weight), bias, backward=backward):
        starts.append(times.start)
        assert times.stop == min(times.start + length, steps)
        found[:, times] = by_sample(parts, order).swapaxes(0, 1)
    expected = np.einsum("tni,gki->gtnk", x, weight.reshape(gates, size, features))
    expected += bias.reshape(gates, 1, 1, size)
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-13)
    assert starts == sorted(range(0, steps, length), reverse=backward)


@pytest.mark.parametrize("small", [False, True])
def test_input_parts_in_tiles_are_the_whole_product(small, monkeypatch):
    """Small products have 32 columns, and two time steps at once; a large one has all."""
    monkeypatch.setattr(layout, "has_small_products", lambda: small)
    monkeypatch.setattr(layout, "aligned", lambda shape, dtype: np.full(shape, np.nan, dtype))
    x, weight, bias = numbers(5, 30, 400), numbers(256, 400), numbers(256)
    laid = Layout(30, 2, 2, 64, 128, F64, "samples")
    w = laid.input_weight(weight)
    assert w.shape == ((2, 4, 400, 32) if small else (2, 1, 400, 128))
    ((_, parts),) = laid.input_parts(x, w, bias, backward=False)
    expected = (x @ weight.T + bias).reshape(5, 30, 2, 128).swapaxes(1, 2)
    np.testing.assert_allclose(parts, expected, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("samples", "products", "inputs", "size"), [
    (1, 3, 5, 4), (2, 3, 5, 4), (12, 2, 300, 301), (13, 2, 300, 301), (3, 1, 700, 701), (12, 4, 3000, 20), (4, 0, 5, 6),
    (20, 2, 800, 64),
])  # fmt: skip
@both_orders
def test_the_recurrent_product_fills_its_slots(order, samples, products, inputs, size, small, monkeypatch):
    monkeypatch.setattr(layout, "has_small_products", lambda: small)
    gates = products + 1
    h, weight = numbers(samples, inputs), numbers(products * size, inputs)
    laid = Layout(samples, gates, products, inputs, size, F64, order)
    slots, product = laid.product_slots()
    assert slots.shape == (gates, *laid.value_shape(size))
    slots[:] = 7.0
    if products:
        w, value = laid.recurrent_weight(weight), laid.from_rows(h)
        assert laid.stacked == (product.ndim > 2)
        np.matmul(*((value, w) if order == "samples" else (w, value)), out=product)
    expected = np.einsum("ni,gki->gnk", h, weight.reshape(products, size, inputs))
    np.testing.assert_allclose(by_sample(slots[:products], order), expected, rtol=0.0, atol=1e-11)
    if not laid.stacked or order == "samples":
        assert (slots[products:] == 7.0).all()


@pytest.mark.parametrize(("samples", "inputs", "pieces"), [(12, 600, 5), (13, 600, 1), (12, 2605, 1), (12, 2604, 19)])
def test_a_large_product_of_few_samples_is_taken_in_pieces(samples, inputs, pieces, monkeypatch):
    """Each piece has at most a million multiplications, and at least 32 rows."""
    monkeypatch.setattr(layout, "has_small_products", lambda: True)
    laid = Layout(samples, 1, 1, inputs, 600, F32, "features")
    _, product = laid.product_slots()
    assert (product.shape[0] if laid.stacked else 1) == pieces
    monkeypatch.setattr(layout, "has_small_products", lambda: False)
    assert not Layout(samples, 1, 1, inputs, 600, F32, "features").stacked


def test_small_products_need_no_pieces(monkeypatch):
    monkeypatch.setattr(layout, "has_small_products", lambda: True)
    # 100 · 10,000 multiplications are allowed, so that 100 rows fit and 101 do not.
    assert not Layout(10, 1, 1, 1000, 100, F32, "features").stacked
    assert Layout(10, 1, 1, 1000, 101, F32, "features").stacked


@pytest.mark.parametrize("size", [1, 1023, 1024, 4099])
def test_large_arrays_begin_at_a_line_of_the_cache(size):
    for _ in range(3):
        room = aligned((size,), F32)
        assert (room.shape, room.dtype) == ((size,), F32)
        assert size < 1024 or room.ctypes.data % 64 == 0
    array = numbers(2, size).astype(F32).T
    copy = aligned_array(array)
    assert copy.flags.c_contiguous
    np.testing.assert_array_equal(copy, array)
    assert array.nbytes < 4096 or copy.ctypes.data % 64 == 0


def test_a_small_array_in_order_is_not_copied():
    assert np.shares_memory(aligned_array(array := numbers(4, 4)), array)
    assert not np.shares_memory(aligned_array(array := numbers(64, 64)), array)


@pytest.mark.parametrize(
    ("small", "samples", "gates", "inputs", "size", "dtype", "order"), cases(__file__)["orders-by-sizes"]
)
def test_the_order_is_chosen_by_the_sizes(small, samples, gates, inputs, size, dtype, order, monkeypatch):
    monkeypatch.setattr(layout, "has_small_products", lambda: small)
    assert choose_order(samples, gates, inputs, size, np.dtype(dtype)) == order
    assert Layout(samples, gates, gates, inputs, size, np.dtype(dtype)).order == order
