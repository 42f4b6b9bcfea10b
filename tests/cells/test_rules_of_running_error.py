"""Each rule equals the formula of the literature in number and bound, at its limits too."""

from collections.abc import Callable
from math import exp, inf, isnan, nan, nextafter, sqrt
from math import tanh as tangent

import numpy as np
import pytest

from rnnviz.cells.activations import ACTIVATIONS, erf, relu, sigmoid, tanh
from rnnviz.cells.interpreters.running_error import (
    BoundedArray,
    pre_activation,
    rounded_when_read,
    storage_bound,
)
from tests.cases import cases

EPS = 2.0**-23
LARGEST = float(np.finfo(np.float32).max)
TINY = 2.0**-126
"""Where float32 underflows."""


def drawn(seed: int, largest_bound: float = 0.5) -> BoundedArray:
    rng = np.random.default_rng(seed)
    return BoundedArray(rng.normal(size=9), rng.uniform(1e-6, largest_bound, 9), EPS)


def pairs(running: BoundedArray) -> list[tuple[float, float]]:
    return list(zip(running.value.tolist(), running.bound.tolist(), strict=True))


def one(value: float, bound: float) -> BoundedArray:
    return BoundedArray(np.array([value]), np.array([bound]), EPS)


def logistic(v: float) -> float:
    return 1.0 / (1.0 + exp(-v))


def farthest(f: Callable[[float], float], p: float, d: float) -> float:
    """How far f goes within eight bounds, in bounds."""
    return max(f(p + 8 * d) - f(p), f(p) - f(p - 8 * d)) / 8


OPERATIONS: dict[str, Callable[[BoundedArray], BoundedArray]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "complement": lambda p: 1 - p,
}

ONE_OPERAND: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "sigmoid": lambda p, d: (logistic(p), farthest(logistic, p, d) + EPS),
    "tanh": lambda p, d: (tangent(p), farthest(tangent, p, d) + EPS),
    "relu": lambda p, d: (max(p, 0.0), d if p >= -8 * d else 0.0),
    "complement": lambda p, d: (1.0 - p, d + EPS),
}


@pytest.mark.parametrize(("name", "f"), [("sigmoid", logistic), ("tanh", tangent)])
def test_within_a_small_bound_an_activation_spreads_by_its_slope(name, f):
    p = drawn(1, 2.0**-11)
    scale = 1.0 if name == "tanh" else 0.5
    slopes = scale**2 * (1 - np.tanh(scale * p.value) ** 2)
    np.testing.assert_allclose(OPERATIONS[name](p).bound, slopes * p.bound + EPS, rtol=1e-13)
    exactly = [farthest(f, *pair) + EPS for pair in pairs(p)]
    np.testing.assert_allclose(OPERATIONS[name](p).bound, exactly, rtol=0.01)


@pytest.mark.parametrize("name", ONE_OPERAND)
def test_a_function_of_one_number_equals_the_formula(name):
    p = drawn(1)
    before = pairs(p)
    result = OPERATIONS[name](p)
    np.testing.assert_allclose(pairs(result), [ONE_OPERAND[name](*pair) for pair in before], rtol=1e-13)
    assert pairs(p) == before
    assert result.eps == EPS


TWO_OPERANDS: dict[str, Callable[[float, float, float, float], tuple[float, float]]] = {
    "__add__": lambda p, dp, q, dq: (p + q, dp + dq + EPS * abs(p + q)),
    "__mul__": lambda p, dp, q, dq: (p * q, abs(q) * dp + abs(p) * dq + 8 * dp * dq + EPS * abs(p * q) + TINY),
}


@pytest.mark.parametrize("name", TWO_OPERANDS)
def test_a_function_of_two_numbers_equals_the_formula(name):
    p, q = drawn(2), drawn(3)
    before = pairs(p), pairs(q)
    result = getattr(p, name)(q)
    expected = [TWO_OPERANDS[name](*a, *b) for a, b in zip(*before, strict=True)]
    np.testing.assert_allclose(pairs(result), expected, rtol=1e-13)
    assert (pairs(p), pairs(q)) == before
    assert result.eps == EPS


def test_a_sum_of_terms_is_off_by_their_size_and_by_the_root_of_their_count():
    rng = np.random.default_rng(4)
    values, terms = rng.normal(size=9), rng.uniform(0, 9, 9)
    result = pre_activation(np.array(values), np.array(terms), 7, LARGEST, EPS)
    expected = [(v, EPS * (1 + m + sqrt(7) * abs(v))) for v, m in zip(values, terms, strict=True)]
    np.testing.assert_allclose(pairs(result), expected, rtol=1e-13)
    assert result.eps == EPS


@pytest.mark.parametrize("terms", [[LARGEST / 4, 3.0], [inf, 3.0]])
def test_an_overflowing_sum_has_an_infinite_bound_and_its_neighbor_a_finite_one(terms):
    result = pre_activation(np.array([1.0, 2.0]), np.array(terms), 4, LARGEST, EPS)
    assert pairs(result) == [(1.0, inf), (2.0, EPS * (1 + 3 + 2 * 2))]


def test_a_sum_that_nearly_overflows_is_known():
    below = nextafter(LARGEST / 4, 0)
    result = pre_activation(np.array([1.0]), np.array([below]), 4, LARGEST, EPS)
    assert result.bound[0] == pytest.approx(EPS * below, rel=1e-15, abs=0.0)
    # The size of the value itself, with this number of terms.
    result = pre_activation(np.array([LARGEST / 8, 2.0]), np.array([below, 3.0]), 4, LARGEST, EPS)
    assert result.bound.tolist() == pytest.approx([EPS * LARGEST / 2, 8 * EPS], rel=1e-15, abs=0.0)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_an_unsure_argument_may_have_moved_an_activation_through_its_whole_range_and_no_further(name):
    ends = 0.5 if name == "sigmoid" else 1.0
    # The slope is taken for bounds below 2^-10.
    limit = OPERATIONS[name](BoundedArray(np.zeros(2), np.array([2.0**-10, 20.0]), EPS))
    assert limit.bound[0] - EPS == pytest.approx(ends * tangent(ends * 2.0**-7) / 8, rel=1e-9, abs=0.0)
    for bound, expected in ((20.0, ends / 8), (1e30, ends / 8), (inf, inf)):
        beside = BoundedArray(np.zeros(2), np.array([bound, 2.0**-12]), EPS)
        assert OPERATIONS[name](beside).bound.tolist() == [expected + EPS, ends**2 * 2.0**-12 + EPS]


@pytest.mark.parametrize(("name", "ends"), [("sigmoid", (0.0, 1.0)), ("tanh", (-1.0, 1.0))])
def test_at_a_certain_infinity_an_activation_has_reached_its_end(name, ends):
    p = BoundedArray(np.array([-inf, inf, nan, 0.0]), np.array([1.0, 0.5, 2.0, 1e3]), EPS)
    result = OPERATIONS[name](p)
    np.testing.assert_array_equal(result.value, [*ends, nan, np.mean(ends)])
    assert result.bound.tolist()[:3] == [EPS] * 3
    assert result.bound[3] == pytest.approx((0.5 if name == "sigmoid" else 1.0) / 8 + EPS, rel=1e-15, abs=0.0)


def test_an_exact_activation_adds_no_rounding():
    for name in ("thresholded_relu", "hard_tanh", "linear", "relu"):
        for value in (-2.0, 0.5, 3.0):
            assert ACTIVATIONS[name](one(value, 0.0)).bound[0] == 0.0
    assert ACTIVATIONS["hard_tanh"](one(0.5, 2.0**-8)).bound[0] == 2.0**-8
    assert ACTIVATIONS["leaky_relu"](one(0.5, 0.0)).bound[0] > 0.0


def test_the_error_function_keeps_the_type():
    for dtype in ("float32", "float64"):
        found = erf(np.array([-inf, 0.0, 0.5, inf], dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, [-1.0, 0.0, 0.5204998778, 1.0], rtol=1e-7)


@pytest.mark.parametrize("stored_as", ["float16", "bfloat16", "float32"])
def test_a_stored_number_is_off_by_half_a_unit_in_its_last_place_at_most(stored_as):
    """An eighth of it in each of eight bounds; what is subnormal as the smallest normal number, and no infinity."""
    step, least = {"float16": (2.0**-10, 2.0**-14), "bfloat16": (2.0**-7, TINY), "float32": (EPS, TINY)}[stored_as]
    values = np.array([3.0, -0.5, 0.0, inf, -inf, nan])
    expected = np.array([3.0, 0.5, least, 0.0, 0.0, 0.0]) * step / 16
    np.testing.assert_array_equal(storage_bound(values, stored_as), expected)


@pytest.mark.parametrize(("kind", "step"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_numbers_of_half_precision_are_read_as_they_are_and_others_rounded(kind, step):
    numbers = np.array([0.0, -1.0, 1.0 + step, 1.0 + step / 2, 1.0 + 2.0**-40, 1e300])
    assert rounded_when_read(numbers, kind).tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize(("half", "least"), [("", 0.0), ("float16", 4 * 2.0**-24 / 8), ("bfloat16", 4 * 2.0**-133 / 8)])
def test_a_number_that_was_not_rounded_is_off_by_subnormal_operations_at_most(half, least):
    np.testing.assert_array_equal(storage_bound(np.array([3.0, 0.0, inf]), "", half), np.full(3, least))


@pytest.mark.parametrize(
    ("name", "size"),
    [("softplus", lambda p: 1.0), ("swish", lambda p: 1.0 + abs(p)), ("gelu", lambda p: 1.0 + abs(p)), ("relu", None)],
)
def test_the_slope_of_a_known_number_is_off_by_its_size_and_that_of_what_it_is_computed_from(name, size):
    """eps · (1 + |f'|), of swish and gelu with |p|; not at all where the slope is a number."""
    activation = ACTIVATIONS[name]
    for value in (-3.0, 0.7, 4.0):
        p = one(value, 0.0)
        slopes = p.slopes(activation, activation(p))
        expected = 0.0 if size is None else EPS * (size(value) + abs(slopes.value[0]))
        assert slopes.bound[0] == pytest.approx(expected, rel=1e-12, abs=0.0)


def test_a_value_at_the_end_of_the_range_is_unknown():
    for name in ("affine", "swish"):
        values = np.array([LARGEST, nextafter(LARGEST, 0.0), -LARGEST])
        found = ACTIVATIONS[name](BoundedArray(values, np.zeros(3), EPS)).bound
        assert np.isposinf(found).tolist() == [True, False, True]
        assert np.isfinite(ACTIVATIONS[name](BoundedArray(values, np.zeros(3), 2.0**-52)).bound).all()


def test_an_activation_that_turns_within_the_bounds_goes_as_far_as_its_turn():
    """At both ends swish and gelu are near 0, and between them their least value is."""
    for name, p, least in (("swish", -5.0, -0.27846454), ("gelu", -3.0, -0.16997121)):
        (result,) = pairs(ACTIVATIONS[name](one(p, -p / 8)))
        assert 8 * result[1] == pytest.approx(result[0] - least, abs=1e-5)


def test_relu_passes_values_that_may_be_positive_and_every_nan():
    for value, passed in ((-8.0, 1.0), (nextafter(-8.0, -9), 0.0), (0.0, 1.0), (nan, 1.0), (-inf, 0.0)):
        result = relu(one(value, 1.0))
        assert result.bound[0] == passed
        assert isnan(result.value[0]) if isnan(value) else result.value[0] == 0.0


def test_a_sum_with_a_certain_infinity_adds_the_bounds_without_rounding():
    with np.errstate(invalid="ignore"):
        for value in (inf, -inf, nan):
            p = BoundedArray(np.array([value, 3.0]), np.array([0.25, 0.5]), EPS)
            q = BoundedArray(np.array([1.0, -1.0]), np.array([0.125, 0.25]), EPS)
            for result in (p + q, q + p):
                assert result.bound.tolist() == [0.375, 0.75 + 2 * EPS]


@pytest.mark.parametrize(("factor", "bound", "known"), cases(__file__)["products-with-an-infinity"])
def test_a_product_with_an_infinity_is_certain_if_the_factor_is_surely_not_zero_or_surely_zero(factor, bound, known):
    with np.errstate(invalid="ignore"):
        for p, q in ((one(factor, bound), one(inf, 0.5)), (one(-inf, 0.5), one(factor, bound))):
            result = p * q
            np.testing.assert_array_equal(result.value, p.value * q.value)
            assert result.bound[0] == (EPS if known else inf)
