"""Expected values of a notebook, and whether it fails on a difference."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.io.export.notebook import recorded, tolerances
from tests.factories import make_result, with_judgment


def test_the_reference_of_a_right_run_has_to_be_met() -> None:
    known = recorded(with_judgment(make_result()))
    assert (known.trace.engine, known.insists, known.insists_on_gluon, known.why) == ("gluon", True, True, "")


def test_an_incomplete_recording_is_replaced_by_a_complete_engine() -> None:
    result = with_judgment(make_result(("recording:golden.npz", "manual")))
    assert recorded(result).trace.engine == "recording:golden.npz"
    golden = replace(result["recording:golden.npz"], missing=frozenset({"out"}))
    known = recorded(replace(result, traces={**result.traces, "recording:golden.npz": golden}))
    assert (known.trace.engine, known.insists) == ("manual", True)


def test_a_wrong_gluon_is_reported_and_not_required() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 2, 1, 3] += 0.5

    known = recorded(with_judgment(make_result(edits={"gluon": edit})))
    assert (known.trace.engine, known.insists, known.insists_on_gluon) == ("manual", True, False)
    assert "Gluon is wrong" in known.why


def test_two_right_engines_that_drift_are_not_required() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, -1, 1] = np.nextafter(trace.hidden[0, 0, -1, 1], 1)
        trace.output[-1, 1] = trace.state_h[0, 1] = trace.hidden[0, 0, -1, 1]

    result = with_judgment(make_result(edits={"manual": edit}, compare_with={"rtol": 0.0, "atol": 0.0}))
    assert result.verdict == "drift"
    known = recorded(result)
    assert (known.insists, known.insists_on_gluon) == (False, False)
    assert "differ by more than the tolerance" in known.why


@pytest.mark.parametrize(
    ("dtype", "asked", "taken"),
    [
        ("float32", {"rtol": 0.0, "atol": 0.0}, (1.3e-6, 1e-5)),
        ("float64", {"atol": 0.5}, (1e-7, 0.5)),
    ],
)
def test_the_tolerance_is_the_runs_but_no_stricter_than_the_dtypes(
    dtype: str, asked: dict[str, float], taken: tuple[float, float]
) -> None:
    result = make_result(dtype=dtype, compare_with=asked)
    assert tolerances(result, result.reference) == taken


def test_the_tolerance_of_a_coarser_recording_is_that_of_its_type() -> None:
    result = make_result(dtype="float32", compare_with={"rtol": 0.0})
    assert tolerances(result, replace(result.reference, precision="float16")) == (1e-3, 1e-5)
