"""Jacobians of the steps equal central finite differences of the cell's lines in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.jacobians import StepJacobians, largest_singular_values
from rnnviz.cells.lstm import LSTM
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer

STEP = 1e-6


def by_differences(layer: DrawnLayer, symbols: tuple[str, ...]) -> np.ndarray:
    """(N, S, S): the Jacobian of the states with these symbols, of each sample."""
    sizes = [layer.state[symbol].shape[1] for symbol in symbols]
    found = np.empty((layer.batch_size, sum(sizes), sum(sizes)))
    for column in range(sum(sizes)):
        place = int(np.searchsorted(np.cumsum(sizes), column, side="right"))
        symbol, unit = symbols[place], column - sum(sizes[:place])
        ends = []
        for sign in (1.0, -1.0):
            state = {name: array.copy() for name, array in layer.state.items()}
            state[symbol][:, unit] += sign * STEP
            values = step_values(layer.cell, layer.parameters, layer.x[0], state)
            ends.append(np.concatenate([values[name] for name in symbols], axis=1))
        found[:, :, column] = (ends[0] - ends[1]) / (2.0 * STEP)
    return found


def jacobians_of(layer: DrawnLayer) -> StepJacobians:
    return StepJacobians(layer.cell, layer.parameters, layer.x[0], layer.state)


@pytest.mark.parametrize("cell", ALL_CELLS.values(), ids=ALL_CELLS)
def test_every_cell(cell):
    layer = draw_layer(cell)
    of = jacobians_of(layer)
    for symbols in (cell.state_symbols, cell.state_symbols[:1]):
        expected = by_differences(layer, symbols)
        np.testing.assert_allclose(of.matrices(symbols), expected, atol=1e-8)
        norms = np.linalg.norm(expected, 2, axis=(1, 2))
        np.testing.assert_allclose(of.spectral_norms(symbols), norms, rtol=1e-6)


@given(st.sampled_from(sorted(ALL_CELLS)), st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_products_in_both_directions_have_the_same_matrix(name, seed, step):
    layer = draw_layer(ALL_CELLS[name], seed)
    of, generator = jacobians_of(layer), np.random.default_rng(seed)
    change, owed = (
        {symbol: generator.normal(size=array.shape) for symbol, array in layer.state.items()} for _ in range(2)
    )
    forward, backward = of.times(change), of.transposed(owed)
    left, right = (
        sum((one[symbol] * other[symbol]).sum(axis=1) for symbol in change)
        for one, other in ((owed, forward), (backward, change))
    )
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)
    at = slice(step, step + 1)
    for symbol, array in of.transposed({symbol: array[at] for symbol, array in owed.items()}, at).items():
        np.testing.assert_allclose(array, backward[symbol][at], rtol=1e-12, atol=1e-14)


def test_a_large_jacobian_has_its_spectral_norm_within_a_thousandth():
    layer = draw_layer(LSTM, batch_size=5, hidden_size=80, scale=0.1)
    of = jacobians_of(layer)
    for symbols in (("h", "c"), ("h",)):
        exact = largest_singular_values(of.matrices(symbols))
        np.testing.assert_allclose(of.spectral_norms(symbols), exact, rtol=1e-3)


def test_values_that_are_not_finite_give_nan():
    layer = draw_layer(LSTM)
    layer.state["c"][1] = np.inf
    assert np.isnan(jacobians_of(layer).spectral_norms(("h", "c"))).tolist() == [False, True, False]
