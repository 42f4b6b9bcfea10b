"""The figures of an audit equal a plain count over every value, in blocks of any size."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, nan

import numpy as np
import pytest

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify import compare as comparing
from rnnviz.verify.audit import Audit, audit_pass
from rnnviz.verify.audited import Block, Columns, Expected
from rnnviz.verify.compare import Comparison
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import in_order, trace_of

SHAPE = (2, 2, 5, 3, 4)
EPS = 2.0**-23
EVERY = Columns(np.arange(3), np.arange(4))


@dataclass
class GivenPass:
    """A pass whose steps give the numbers of `value` with the bounds of `bound`, in blocks as they are added."""

    inputs: Inputs
    h: np.ndarray
    value: np.ndarray
    bound: np.ndarray
    engine: str = "engine"
    comparisons: Sequence[Comparison] = ()
    found: list[Expected] = field(default_factory=list)
    name = "forward"
    over_time = "h"
    arrays = ("h",)
    lines = ()

    @property
    def trace(self) -> Trace:
        return trace_of(self.h, self.engine)

    def add(self, lane: tuple[int, int], times: slice, columns: Columns = EVERY, **more: object) -> None:
        axes = np.arange(times.start, times.stop), columns.samples, columns.units
        block = Block("h", lane, axes, (*lane, 0), last_first=lane[1] == 1)
        self.found.append(Expected(block, BoundedArray(block.read(self.value), block.read(self.bound), EPS), **more))

    def legs(self) -> list[object]:
        return []

    def end(self) -> list[Expected]:
        return self.found

    def checks(self) -> tuple[()]:
        return ()


def given(h: np.ndarray, value: np.ndarray | None = None, bound: np.ndarray | None = None, **more: object) -> GivenPass:
    """A pass over hidden values; the steps give 0 with the bound 1 unless a test says otherwise."""
    layers, directions, timesteps, samples, units = h.shape
    sizes = {"hidden_size": units, "num_layers": layers, "bidirectional": directions == 2}
    inputs = inputs_of({"timesteps": timesteps, "batch_size": samples}, cell="rnn_tanh", **sizes)
    return GivenPass(
        inputs, h, np.zeros(h.shape) if value is None else value, np.ones(h.shape) if bound is None else bound, **more
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("length", [1, 2, 5])
def test_figures_equal_a_plain_count(seed, length):
    rng = np.random.default_rng(seed)
    h, value, bound = rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.uniform(0.05, 3.0, SHAPE)
    if seed == 3:
        bound += 100.0  # right everywhere
    followed = np.array([[0, 2], [1, 3]])  # samples 0 and 2 with all units, sample 1 with units 1 and 3
    parts = [Columns(followed[0], np.arange(4)), Columns(np.array([1]), followed[1])]
    seen = np.zeros(SHAPE[3:], bool)
    seen[followed[0]] = True
    seen[1, followed[1]] = True
    way = given(h, value, bound)
    for lane in np.ndindex(SHAPE[:2]):
        for columns in parts:
            starts = range(0, 5, length)
            for start in reversed(starts) if lane[1] else starts:
                way.add(lane, slice(start, min(start + length, 5)), columns)
    found = audit_pass(way)
    error = np.where(seen, np.abs(h - value), -1.0)
    ratio = np.where(seen, np.abs(h - value) / bound, -1.0)
    np.testing.assert_array_equal(found.error_over_time, error.max(axis=(3, 4)))
    np.testing.assert_array_equal(found.ratio_over_time, ratio.max(axis=(3, 4)))
    assert (found.engine, found.audited, found.elements) == ("engine", 20 * 10, 20 * 12)
    assert found.coverage == 200 / 240
    assert found.worst_ratio == ratio.max() == ratio[found.worst_at.index]
    assert found.wrong == (ratio > 8.0).sum()
    wrong = [where for where in in_order(SHAPE) if ratio[where.index] > 8.0]
    assert found.verdict == ("wrong" if wrong else "right")
    assert (found.first_wrong is None) == (not wrong) == (seed == 3)
    if found.first_wrong is not None:
        where = found.first_location
        assert where == wrong[0]
        assert (found.first_wrong.value, found.first_wrong.expected) == (h[where.index], value[where.index])


def test_a_column_that_another_block_counts_is_seen_but_not_counted_again():
    h = np.zeros(SHAPE)
    h[0, 0, 1, 2] = 9.0
    fresh = np.zeros((3, 4), bool)
    fresh[2, :3] = True
    way = given(h)
    way.add((0, 0), slice(1, 3), fresh=fresh)
    found = audit_pass(way)
    assert (found.audited, found.wrong, found.worst_ratio) == (2 * 3, 3, 9.0)
    assert np.isnan(found.ratio_over_time).sum() == 20 - 2
    assert found.ratio_over_time[0, 0, 1:3].tolist() == [9.0, 0.0]
    assert found.error_over_time[0, 0, 1:3].tolist() == [9.0, 0.0]


def test_a_step_exactly_eight_bounds_off_is_right():
    for off, wrong in ((8.0, 0), (np.nextafter(8.0, 9.0), 1)):
        found = one(off, 0.0, 1.0)
        assert (found.wrong, found.worst_ratio) == (wrong, off)


def one(h: float, value: float, bound: float) -> Audit:
    """The audit of one value, next to a correct one."""
    pairs = ((h, 1.0), (value, 0.5), (bound, 1.0))
    way = given(*(np.array(pair).reshape(1, 1, 1, 1, 2) for pair in pairs))
    way.add((0, 0), slice(0, 1), Columns(np.arange(1), np.arange(2)))
    return audit_pass(way)


@pytest.mark.parametrize(
    ("h", "value", "bound", "ratio", "error"),
    [
        (1.0, 3.0, 0.5, 4.0, 2.0),
        (nan, nan, 0.5, 0.5, 0.5),
        (inf, inf, 0.5, 0.5, 0.5),
        (inf, -inf, 0.5, inf, inf),
        (nan, 3.0, 0.5, inf, inf),
        (1.0, nan, 0.5, inf, inf),
        (1.0, inf, 0.5, inf, inf),
        # Nothing is known of what has an infinite bound.
        (1.0, 3.0, inf, 0.5, 2.0),
        (nan, 3.0, inf, 0.5, 0.5),
        (1.0, nan, inf, 0.5, 0.5),
        (inf, -inf, inf, 0.5, 0.5),
        # What has none must be met.
        (3.0, 3.0, 0.0, 0.5, 0.5),
        (1.0, 3.0, 0.0, inf, 2.0),
    ],
)
def test_a_nonfinite_value_is_right_where_it_is_equal_or_nothing_is_known(h, value, bound, ratio, error):
    found = one(h, value, bound)
    # The other value is half a bound off.
    assert (found.worst_ratio, found.ratio_over_time[0, 0, 0]) == (ratio, ratio)
    assert found.error_over_time[0, 0, 0] == error
    assert found.worst_at.location == Location(unit=int(ratio == 0.5))
    assert found.verdict == ("wrong" if ratio == inf else "right")


def test_of_equal_ratios_the_first_computed_location_is_reported():
    h = np.zeros(SHAPE)
    h[0, 0, 1, 2, 3] = h[0, 0, 4, 0, 0] = h[1, 1, 0, 0, 0] = 9.0
    way = given(h)
    for lane, start in (((0, 0), 0), ((0, 0), 3), ((1, 1), 0)):
        way.add(lane, slice(start, start + 2))
    found = audit_pass(way)
    assert found.worst_at.location == found.first_location == Location(0, 0, 1, 2, 3)


def test_the_figures_of_many_time_steps_are_in_files_and_found_there(tmp_path, monkeypatch):
    monkeypatch.setattr(comparing, "_MANY", 20)
    way = given(np.full(SHAPE, 2.0))
    way.add((1, 0), slice(2, 4))
    found = audit_pass(way, folder=tmp_path)
    assert set(found.stored.values()) == set(tmp_path.iterdir())
    assert list(found.stored) == list(Audit.NAMES)
    expected = np.full(SHAPE[:3], nan)
    expected[1, 0, 2:4] = 2.0
    for audit in (found, pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(audit.ratio_over_time, expected)
        np.testing.assert_array_equal(audit.error_over_time, expected)


def test_an_audit_of_nothing_has_no_verdict():
    found = audit_pass(given(np.zeros(SHAPE)))
    assert (found.verdict, found.worst_ratio, found.worst_at.location, found.first_wrong) == (
        "not audited",
        0.0,
        Location(),
        None,
    )
    assert (found.wrong, found.audited, found.coverage) == (0, 0, 0.0)
    assert np.isnan(found.ratio_over_time).all()
    assert np.isnan(found.error_over_time).all()
    assert not found.ratio_over_time.flags.writeable


def test_the_range_of_a_cell_judges_undetermined_values_alone():
    limit, beyond = np.full(SHAPE[2:], 1.0), np.full(SHAPE[2:], 9.0)
    limit[0, 0, :2] = np.nextafter(1.0, 0.0)
    beyond[0, 0, 0] = 8.0
    way = given(np.zeros(SHAPE))
    way.add((0, 0), slice(0, 5), limit=limit, beyond=beyond)
    found = audit_pass(way)
    assert (found.undetermined_count, found.wrong) == (1, 1)


@pytest.mark.parametrize(("engine", "mismatches"), [("one", {"two": 60}), ("two", {})])
def test_undetermined_mismatches_are_relative_to_the_reference(engine, mismatches):
    """2 is more than 60% from 1, but 1 is not from 2."""
    traces = {name: trace_of(np.full((1, 1, *SHAPE[2:]), value), name) for name, value in (("one", 1.0), ("two", 2.0))}
    own = traces.pop(engine)
    comparison = comparing.compare_all(own, *traces.values(), 0.6, 0.0)
    way = given(own.hidden, own.hidden, engine=engine, comparisons=[comparison])
    way.add((0, 0), slice(0, 5), limit=-1.0)
    found = audit_pass(way, traces)
    assert (found.undetermined_count, found.undetermined_mismatches) == (60, mismatches)
