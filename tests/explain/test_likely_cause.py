"""The arithmetic of a wrong value with the known bug that is its likely cause."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.placed import PlacedBugEngine
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.explain.explanation import Explanation
from rnnviz.explain.report import report, to_json
from rnnviz.verify.causes import explain_lanes, wrong_lanes
from rnnviz.verify.result import RunResult
from tests.cases import cases
from tests.explain.arithmetics import explain_at, stored_of
from tests.factories import Edit, make_result, with_judgment
from tests.oracles.computed import empty_trace

KINDS: list[tuple[str, dict[str, Any]]] = cases(__file__)["causes"]


def wrong_run(bug: str, edits: Mapping[str, Edit] | None = None, **network: Any) -> RunResult:
    """A run of an engine with a known bug, which the verdict names."""
    engine = f"bug:{bug}"
    return with_judgment(make_result(("manual", engine), edits=edits, **network), diagnoses={engine: ((bug,),)})


def wrong_values(result: RunResult, engine: str) -> Iterator[Explanation]:
    """The explanations of the values that differ from the engine's own arithmetic, of the first units."""
    for index in np.ndindex(result.shape[:4]):
        found = explain_at(result, Location(*index, 1))
        if not found.breakdowns[engine].right:
            yield found


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "network"), KINDS, ids=[bug for bug, _ in KINDS])
def test_every_wrong_value_follows_from_the_likely_cause(bug, network):
    engine = f"bug:{bug}"
    explained = list(wrong_values(wrong_run(bug, **network), engine))
    assert explained
    for found in explained:
        step = found.with_bugs[engine]
        assert step.bugs == (bug,)
        assert step.breakdown.right
        assert stored_of(step.breakdown) == stored_of(found.breakdowns[engine])


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["gates-i-f-o-g", "forget-bias-one", "state-not-carried"])
def test_a_recorded_hidden_state_alone_follows_from_the_likely_cause(bug):
    result, engine = wrong_run(bug, cell="lstm"), f"bug:{bug}"
    alone = result.traces[engine].with_arrays({"c": None})
    result = replace(result, traces={**result.traces, engine: alone})
    explained = list(wrong_values(result, engine))
    assert explained
    assert all(engine in found.with_bugs for found in explained)


def test_an_error_on_top_of_the_likely_cause_is_not_explained_by_it():
    where, engine = Location(timestep=2, unit=1), "bug:no-h2h-bias"

    def edit(trace):
        trace.hidden[where.index] += 0.01

    result = wrong_run("no-h2h-bias", {engine: edit})
    found = explain_at(result, where)
    assert found.with_bugs == {}
    assert found.causes == {engine: KNOWN_BUGS["no-h2h-bias"].cause}
    assert list(explain_at(result, where.moved(unit=2)).with_bugs) == [engine]


def test_two_known_bugs_together_are_applied_together():
    bugs, engine = ("no-h2h-bias", "gates-i-f-o-g"), "bug:no-h2h-bias"
    inputs = make_result(cell="lstm").inputs
    first, second = (KNOWN_BUGS[bug].faults(inputs.network)[0] for bug in bugs)
    both = first.together_with(second)
    assert both is not None
    made = faulty_trace(both, inputs)

    def edit(trace):
        for name, array in trace.items():
            array[...] = made[name]

    result = make_result(("manual", engine), edits={engine: edit}, cell="lstm")
    result = with_judgment(result, diagnoses={engine: (bugs,)})
    found = explain_at(result, Location(timestep=2, unit=1))
    assert found.with_bugs[engine].bugs == bugs


def test_the_first_step_of_an_engine_is_explained_in_text_and_json():
    """A step that reads the same values as the reference's: its lines agree, and its hidden value differs."""
    engine = "bug:reset-before-matmul"
    found = explain_at(wrong_run("reset-before-matmul", cell="gru"), Location(unit=1))
    divergence, step = found.divergences[engine], found.with_bugs[engine]
    assert divergence is not None
    assert divergence.step == "stored"
    assert len(found.sentences) == 2
    assert step.cause in found.sentences[-1]
    (line,) = [text for text in report(found).splitlines() if text.endswith("W_n (r · h[t-1]) + b_n)") and "=" in text][
        :1
    ]
    assert "n = tanh(u_n" in line
    cause = to_json(found)["engines"][engine]["likely_cause"]
    assert cause["bugs"] == ["reset-before-matmul"]
    assert cause["right"]
    assert cause["next"]["h"] == pytest.approx(to_json(found)["value"][engine], abs=1e-6)


@pytest.mark.parametrize(
    ("bug", "cell", "changed", "to_write"),
    [
        ("reset-before-matmul", "gru", ["n", "h"], "n = tanh(W_in x + b_in + r · (W_hn h[t-1] + b_hn))"),
        ("gates-i-f-o-g", "lstm", ["g", "o", "c", "h"], ""),
    ],
)
def test_the_lines_that_a_cause_changes_and_the_one_to_write(bug, cell, changed, to_write):
    engine = f"bug:{bug}"
    found = next(wrong_values(wrong_run(bug, cell=cell), engine))
    step, own = found.with_bugs[engine], found.breakdowns[engine]
    assert [line.name for line in step.changed(own)] == changed
    assert step.to_write(own) == to_write
    assert step.fixes == (KNOWN_BUGS[bug].fix,)


PLACES = "no-h2h-bias@direction=forward,from=2", "state-doubled@direction=backward,from=2"


def placed_run() -> RunResult:
    """A recording of hidden states with a bug in each direction, from the third computed step on."""
    result = make_result(("manual", "torch"), cell="lstm", bidirectional=True, timesteps=9, batch_size=3)
    hidden = []
    for direction, label in enumerate(PLACES):
        made = empty_trace(result.inputs, cell=False, engine=f"bug:{label}")
        PlacedBugEngine(f"bug:{label}").run(result.inputs, made, lambda _: None)
        hidden.append(made.hidden[:, direction])
    trace = replace(made, engine="torch").with_arrays({"h": np.stack(hidden, axis=1)})
    result = with_judgment(replace(result, traces={**result.traces, "torch": trace}))
    lanes = wrong_lanes(result.inputs, trace, result.judgment.audits["torch"].ratio_over_time)
    found = explain_lanes(result.inputs, trace, lanes)
    labels = tuple(cause.label for cause in found.causes)
    judgment = replace(result.judgment, diagnoses={"torch": (labels,)}, found={"torch": found.causes})
    return replace(result, judgment=judgment)


def test_each_lane_is_explained_by_its_own_cause_where_only_hidden_states_are_recorded():
    result = placed_run()
    assert [cause.where.directions for cause in result.judgment.causes_of("torch")] == [(0,), (1,)]
    explained = list(wrong_values(result, "torch"))
    assert len(explained) == 2 * 7 * 3
    for found in explained:
        own, step = found.breakdowns["torch"], found.with_bugs["torch"]
        (bug,) = step.bugs
        assert bug.partition("@")[0] == PLACES[own.place.location.direction].partition("@")[0]
        assert len(step.fixes) == 1
