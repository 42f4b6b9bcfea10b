"""Comparisons flag exactly the cells that differ, and every figure is that of a plain count."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rnnviz.core.trace_index import Location
from rnnviz.verify import metrics as blocks_module
from rnnviz.verify.compare import compare, shared_arrays
from rnnviz.verify.metrics import abs_error, error_ratio, tolerance, ulp_distance
from tests.factories import make_result
from tests.verify.traces import SHAPES, Shape, changed, in_order, random_trace, trace_of

SHAPE: Shape = (2, 2, 4, 3, 5)
RTOL, ATOL = 1e-6, 1e-5


def floats(dtype: str) -> st.SearchStrategy[float]:
    """Numbers that are often near each other, and now and then as far apart as floats can be."""
    width = 32 if dtype == "float32" else 64
    near = st.sampled_from([0.0, 1e-6, 2e-5, 1.0, 1.0 + 2e-6, 1.0 + 2e-5, -1.0])
    return (
        st.one_of(near, st.floats(width=width))
        if width == 64
        else st.one_of(near.map(lambda x: float(np.float32(x))), st.floats(width=32))
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    dtype, shape = draw(st.sampled_from(("float32", "float64"))), draw(SHAPES)
    r = draw(arrays(dtype, shape, elements=floats(dtype), fill=st.just(0.5)))
    c = draw(arrays(dtype, shape, elements=floats(dtype), fill=st.just(0.5)))
    return r, c


@given(pair=pairs(), block=st.integers(1, 40), rtol=st.sampled_from([0.0, 1e-6, 0.5, 3.0]), atol=st.floats(0, 2))
def test_figures_equal_a_plain_count(pair, block, rtol, atol):
    r, c = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "_BLOCK_VALUES", block)
        comparison = compare(trace_of(r), trace_of(c, "candidate"), rtol, atol)
    outside = ~(abs_error(r, c) <= tolerance(r, rtol, atol))
    np.testing.assert_array_equal(comparison.mismatched_over_time, outside.sum(axis=(3, 4)))
    np.testing.assert_array_equal(comparison.error_ratio_over_time, error_ratio(r, c, rtol, atol).max(axis=(3, 4)))
    np.testing.assert_array_equal(comparison.error_ratio_by_column, error_ratio(r, c, rtol, atol).max(axis=2))
    np.testing.assert_array_equal(comparison.lane_mismatched, outside.sum(axis=(2, 3, 4)))
    assert (comparison.mismatched, comparison.elements) == (outside.sum(), outside.size)
    assert comparison.verdict == ("disagree" if outside.any() else "agree")
    assert comparison.nonfinite_reference == (~np.isfinite(r)).sum()
    assert comparison.nonfinite_candidate == (~np.isfinite(c)).sum()

    finite = np.isfinite(r) & np.isfinite(c)
    same = (r == c) | (np.isnan(r) & np.isnan(c))
    assert comparison.nonfinite_apart == (~finite & ~same).sum()
    error = np.where(finite, abs_error(r, c), 0.0)
    np.testing.assert_array_equal(comparison.error_over_time, error.max(axis=(3, 4)))
    assert comparison.max_abs_error == error.max()
    assert error[comparison.max_abs_error_at.index] == error.max()
    assert comparison.max_error_ratio == np.where(finite, error_ratio(r, c, rtol, atol), 0.0).max()
    assert comparison.max_ulp == np.where(finite, ulp_distance(r, c), 0).max()

    flagged = [where for where in in_order(r.shape) if outside[where.index]]
    first = comparison.first_mismatch
    assert (first is None) == (not flagged)
    if first is not None:
        assert first.where == flagged[0]
        np.testing.assert_array_equal([first.reference, first.candidate], [r[first.where.index], c[first.where.index]])


@given(pair=pairs(), block=st.integers(1, 40), rtol=st.sampled_from([0.0, 1.3e-6, 1e-7, 0.5]), atol=st.floats(0, 2))
def test_smallest_passing_atol_is_minimal(pair, block, rtol, atol):
    finite = np.isfinite(pair[0]) & np.isfinite(pair[1])
    r, c = (np.where(finite, side, side.dtype.type(0)) for side in pair)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "_BLOCK_VALUES", block)
        needed = compare(trace_of(r), trace_of(c), rtol, atol).smallest_passing_atol
    assert needed >= 0.0
    if math.isinf(needed):
        # Two floats are so far apart that no float says how far.
        assert np.isinf(abs_error(r, c)).any()
        return
    assert compare(trace_of(r), trace_of(c), rtol, needed).verdict == "agree"
    if needed > 0.0:
        smaller = math.nextafter(needed, 0.0)
        assert compare(trace_of(r), trace_of(c), rtol, smaller).verdict == "disagree"


@pytest.mark.parametrize("other", [Location(1, 0, 0, 0, 0), Location(0, 1, 2, 0, 0)], ids=["elsewhere", "beside"])
def test_max_error_and_atol_ignore_nonfinite_pairs(other):
    reference = random_trace(SHAPE)
    place = Location(0, 1, 2, 1, 3)
    near = float(reference.hidden[place.index]) + 0.25
    comparison = compare(reference, changed(reference, {place: near, other: math.nan}), 0.0, 0.0)
    assert comparison.smallest_passing_atol == abs(near - reference.hidden[place.index])
    assert comparison.max_abs_error_at == place
    assert comparison.mismatched == 2
    assert comparison.nonfinite_apart == 1


def test_extremes_of_float64_cause_no_warning():
    largest = np.finfo(np.float64).max
    comparison = compare(
        trace_of(np.full((1, 1, 1, 1, 1), -largest)), trace_of(np.full((1, 1, 1, 1, 1), largest)), 1.0, 1.0
    )
    assert comparison.verdict == "disagree"
    assert comparison.max_abs_error == math.inf
    assert comparison.max_ulp == 2 * 0x7FEFFFFFFFFFFFFF
    assert comparison.nonfinite_apart == 0


def test_progress_reaches_1():
    told: list[float] = []
    trace = random_trace(SHAPE)
    compare(trace, trace, RTOL, ATOL, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_cell_states_are_compared_where_both_engines_give_them():
    result = make_result(("manual", "bug:no-h2h-bias"), cell="lstm", hidden_size=5, projection_size=3)
    reference, candidate = result.traces.values()
    assert shared_arrays(reference, candidate) == ["h", "c"]
    found = compare(reference, candidate, RTOL, ATOL, name="c")
    assert (found.name, found.error_over_time.shape) == ("c", reference.shape[:3])
    assert reference.cell is not None
    assert candidate.cell is not None
    assert found.elements == reference.cell.size
    assert found.max_abs_error == np.abs(reference.cell.astype(float) - candidate.cell).max()
    assert shared_arrays(reference, candidate.with_arrays({"c": None})) == ["h"]


def test_hidden_states_alone_are_compared_where_one_trace_lacks_some_of_them():
    whole = random_trace(SHAPE).with_arrays({"i": np.ones(SHAPE)})
    partial = replace(whole, missing=frozenset({"h", "out"}))
    assert partial.partial
    assert not whole.partial
    for pair in ((whole, partial), (partial, whole)):
        assert shared_arrays(*pair) == ["h"]
    assert shared_arrays(whole, whole) == ["h", "i"]


def test_gates_are_compared_where_both_engines_give_them():
    one = random_trace(SHAPE)
    gates = one.with_arrays({"i": one.hidden * 0.5, "o": one.hidden})
    other = gates.with_arrays({"i": gates["i"] + 1e-3, "o": None})
    assert shared_arrays(gates, other) == ["h", "i"]
    assert compare(gates, other, RTOL, ATOL, name="i").mismatched == one.hidden.size
    assert compare(gates, other, RTOL, ATOL).mismatched == 0


def test_the_smallest_passing_tolerance_is_that_of_the_worst_block(monkeypatch):
    """The second time step has the larger error, and a relative tolerance that is larger still."""
    monkeypatch.setattr(blocks_module, "_BLOCK_VALUES", 1)
    shape = (1, 1, 2, 1, 1)
    reference, candidate = (trace_of(np.array(values).reshape(shape), name) for name, values in (
        ("a", [1e-3, 10.0]), ("b", [1e-3 + 0.01, 10.05]),
    ))  # fmt: skip
    found = compare(reference, candidate, 0.01, 0.0)
    assert found.smallest_passing_atol == pytest.approx(0.01 - 1e-5, rel=1e-12)
    assert found.mismatched == 1
