"""Expected values of a notebook, and whether it fails on a difference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace import Trace
from rnnviz.io.export.notebook import recorded, tolerances, write_notebook
from tests.factories import make_result, with_judgment
from tests.io.export.notebook.running import code_of, prose_of, run


def changed(index: tuple[int, ...], by: float) -> Callable[[Trace], None]:
    def edit(trace: Trace) -> None:
        trace.hidden[index] += by

    return edit


def unlike_in_the_last_digit(trace: Trace) -> None:
    trace.hidden[0, 0, -1, 1] = np.nextafter(trace.hidden[0, 0, -1, 1], 1)
    trace.output[-1, 1] = trace.state_h[0, 1] = trace.hidden[0, 0, -1, 1]


EXACT = {"rtol": 0.0, "atol": 0.0}
BUGS = "bug:no-h2h-bias", "bug:no-i2h-bias"
RUNS = {
    "right": ({}, ("gluon", True, True, "")),
    "gluon": ({"edits": {"gluon": changed((0, 0, 2, 1, 3), 0.5)}}, ("manual", True, False, "Gluon is wrong")),
    "drift": (
        {"edits": {"manual": unlike_in_the_last_digit}, "compare_with": EXACT},
        ("gluon", False, False, "differ by more than the tolerance"),
    ),
    "reference": ({"engines": (BUGS[0], "manual"), "cell": "gru"}, ("manual", True, True, "")),
    "all": ({"engines": BUGS, "cell": "gru"}, (BUGS[0], False, False, "Every engine of the run is wrong")),
    "recording": ({"engines": ("recording:golden.npz", "manual")}, ("manual", True, True, "")),
}


@pytest.mark.parametrize("name", RUNS)
def test_expected_values_are_those_of_an_engine_that_is_not_wrong(name: str, tmp_path: Path) -> None:
    made, (engine, insists, insists_on_gluon, why) = RUNS[name]
    result = with_judgment(make_result(**made))
    if name == "recording":
        assert recorded(result).trace.engine == "recording:golden.npz"
        golden = replace(result.reference, missing=frozenset({"out"}))
        result = replace(result, traces={**result.traces, "recording:golden.npz": golden})
    known = recorded(result)
    assert (known.trace.engine, known.insists, known.insists_on_gluon) == (engine, insists, insists_on_gluon)
    assert why in known.why
    assert bool(why) == bool(known.why)
    write_notebook(result, tmp_path / "run.ipynb")
    run(code_of(tmp_path / "run.ipynb"))
    assert f"computed by {display_name(engine)}" in prose_of(tmp_path / "run.ipynb")


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
    coarse = replace(result.reference, precision="float16")
    assert tolerances(result, coarse)[0] == 1e-3
