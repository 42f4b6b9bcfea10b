"""Units that are on together, and where else they are: as counting by hand finds them."""

from itertools import groupby
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.analysis import selection
from rnnviz.analysis.result import RunResult
from rnnviz.analysis.selection import MOST, Match, Query, select
from tests.made_results import made_result

UNITS = 6


def result_of(values: np.ndarray) -> RunResult:
    result = made_result(("gluon", "manual"), hidden_size=UNITS, timesteps=len(values), batch_size=1)
    result["gluon"].hidden[0, 0, :, 0] = values
    return result


def by_hand(values: np.ndarray, query: Query) -> tuple[set[int], list[Match]]:
    rows = values.tolist()
    on = [{unit for unit in range(UNITS) if row[unit] >= query.threshold} for row in rows]
    wanted = set.intersection(*(on[t] for t in query.times))
    if not wanted:
        return wanted, []
    kept = [t for t in range(len(rows)) if len(on[t] & wanted) >= ceil(MOST * len(wanted) - 1e-9)]
    matches = []
    for _, run in groupby(enumerate(kept), key=lambda pair: pair[1] - pair[0]):
        times = [t for _, t in run]
        if set(times) & set(query.times):
            continue
        likeness = sum(len(on[t] & wanted) / len(on[t] | wanted) for t in times) / len(times)
        score = likeness * min(len(times), len(query.times)) / max(len(times), len(query.times))
        matches.append(Match(range(times[0], times[-1] + 1), score))
    return wanted, sorted(matches, key=lambda match: (-match.score, match.times.start))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), block=st.integers(1, 40))
def test_the_same_is_found_as_by_hand_whatever_is_read_at_a_time(data: st.DataObject, block: int) -> None:
    length = data.draw(st.integers(2, 40))
    kinds = st.sampled_from([0.0, 0.29, 0.3, 0.9, float("nan")])
    values = np.array(data.draw(st.lists(st.lists(kinds, min_size=6, max_size=6), min_size=length, max_size=length)))
    values = values.astype(np.float32)
    first = data.draw(st.integers(0, length - 1))
    query = Query("gluon", 0, 0, 0, range(first, data.draw(st.integers(first + 1, length))), float(np.float32(0.3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_BLOCK_VALUES", block * UNITS)
        found = select(result_of(values), query, lambda: None)
    units, matches = by_hand(values, query)
    assert set(found.units) == units
    lowest = [min(row) for row in values[query.times.start : query.times.stop].T.tolist() if not np.isnan(row).any()]
    assert found.highest == (max(lowest) if lowest else None)
    assert {match.times for match in found.matches} == {match.times for match in matches}
    assert [m.score for m in found.matches] == pytest.approx([m.score for m in matches])


def test_a_range_in_which_exactly_the_same_units_are_on_comes_first() -> None:
    values = np.zeros((30, UNITS), np.float32)
    values[3:6, :3] = 0.8
    values[10:13, :3] = 0.5
    values[20:23, :4] = 0.5
    values[25:30, :3] = 0.5
    found = select(result_of(values), Query("gluon", 0, 0, 0, range(3, 6)), lambda: None)
    assert found.units == (0, 1, 2)
    assert found.matches[0] == Match(range(10, 13), 1.0)
    assert [match.times.start for match in found.matches] == [10, 20, 25]


def test_only_the_best_ranges_are_kept_and_the_work_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((400, UNITS), np.float32)
    values[::2, 0] = 1.0
    found = select(result_of(values), Query("gluon", 0, 0, 0, range(1)), lambda: None)
    assert len(found.matches) == selection.RANGES
    assert found.matches[0].times == range(2, 3)

    class Ended(Exception):
        pass

    def end() -> None:
        raise Ended

    with pytest.raises(Ended):
        select(result_of(values), Query("gluon", 0, 0, 0, range(1)), end)
