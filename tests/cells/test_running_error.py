"""Each rule's bound holds the error of a float32 computation, as float64 sees it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnviz.cells.activations import (
    FloatArray,
    affine,
    clip,
    elu,
    gelu,
    hard_sigmoid,
    hard_tanh,
    keras_hard_sigmoid,
    leaky_relu,
    relu,
    selu,
    sigmoid,
    softplus,
    swish,
    tanh,
)
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, pre_activation

EPS = float(np.finfo(np.float32).eps)
LARGEST = float(np.finfo(np.float32).max)

VALUES = st.floats(-1e4, 1e4, width=32)
GATES = st.floats(0.0, 1.0, width=32)
BOUNDS = st.one_of(st.just(0.0), st.floats(1e-9, 0.5))
SHIFTS = st.floats(-1.0, 1.0)


def known(value: float, bound: float) -> BoundedArray:
    return BoundedArray(np.array([value]), np.array([bound]), EPS)


@st.composite
def operands(draw: st.DrawFn, values: st.SearchStrategy[float] = VALUES) -> tuple[BoundedArray, np.float32]:
    """A number with a bound, and what a float32 computation may have in its place: at most the bound away."""
    value, bound = draw(values), draw(BOUNDS)
    met = np.float32(value + draw(SHIFTS) * bound)
    # float32 may not be able to hold a number within so small a bound.
    return known(value, max(bound, abs(float(met) - value))), met


def assert_holds(running: BoundedArray, met: np.floating, slack: float = 1.0) -> None:
    assert np.all(np.abs(np.float64(met) - running.value) <= slack * running.bound), (met, running)


@given(operands(), operands())
def test_a_sum_is_within_its_bound(p, q):
    assert_holds(p[0] + q[0], p[1] + q[1], 1.0 + 2 * EPS)


@given(p=st.floats(-2, 2), q=st.floats(0, 1), bounds=st.tuples(BOUNDS, BOUNDS), shifts=st.tuples(SHIFTS, SHIFTS))
def test_eight_bounds_of_a_product_cover_eight_bounds_of_its_factors(p, q, bounds, shifts):
    moved = (p + shifts[0] * ALLOWED * bounds[0]) * (q + shifts[1] * ALLOWED * bounds[1])
    assert_holds(known(p, bounds[0]) * known(q, bounds[1]), np.float64(moved), ALLOWED * (1 + 1e-12))


@given(operands(), operands(GATES))
@example(p=(known(0.5, 0.0), np.float32(0.5)), q=(known(1e-45, 0.0), np.float32(1e-45)))
def test_a_product_is_within_its_bound(p, q):
    # The rounding of what the bounds themselves admit is of second order.
    assert_holds(p[0] * q[0], p[1] * q[1], 1.0 + 2 * EPS)


@given(operands())
def test_relu_is_within_its_bound(p):
    assert_holds(relu(p[0]), np.maximum(p[1], np.float32(0)))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=15))
def test_a_short_sum_of_terms_is_within_eight_bounds_in_the_worst_order(pairs):
    terms = [np.float32(w) * np.float32(x) for w, x in pairs]
    total = np.float32(0)
    for term in terms:
        total = total + term
    true = float(sum(w * x for w, x in pairs))
    size = float(sum(abs(w * x) for w, x in pairs))
    evaluated = pre_activation(np.array([true]), np.array([size]), len(terms), LARGEST, EPS)
    assert_holds(evaluated, total, ALLOWED * (1 + 1e-6))


def worst_ratio(w: FloatArray, x: FloatArray, computed: FloatArray) -> float:
    """|computed - w x| / bound, where it is largest; w (M, K), x (K, N) and computed (M, N) are float32."""
    true, terms = w.astype(np.float64) @ x, np.abs(w).astype(np.float64) @ np.abs(x)
    return float((np.abs(computed - true) / pre_activation(true, terms, len(x), LARGEST, EPS).bound).max())


def one_by_one(w: FloatArray, x: FloatArray) -> FloatArray:
    """w x as a plain loop adds it up."""
    return np.cumsum(w[:, :, np.newaxis] * x[np.newaxis], axis=1, dtype=np.float32)[:, -1]


@pytest.mark.parametrize("size", [2, 64, 512, 2048])
@pytest.mark.parametrize("signs", ["both", "one"])
def test_long_sums_stay_far_below_eight_bounds_in_a_plain_loop_too(size, signs):
    generator = np.random.default_rng(size)
    w, x = generator.normal(size=(60, size)).astype(np.float32), generator.normal(size=(size, 20)).astype(np.float32)
    if signs == "one":
        w, x = np.abs(w), np.abs(x)
    assert worst_ratio(w, x, w @ x) < 2.5
    assert worst_ratio(w, x, one_by_one(w, x)) < 2.5


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 0.77])
@pytest.mark.parametrize("size", [100, 1024, 10_000, 100_000, 1_000_000])
def test_equal_terms_which_all_round_alike_stay_below_eight_bounds(value, size):
    w, x = np.full((1, size), value, np.float32), np.full((size, 1), 0.9, np.float32)
    assert worst_ratio(w, x, one_by_one(w, x)) < ALLOWED


def test_up_to_some_thousand_terms_the_bound_grows_with_the_root_of_their_count():
    ones = np.ones(1)
    for count in (1, 100, 2048, 4096):
        bound = pre_activation(ones, ones, count, LARGEST, EPS).bound[0]
        assert bound == pytest.approx(EPS * (2.0 + np.sqrt(count)), rel=1e-15)
    assert pre_activation(ones, ones, 49_024, LARGEST, EPS).bound[0] == pytest.approx(EPS * 1002.0, rel=1e-15)


@given(st.floats(-5, 5), st.floats(1e-9, 0.5), st.floats(-5, 5), st.floats(0, 4))
def test_narrowing_intersects_intervals_or_leaves_the_number_unchanged(value, bound, middle, reach):
    before, low, high = known(value, bound), np.array([middle - reach]), np.array([middle + reach])
    after = before.narrowed(low, high)
    ends = value - ALLOWED * bound, value + ALLOWED * bound
    if max(ends[0], low[0]) > min(ends[1], high[0]):
        assert (after.value[0], after.bound[0]) == (value, bound)
        return
    assert after.value[0] - ALLOWED * after.bound[0] == pytest.approx(max(ends[0], low[0]), abs=1e-9)
    assert after.value[0] + ALLOWED * after.bound[0] == pytest.approx(min(ends[1], high[0]), abs=1e-9)


def test_narrowing_ignores_infinite_limits_and_leaves_a_certain_nan():
    nowhere, limits = (np.array([-np.inf]), np.array([np.inf])), (np.array([1.0]), np.array([3.0]))
    with np.errstate(invalid="ignore"):
        for number in (known(2.0, 0.5), known(np.nan, 0.5), known(2.0, np.inf)):
            np.testing.assert_array_equal(number.narrowed(*nowhere).value, number.value)
            np.testing.assert_array_equal(number.narrowed(*nowhere).bound, number.bound)
        assert np.isnan(known(np.nan, 0.5).narrowed(*limits).value)
        for unknown in (known(9.0, np.inf), known(np.nan, np.inf)):
            assert (unknown.narrowed(*limits).value[0], unknown.narrowed(*limits).bound[0]) == (2.0, 0.125)


def assert_unknown(running: BoundedArray) -> None:
    assert np.isinf(running.bound).all()


def assert_certain(running: BoundedArray, value: float) -> None:
    np.testing.assert_array_equal(running.value, [value])
    assert np.isfinite(running.bound).all()


def test_nothing_is_known_of_terms_that_leave_the_precision():
    for sum_, terms in ((0.0, LARGEST / 2), (1e39, 1e39), (-np.inf, np.inf), (np.nan, np.inf)):
        overflowing = pre_activation(np.array([sum_]), np.array([terms]), 2, LARGEST, EPS)
        with np.errstate(invalid="ignore"):
            for result in (
                overflowing,
                tanh(overflowing),
                sigmoid(overflowing),
                relu(overflowing),
                overflowing + known(1.0, 0.0),
                tanh(overflowing) * known(0.0, 0.0),
                known(0.5, EPS) * sigmoid(overflowing),
                1 - sigmoid(overflowing),
            ):
                assert_unknown(result)


def test_an_infinity_among_finite_terms_is_certain_and_so_are_its_results():
    with np.errstate(invalid="ignore"):
        infinite = pre_activation(np.array([np.inf]), np.array([1.0]), 2, LARGEST, EPS)
        negative = pre_activation(np.array([-np.inf]), np.array([1.0]), 2, LARGEST, EPS)
        assert_certain(infinite, np.inf)
        assert_certain(tanh(infinite), 1.0)
        assert_certain(sigmoid(negative), 0.0)
        assert_certain(relu(negative), 0.0)
        assert_certain(relu(infinite), np.inf)
        assert_certain(infinite + known(1.0, EPS), np.inf)
        assert_certain(infinite + negative, np.nan)
        assert_certain(known(0.5, EPS) * infinite, np.inf)
        assert_certain(known(0.0, 0.0) * infinite, np.nan)
        # A gate that may be zero or near it: the product is NaN or infinity.
        assert_unknown(known(0.0, EPS) * infinite)
        assert_unknown(infinite * known(4 * EPS, EPS))


def test_a_nan_is_certain_after_any_operation():
    nan = pre_activation(np.array([np.nan]), np.array([1.0]), 2, LARGEST, EPS)
    with np.errstate(invalid="ignore"):
        for result in (nan, tanh(nan), sigmoid(nan), relu(nan), nan + known(1.0, EPS), nan * known(0.0, EPS)):
            assert_certain(result, np.nan)


def as_arrays(*values: float) -> FloatArray:
    return np.array(values)


def test_reshaping_keeps_a_pre_activation_one():
    part = pre_activation(as_arrays(1.0, -2.0), as_arrays(3.0, 4.0), 5, LARGEST, EPS)
    total = part.reshaped(2, 1) + part.reshaped(2, 1)
    np.testing.assert_array_equal(total.bound, 2.0 * part.bound.reshape(2, 1))
    assert not known(1.0, EPS).reshaped(1, 1).partial


KINKS = [
    (relu, {0.0: 0.0}),
    (leaky_relu, {0.0: 0.01}),
    (elu.with_constants(0.5), {0.0: 0.5}),
    (selu, {0.0: 1.0507009873554805 * 1.6732632423543772}),
    (hard_tanh, {-1.0: 0.0, 1.0: 0.0}),
    (clip.with_constants(0.25), {-0.25: 1.0, 0.25: 1.0}),
    (hard_sigmoid, {-2.5: 0.0, 2.5: 0.0}),
    (keras_hard_sigmoid, {-3.0: 0.0, 3.0: 0.0}),
]
"""The slopes of PyTorch's functions at their kinks: relu, leaky_relu, elu, selu, hardtanh, clamp, hardsigmoid."""


@pytest.mark.parametrize(("activation", "slopes"), KINKS)
def test_the_slope_of_a_kink_is_that_of_pytorch(activation, slopes):
    x = np.array(list(slopes))
    y = activation.values(x)
    np.testing.assert_allclose(activation.slopes(x, y), list(slopes.values()), rtol=1e-12)
    code = eval(activation.slope_code("x", "y"), {"np": np, "x": x, "y": y})
    np.testing.assert_allclose(np.broadcast_to(code, x.shape), list(slopes.values()), rtol=1e-12)


@pytest.mark.parametrize("x", [-3.0, 0.5, 40.0])
def test_rounding_of_an_activation_without_limits(x):
    """Of an exact argument: by its result, of swish and gelu by the argument, and with the constant that it adds."""
    eps, p = 2.0**-23, np.array([x])
    for activation, magnitude in (
        (softplus, np.logaddexp(x, 0.0)),
        (leaky_relu, max(x, -0.01 * x)),
        (affine.with_constants(2.0, 3.0), 3.0 + abs(2.0 * x + 3.0)),
        (swish, abs(x)),
        (gelu, abs(x)),
    ):
        bound = BoundedArray(p, np.zeros(1), eps).activated(activation).bound
        np.testing.assert_allclose(bound, eps * (1.0 + magnitude), rtol=1e-12)
