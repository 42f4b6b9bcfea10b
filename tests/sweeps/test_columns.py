"""A sweep's rows as columns, and as cells on two axes."""

from itertools import product
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.sweeps.grid import Point
from rnnviz.sweeps.results import (
    COMPUTED,
    NO_ROW,
    ROW_VERDICTS,
    WAITING,
    SweepFigures,
    SweepResult,
    SweepRow,
    SweepTable,
    called,
    cells,
    color_range,
    counted,
    ranks,
    report,
)

KEYS = ("network.hidden_size", "seed", "engine")
VALUES = list(product((8, 4), (0, 1, 2), ("manual", "onnx")))


def row(index: int, finding: SweepResult | None) -> SweepRow:
    return SweepRow(Point(index, VALUES[index], None), finding)


def figures(findings: list[SweepResult | None]) -> SweepFigures:
    return SweepFigures(SweepTable(KEYS, tuple(row(index, finding) for index, finding in enumerate(findings))))


def drawn() -> st.SearchStrategy[list[SweepResult | None]]:
    numbers = st.sampled_from((0.0, 1e-3, 0.5, 2.0, 1e6, inf, nan))
    one = st.builds(SweepResult, st.sampled_from(COMPUTED), max_error_ratio=numbers)
    other = st.builds(SweepResult, st.sampled_from(("refused", "failed")))
    return st.lists(st.none() | one | other, min_size=len(VALUES), max_size=len(VALUES))


def severity(finding: SweepResult | None) -> float:
    if finding is None or finding.max_error_ratio is None:
        return -inf
    return inf if isnan(finding.max_error_ratio) else finding.max_error_ratio


@given(drawn())
def test_a_cell_shows_the_worst_of_its_rows(findings: list[SweepResult | None]) -> None:
    found = figures(findings)
    size, seed, engine = found.dimensions
    assert (size.texts, seed.texts, engine.texts) == (("8", "4"), ("0", "1", "2"), ("manual", "onnx"))
    grid = cells(found, engine, size, "max_error_ratio")
    assert grid.shape == (2, 2)
    for down, across in product(range(2), range(2)):
        mine = [
            index
            for index, values in enumerate(VALUES)
            if (values[0], values[2]) == ((8, 4)[down], ("manual", "onnx")[across])
        ]
        known = [findings[index] for index in mine]
        verdicts = [WAITING if f is None else ROW_VERDICTS.index(f.verdict) for f in known]
        assert grid.verdicts[down, across] == max(verdicts)
        assert grid.counts[down, across] == 3
        assert grid.done[down, across] == sum(f is not None for f in known)
        assert grid.rows[down, across] in mine
        chosen = findings[grid.rows[down, across]]
        assert severity(chosen) == max(severity(f) for f in known)
        expected = nan if chosen is None or chosen.max_error_ratio is None else chosen.max_error_ratio
        np.testing.assert_equal(grid.values[down, across], expected)
        assert grid.nan[down, across] == any(
            f is not None and f.max_error_ratio is not None and isnan(f.max_error_ratio) for f in known
        )


def test_a_map_of_some_rows_shows_no_others() -> None:
    found = figures([SweepResult("agree", max_error_ratio=float(index)) for index in range(12)])
    size, _, engine = found.dimensions
    grid = cells(found, size, None, "max_error_ratio", engine.codes == 0)
    assert grid.values.tolist() == [[4.0, 10.0]]
    assert grid.rows.tolist() == [[4, 10]]
    assert grid.counts.tolist() == [[3, 3]]


def test_a_worse_verdict_counts_more_among_equal_numbers() -> None:
    findings = [SweepResult(("drift", "agree", "disagree", "agree")[n % 4], max_error_ratio=2.0) for n in range(12)]
    found = figures(findings)
    grid = cells(found, found.dimensions[2], None, "max_error_ratio")
    assert grid.rows.tolist() == [[2, 1]]
    assert grid.verdicts.tolist() == [[3, 1]]


def test_values_that_never_meet_have_no_row() -> None:
    points = (Point(0, (1, "a"), None), Point(1, (1, "b"), None), Point(2, (2, "a"), None))
    found = SweepFigures(SweepTable(("seed", "engine"), tuple(SweepRow(point) for point in points)))
    found.put(SweepRow(points[0], SweepResult("agree")))
    grid = cells(found, found.dimensions[1], found.dimensions[0], "max_error_ratio")
    assert grid.rows.tolist() == [[0, 1], [2, NO_ROW]]
    assert grid.counts.tolist() == [[1, 1], [1, 0]]
    assert grid.done.tolist() == [[1, 0], [0, 0]]
    assert grid.verdicts.tolist() == [[1, WAITING], [WAITING, WAITING]]


def test_texts_are_ranked_by_the_alphabet_and_empty_ones_have_no_rank() -> None:
    assert np.array_equal(ranks(["b", "", "a", "b"]), [2.0, nan, 1.0, 2.0], equal_nan=True)


def test_the_limit_is_in_the_middle_of_the_colors() -> None:
    values = np.array([0.0, 1e-4, 1e-2, 1.0, 1e3, 1e6, inf, nan])
    found = color_range(values, 1.0).fractions(values)
    np.testing.assert_allclose(found, [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, nan])
    np.testing.assert_allclose(color_range(values, None).fractions(values), [0.0, 0.0, 0.2, 0.4, 0.7, 1.0, 1.0, nan])


@pytest.mark.parametrize("limit", [None, 1.0])
def test_a_range_of_one_number_or_none_is_drawn(limit: float | None) -> None:
    for values in (np.array([]), np.array([nan]), np.array([0.0]), np.array([1.0])):
        found = color_range(values, limit).fractions(values)
        assert ((found >= 0.0) & (found <= 1.0) | np.isnan(found)).all()


def test_the_words_of_a_sweep() -> None:
    rows = [row(index, SweepResult("agree")) for index in range(4)]
    rows += [row(4, SweepResult("disagree", "Small.", 2.0)), row(5, SweepResult("disagree", "Large.", nan))]
    rows += [row(6, SweepResult("failed", "Died.")), row(7, SweepResult("drift", "Moved.", 3.0))]
    assert (
        counted(SweepFigures(SweepTable(KEYS, tuple(rows))).counts)
        == "✔ 4 agree · ≈ 1 drift · ✘ 2 disagree · ! 1 failed"
    )
    assert called(KEYS, VALUES[4]) == "hidden_size 8, seed 2, engine manual"
    assert called(("network.path", "sequence.path"), ("a", True)) == "network.path a, sequence.path true"
    assert report(KEYS, rows).splitlines()[1:] == [
        "  ✘ hidden_size 8, seed 2, engine onnx: Large.",
        "  ✘ hidden_size 8, seed 2, engine manual: Small.",
        "  ! hidden_size 4, seed 0, engine manual: Died.",
        "  ≈ hidden_size 4, seed 0, engine onnx: Moved.",
    ]
    assert len(report(KEYS, [row(index, SweepResult("refused")) for index in range(12)]).splitlines()) == 12
