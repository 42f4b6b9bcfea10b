"""Cases of single sentences whose texts are kept in `details.txt`."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import nextafter
from typing import Any

from rnnviz.core.number_format import UNDEFINED_ULP
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.audit_rows import audit_rows, tolerance_remark
from rnnviz.text import verdict_details
from rnnviz.text.verdict_text import comparison_in_words
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.compare import Comparison, Mismatch
from rnnviz.verify.result import Judgment, RunResult
from tests.factories import make_result, setting, with_judgment

MINE = "/far/away/mine.py"
WRONG = setting((0, 0, 1, 0, 0), 9.0)
PLACE = Place.at("h", Location())


def first_values(comparison: Comparison) -> Iterator[str]:
    return verdict_details.first_values(comparison, comparison.first_mismatch)


COMPARISONS: dict[Any, tuple[str, ...]] = {
    verdict_details.mismatches: ("mismatched=1234", "mismatched=1 elements=9 unrecorded=3"),
    verdict_details.compared: ("elements=9600", "elements=1000 unrecorded=2000"),
    verdict_details.size_of_difference: (
        *("", "mismatched=1 max_abs_error=0.25", "mismatched=2 max_abs_error=0.25", "mismatched=2 nonfinite_apart=2"),
        "mismatched=3 nonfinite_apart=2 max_abs_error=0.25",
    ),
    verdict_details.values_and_error: (
        *("", "max_abs_error=3e-8", "elements=10 unrecorded=30", "elements=10 unrecorded=30 max_abs_error=3e-8"),
    ),
    first_values: ("", "first_mismatch=0.25,-1.5"),
    verdict_details.numbers: (
        *("", "nonfinite_reference=1200 nonfinite_apart=1200", "nonfinite_reference=2 nonfinite_candidate=2"),
        *("smallest_passing_atol=0.1201", "smallest_passing_atol=0.1201 mismatched=1"),
        "smallest_passing_atol=0.1201 nonfinite_apart=1 mismatched=1",
        *("max_ulp=7", "max_ulp=7 mismatched=1", f"max_ulp={UNDEFINED_ULP} mismatched=1"),
    ),
    verdict_details.tolerance: (
        *("max_error_ratio=1.0", "max_error_ratio=0.0059", "max_error_ratio=1.5", "max_error_ratio=12345.0"),
        *(
            "max_error_ratio=1.2e9",
            "atol=0.0 rtol=0.0 max_error_ratio=0.0",
            "atol=0.0 rtol=0.0 max_error_ratio=Infinity",
        ),
        *("atol=0.0 rtol=0.5 max_error_ratio=Infinity", "atol=5e-324 rtol=0.0 max_error_ratio=Infinity"),
    ),
    tolerance_remark: ("nonfinite_apart=1", "nonfinite_apart=1200", "", "smallest_passing_atol=0.5"),
    comparison_in_words: ("mismatched=1 max_abs_error=0.25", "max_abs_error=3e-8"),
}
"""By the function that says it: the fields of a comparison in each case."""


def fields_of(case: str) -> dict[str, Any]:
    given = (pair.split("=") for pair in case.split())
    return {
        name: json.loads(value) if "," not in value else Mismatch(PLACE, *map(float, value.split(",")))
        for name, value in given
    }


def lines() -> Iterator[str]:
    """A line for each case: the function, its fields and its text."""
    result = make_result(("gluon", MINE))
    for say, cases in COMPARISONS.items():
        for fields in map(fields_of, cases):
            comparison = replace(result.comparisons[0], **fields)
            yield f"{say.__name__} {fields}: {said(say(comparison))}"
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
    yield f"first_wrong_values: {said(verdict_details.first_wrong_values(audits))}"
    yield f"audit_rows: {[row.reason for row in audit_rows(step)]}"
    both = replace(step, judgment=replace(step.judgment, diagnoses={MINE: (("no-h2h-bias", "unknown"),)}))
    yield f"audit_rows: {[row.reason for row in audit_rows(both)]}"
    more = replace(result.config, sequence=replace(result.config.sequence, timesteps=9))
    for remedy in (None, more):
        blind = replace(result, judgment=Judgment(undetectable=("a", "b"), remedy=remedy))
        yield f"undetectable_bugs: {said(verdict_details.undetectable_bugs(blind))}"


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
