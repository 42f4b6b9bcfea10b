"""Cases of single sentences whose texts are kept in `details.txt`."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import nextafter
from typing import Any

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.lane_audits import reasons
from rnnviz.text import verdict_details
from rnnviz.text.verdict_text import comparison_in_words
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.compare import Comparison, Mismatch
from rnnviz.verify.result import Judgment, RunResult
from tests.cases import cases
from tests.factories import make_result, setting, with_judgment

MINE = "/far/away/mine.py"
WRONG = setting((0, 0, 1, 0, 0), 9.0)
PLACE = Place.at("h", Location())


OTHERS: dict[str, Callable[[Comparison], Any]] = {
    "first_values": lambda comparison: verdict_details.first_values(comparison, comparison.first_mismatch),
    "comparison_in_words": comparison_in_words,
}
"""Functions that are not in `verdict_details`, or take more than a comparison."""


def fields_of(case: str) -> dict[str, Any]:
    given = (pair.split("=") for pair in case.split())
    return {
        name: json.loads(value) if "," not in value else Mismatch(PLACE, *map(float, value.split(",")))
        for name, value in given
    }


def lines() -> Iterator[str]:
    """A line for each case: the function, its fields and its text."""
    result = make_result(("gluon", MINE))
    for name, written in cases(__file__)["comparisons"].items():
        say = OTHERS.get(name) or getattr(verdict_details, name)
        for fields in map(fields_of, written):
            yield f"{name} {fields}: {said(say(replace(result.comparisons[0], **fields)))}"
    for count in range(5):
        failed = [replace(result.checks[0], name=f"check {n}") for n in range(count)]
        yield f"failed_checks {count}: {said(verdict_details.failed_checks(failed))}"
    for coverage in (0.0, 0.0009, 0.001, 0.0999, 0.1, 0.105, 0.3899, 0.99, 0.9911, nextafter(1.0, 0.0)):
        yield f"covered {coverage}: {verdict_details.covered(coverage)}"
    for missing in ((), ("state.h", "state.c"), ("h",), ("h", "out"), ("out",)):
        own = with_trace(result, missing=frozenset(missing))
        yield f"unrecorded {missing}: {said(verdict_details.unrecorded(own, ('gluon', MINE)))}"
    for fields in (
        {},
        {"precision": "float64"},
        {"precision": "float16"},
        {"precision": "bfloat16"},
        {"precision": "float16", "computed_in": "float32"},
        {"precision": "float16", "computed_in": "float16"},
        {"computed_in": "bfloat16"},
    ):
        own = with_trace(result, **fields)
        yield f"precisions {fields}: {said(verdict_details.precisions(own, ('gluon', MINE)))}"
    yield from of_audits(result)


def of_audits(result: RunResult) -> Iterator[str]:
    for fields in ({}, {"audited": 10}, {"audited": 0}, {"undetermined_count": 10}, {"undetermined_count": 40}):
        own = with_audit(result, **fields)
        yield f"audit_coverage {fields}: {said(verdict_details.audit_coverage(own, ('gluon', MINE)))}"
    yield f"audit_coverage off: {said(verdict_details.audit_coverage(result, ('gluon', MINE)))}"
    wrong = make_result(("gluon", MINE), edits={MINE: WRONG})
    yield f"audit_coverage off, mismatch: {said(verdict_details.audit_coverage(wrong, ('gluon', MINE)))}"
    step = with_audit(result, wrong=2, first_wrong=WrongValue(PLACE, 0.25001, 0.25))
    assert step.judgment is not None
    audits = list(step.judgment.audits.values())
    for proof in ({}, {MINE: 0.25002}):
        judged = replace(step.judgment, with_cause=proof)
        yield f"first_wrong_values: {said(verdict_details.first_wrong_values(judged, audits))}"
    yield f"reasons: {reasons(step)}"
    both = replace(step, judgment=replace(step.judgment, diagnoses={MINE: (("no-h2h-bias", "unknown"),)}))
    yield f"reasons: {reasons(both)}"
    yield f"fixes: {said(verdict_details.fixes(both, [MINE]))}"
    more = replace(result.config, sequence=replace(result.config.sequence, timesteps=9))
    for remedy in (None, more):
        blind = replace(result, judgment=Judgment(undetectable=("a", "b"), remedy=remedy))
        yield f"undetectable_bugs: {said(verdict_details.undetectable_bugs(blind))}"
    for count in (0, 1, 9):
        some = replace(result, judgment=Judgment(undetectable_changes=tuple(f"change-{k}" for k in range(count))))
        yield f"undetectable_changes: {said(verdict_details.undetectable_changes(some))}"


def said(text: str | Iterable[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


def with_trace(result: RunResult, **fields: Any) -> RunResult:
    """The result with other fields of the candidate's trace."""
    return replace(result, traces={**result.traces, MINE: replace(result[MINE], **fields)})


def with_audit(result: RunResult, **fields: Any) -> RunResult:
    """The result with an audit that has other fields for the candidate."""
    found = with_judgment(result)
    assert found.judgment is not None
    audits = {**found.judgment.audits, MINE: replace(found.judgment.audits[MINE], **fields)}
    return replace(found, judgment=replace(found.judgment, audits=audits))
