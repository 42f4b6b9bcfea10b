"""The cells of lanes as they are: numbers of arrays by every quantity, with the marks of the comparison."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.reading.gate_lanes import LaneGates
from rnnviz.reading.gates import Quantity
from rnnviz.reading.lane_reader import CellReader
from rnnviz.verify.compare import compare_all
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of

T, N, H, SAMPLE = 7, 3, 4, 2
TIMES, UNITS = slice(1, 6), slice(1, 4)
RTOL, ATOL = 0.125, 0.0625
LANE = (1, 1)


def spoil(trace: Trace) -> None:
    trace.hidden[(*LANE, 2, SAMPLE)] += np.array([0.03, -0.5, 0.25, 0.0])
    trace.hidden[(*LANE, 4, SAMPLE, 3)] = np.nan
    trace.hidden[(*LANE, 5, 0)] += 1.0
    trace.hidden[(*LANE, 3, SAMPLE, 0)] += 1.0


@pytest.fixture(scope="module")
def result() -> RunResult:
    return make_result(
        edits={"manual": spoil},
        cell="lstm",
        timesteps=T,
        batch_size=N,
        input_size=5,
        hidden_size=H,
        num_layers=2,
        bidirectional=True,
        dtype="float64",
        compare_with={"rtol": RTOL, "atol": ATOL},
    )


def pair(result: RunResult) -> tuple[np.ndarray, np.ndarray]:
    """(T, H): the values of the reference and the candidate in the lane and sample."""
    return tuple(result[name].hidden[(*LANE, slice(None), SAMPLE)] for name in ("gluon", "manual"))


def outside(result: RunResult) -> np.ndarray:
    """(T, H): which values are outside the tolerance."""
    r, c = pair(result)
    return ~(np.abs(c - r) <= ATOL + RTOL * np.abs(r))


def cells(
    result: RunResult, quantity: Quantity, engine: str = "manual", candidate: str | None = "manual"
) -> CellReader:
    return CellReader(result, engine, candidate, SAMPLE, quantity)


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference", "i", "c", "pre_g"])
def test_each_quantity_is_that_of_the_arrays_with_the_marks_of_the_comparison(
    result: RunResult, quantity: Quantity
) -> None:
    r, c = pair(result)
    with np.errstate(all="ignore"):
        known = {
            "value": c,
            "difference": c - r,
            "error_ratio": np.where(np.isnan(c), np.inf, np.abs(c - r) / (ATOL + RTOL * np.abs(r))),
        }
    if quantity in known:
        expected = known[quantity]
    else:
        expected = gates_of(result.inputs, result["manual"].hidden)[quantity][(*LANE, slice(None), SAMPLE)]
    if quantity == "c":
        # The cell states that the engine recorded itself are not computed.
        cell = result["manual"].cell
        assert cell is not None
        expected = cell[(*LANE, slice(None), SAMPLE)]
    found = cells(result, quantity).cells(Lane(*LANE), TIMES, UNITS)
    np.testing.assert_allclose(found.values, expected[TIMES, UNITS].T, rtol=1e-12, atol=1e-14)
    if quantity == "c":
        # Cell states are compared by themselves, and are equal.
        assert found.marks is None
        return
    assert found.marks is not None
    assert found.marks.tolist() == outside(result)[TIMES, UNITS].T.tolist()


def test_the_one_number_of_a_time_step_is_marked_if_any_of_its_vector_is(result: RunResult) -> None:
    found = cells(result, "norm").cells(Lane(*LANE), TIMES, slice(0, 1))
    norms = np.sqrt((pair(result)[1] ** 2).sum(axis=1))
    np.testing.assert_allclose(found.values, norms[np.newaxis, TIMES], rtol=1e-12)
    assert found.marks is not None
    assert found.marks.tolist() == [outside(result)[TIMES].any(axis=1).tolist()]


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "o", "norm"])
def test_without_a_mismatch_and_without_a_candidate_nothing_is_marked(result: RunResult, quantity: Quantity) -> None:
    assert cells(result, quantity).cells(Lane(0, 1), TIMES, slice(0, 1)).marks is None
    # At t = 1 alone, too: the mismatches of the lane lie elsewhere.
    assert cells(result, quantity).cells(Lane(*LANE), slice(0, 2), slice(0, 1)).marks is None
    if quantity != "error_ratio":
        alone = cells(result, quantity, candidate=None).cells(Lane(*LANE), TIMES, slice(0, 1))
        assert alone.marks is None
        assert np.array_equal(
            alone.values, cells(result, quantity).cells(Lane(*LANE), TIMES, slice(0, 1)).values, equal_nan=True
        )


def test_the_input_is_read_by_value_whatever_the_lanes_show(result: RunResult) -> None:
    for quantity in ("value", "error_ratio", "f", "norm"):
        source = cells(result, quantity)
        found = source.cells(INPUT, TIMES, slice(2, 5))
        assert np.array_equal(found.values, result.inputs.sequence[TIMES, SAMPLE, 2:5].T)
        assert found.marks is None
        assert source.shape(INPUT) == (T, 5)
        assert (source.computes(INPUT), source.effort(INPUT), source.recorded(INPUT)) == (False, 1.0, range(T))


@pytest.mark.parametrize(
    ("quantity", "units", "computed"),
    [("value", H, False), ("difference", H, False), ("g", H, True), ("change", H, True), ("norm", 1, True)],
)
def test_a_lane_has_a_row_for_each_unit_or_one_for_all(
    result: RunResult, quantity: Quantity, units: int, computed: bool
) -> None:
    source = cells(result, quantity)
    assert source.shape(Lane(1)) == (T, units)
    assert source.computes(Lane(1)) == computed
    assert source.effort(Lane(1)) == (1.0 + LaneGates(result).effort("manual", 1, quantity) if computed else 1.0)
    assert (source.effort(Lane(0)) != source.effort(Lane(1))) == (quantity == "g")


def test_a_passed_gate_cache_is_read(result: RunResult) -> None:
    class Ones(LaneGates):
        def read(self, *_: object) -> np.ndarray:
            return np.ones((TIMES.stop - TIMES.start, 3))

        def effort(self, *_: object) -> float:
            return 6.5

    source = CellReader(result, "gluon", None, SAMPLE, "i", Ones(result))
    assert source.cells(Lane(*LANE), TIMES, UNITS).values.tolist() == [[1.0] * 5] * 3
    assert source.effort(Lane(0)) == 7.5


def test_only_recorded_values_are_available_and_compared(result: RunResult) -> None:
    ends = replace(result["manual"], missing=frozenset({"h", "out"}))
    partial = replace(result, traces={**result.traces, "manual": ends})
    one = range(1) if LANE[1] else range(T - 1, T)
    assert cells(partial, "value").recorded(Lane(*LANE)) == one
    assert cells(partial, "norm").recorded(Lane(*LANE)) == one
    assert cells(partial, "error_ratio").recorded(Lane(*LANE)) == one
    assert cells(partial, "change").recorded(Lane(*LANE)) == range(0)
    assert cells(partial, "value", "gluon").recorded(Lane(*LANE)) == range(T)
    for quantity in ("difference", "error_ratio"):
        assert cells(partial, quantity, "gluon").recorded(Lane(*LANE)) == one
    # `out` alone has every hidden state of the last layer.
    top = replace(result, traces={**result.traces, "manual": replace(ends, missing=frozenset({"h"}))})
    assert [cells(top, "value").recorded(Lane(layer, 1)) for layer in (0, 1)] == [range(1), range(T)]
    whole = result["gluon"], result["manual"]
    for quantity in ("error_ratio", "difference"):
        source = cells(partial, quantity)
        values = source.cells(Lane(*LANE), slice(0, 4), UNITS).values
        assert np.isnan(values[:, 1:]).all()
        lane = (*LANE, slice(0, 1), SAMPLE, UNITS)
        apart = (whole[1].hidden[lane] - whole[0].hidden[lane]).T
        assert values[:, :1] == pytest.approx(apart, abs=1e-15)
        forward = source.cells(Lane(1), slice(3, 7), UNITS).values
        assert np.isnan(forward).all(axis=0).tolist() == [True, True, True, False]


def test_read_values_are_a_copy(result: RunResult) -> None:
    for layer, quantity, candidate in ((1, "value", "manual"), (1, "value", None), (None, "value", None)):
        values = cells(result, quantity, candidate=candidate).cells(Lane(layer, 1), TIMES, slice(0, 2)).values
        assert not np.shares_memory(values, result["manual"].hidden)
        assert not np.shares_memory(values, result.inputs.sequence)


def test_an_array_that_is_compared_has_the_marks_of_its_own_comparison(result: RunResult) -> None:
    reference, candidate = result["gluon"], result["manual"]
    c = candidate["c"].copy()
    c[(*LANE, 3, SAMPLE, 2)] += 1.0
    candidate = candidate.with_arrays({"c": c})
    comparison = compare_all(reference, candidate, RTOL, ATOL)
    changed = replace(result, traces={"gluon": reference, "manual": candidate}, comparisons=(comparison,))
    tile = cells(changed, "c").cells(Lane(*LANE), slice(0, T), slice(0, H))
    assert tile.marks is not None
    assert np.argwhere(tile.marks).tolist() == [[2, 3]]
    np.testing.assert_array_equal(tile.values, c[(*LANE, slice(None), SAMPLE)].T)
