"""The figures of a run as JSON; `resources/schemas/summary.schema.json` describes each key."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from rnnviz import __version__
from rnnviz.core.engine_spec import BACKWARD, display_name
from rnnviz.core.number_format import json_number
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.dependence.gradient_flow import gradient_flow
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.text.verdict_details import first_line_in_source, unrecorded_arrays
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import ArrayComparison, Comparison, Mismatch
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.verdict import VERDICTS

Commands: TypeAlias = Callable[[Comparison], Sequence[str]]
"""The command lines that explain the differences of a candidate."""
Figures: TypeAlias = dict[str, Any]


def no_commands(_: Comparison) -> Sequence[str]:
    """A run that does not come from the command line has no config's path."""
    return ()


def summary(result: RunResult, commands: Commands = no_commands) -> Figures:
    """The worst comparison of a run by JSON keys, and all where there are several; `commands` explain differences.

    Of candidates with the same verdict the one with the worst gradients comes first.
    """
    each = [_candidate(result, comparison, commands) for comparison in result.comparisons]
    ranks = [
        (VERDICTS.index(result.comparison_verdict(comparison)), VERDICTS.index(result.candidate_verdict(comparison)))
        for comparison in result.comparisons
    ]
    found = dict(each[ranks.index(max(ranks))] if each else _reference(result))
    if len(each) > 1:
        found["comparisons"] = each
    if result.inputs.loss is not None:
        found |= {"overall_verdict": result.overall_verdict, "backward": _backward(result)}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    """A value with the names of numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(held) for held in value]
    return json_number(value) if isinstance(value, float) else value


def versions(result: RunResult) -> dict[str, str]:
    """The versions of rnnviz, Python and NumPy, then of each engine, by name."""
    return {"rnnviz": __version__, "python": platform.python_version(), "numpy": np.__version__, **result.versions}


def _cause(result: RunResult, comparison: Comparison) -> Figures | None:
    """The likely cause of the errors of a candidate, else of the reference's errors; of gradients after hidden states.

    None if neither is wrong, or no known bug reproduces the numbers.
    """
    judgments: tuple[PassJudgment, ...] = (result.judged("forward"), result.judged("backward"))
    for judgment, engine in product(judgments, (comparison.candidate, comparison.reference)):
        if cause := likely_cause(judgment, engine):
            return {
                "name": " + ".join(judgment.diagnoses[engine][0]),
                "engine": engine,
                "sentence": f"Likely cause of the errors of {display_name(engine)}: {cause}.",
            }
    return None


def _fix(result: RunResult, comparison: Comparison, cause: Figures | None) -> str | None:
    """The fix of each bug of the likely cause, else of a failed check, as a sentence; None without any."""
    if cause is not None:
        return " ".join(KNOWN_BUGS[bug].fix for bug in cause["name"].split(" + ") if bug in KNOWN_BUGS) or None
    failed = result.failed_checks(comparison.candidate, comparison.reference)
    return next((check.fix for check in failed if check.fix), None)


def _named(source: Any, *names: str) -> Figures:
    return {name: getattr(source, name) for name in names}


def _without_none(**figures: Any) -> Figures:
    return {name: value for name, value in figures.items() if value is not None}


def _reference(result: RunResult) -> Figures:
    engine = result.reference.engine
    return {"verdict": result.verdict, "reference": engine, "candidate": None, **_engines(result, (engine,))}


def _candidate(result: RunResult, comparison: Comparison, commands: Commands) -> Figures:
    cause = _cause(result, comparison)
    return {
        "verdict": result.comparison_verdict(comparison),
        "cause": cause,
        "fix": _fix(result, comparison, cause),
        **_named(comparison, "reference", "candidate"),
        **_array(comparison),
        **_named(comparison, "coverage", "smallest_passing_atol"),
        "nonfinite": {"reference": comparison.nonfinite_reference, "candidate": comparison.nonfinite_candidate},
        **_engines(result, (comparison.reference, comparison.candidate)),
        "next": commands(comparison),
        **_without_none(arrays={name: _array(own) for name, own in comparison.arrays.items()} or None),
    }


def _array(own: ArrayComparison) -> Figures:
    return {
        **_named(own, "elements", "mismatched", "rtol", "atol"),
        "max_abs_error": {"value": own.max_abs_error, **own.max_abs_error_place.to_json()},
        **_named(own, "max_error_ratio", "max_ulp"),
        "first_mismatch": own.first_mismatch and _differing(own.first_mismatch),
        "nonfinite_apart": own.nonfinite_apart,
    }


def _differing(first: Mismatch) -> Figures:
    return {**first.place.to_json(), **_named(first, "reference", "candidate")}


def _engines(result: RunResult, engines: tuple[str, ...]) -> Figures:
    """The results of engines that do not depend on a comparison."""
    traces = [result.traces[name] for name in engines]
    return {
        "checks": [
            {
                **_named(check, "name", "engine", "holds", "detail"),
                **({"known_issue": check.known_issue} if check.known_issue and not check.holds else {}),
            }
            for check in result.checks
            if check.engine in engines
        ],
        "seconds": result.seconds,
        "versions": versions(result),
        **_without_none(
            unrecorded={t.engine: missing for t in traces if (missing := unrecorded_arrays(t))} or None,
            recorded_as={t.engine: t.precision for t in traces if t.precision} or None,
            computed_in={t.engine: t.computed_in for t in traces if t.computed_in} or None,
            **_judged(result, result.judgment, engines),
            lengths=result.inputs.lengths or None,
            assumptions=result.assumptions or None,
        ),
    }


def _judged(result: RunResult, judgment: PassJudgment | None, engines: Iterable[str]) -> Figures:
    """The audit of some engines, and the known bugs that explain a wrong one."""
    if judgment is None:
        return {}
    return {
        "audit": {name: _audit(result, judgment.audits[name]) for name in engines},
        "diagnosis": [" + ".join(names) for engine in engines for names in judgment.diagnoses.get(engine, ())],
        "ambiguous": sum(judgment.ambiguous.get(engine, 0) for engine in engines),
        "undetectable": judgment.undetectable,
    }


def _audit(result: RunResult, audit: Audit) -> Figures:
    found = {
        "verdict": audit.verdict,
        "worst_ratio": audit.worst_ratio if audit.audited else None,
        "first_wrong": None,
        **_named(audit, "coverage", "undetermined"),
    }
    if (first := audit.first_wrong) is not None:
        array = {"array": first.where.array} if first.where.is_gradient else {}
        found["first_wrong"] = {**first.where.to_json(), **_named(first, "value", "expected"), **array}
    if audit.lines:
        found["lines"] = audit.lines
    if (line := audit.first_line) is not None:
        named = {"name": line.name, "line_number": first_line_in_source(result, audit)}
        found["first_line"] = {**named, **line.where.to_json(), **_named(line, "value", "expected")}
    return found


def _backward(result: RunResult) -> Figures:
    judgment = None if result.judgment is None else result.judgment.backward
    return {
        "verdict": result.backward_verdict,
        "comparisons": [_gradients(result, comparison) for comparison in result.comparisons],
        "flow": _flow(result),
        "without_gradients": result.without_gradients,
        "seconds": {
            name.removesuffix(BACKWARD): own for name, own in result.seconds.items() if name.endswith(BACKWARD)
        },
        **_judged(result, judgment, () if judgment is None else judgment.audits),
    }


def _gradients(result: RunResult, comparison: Comparison) -> Figures:
    first = comparison.first_gradient_mismatch
    return {
        "verdict": result.gradients_verdict(comparison),
        **_named(comparison, "reference", "candidate"),
        "first_mismatch": first and {**_differing(first), "array": first.place.array},
        "arrays": {name: _array(own) for name, own in comparison.gradients.items()},
    }


def _flow(result: RunResult) -> Figures | None:
    """The gradient flow of the first engine that gives it."""
    found, network = gradient_flow(result), result.config.network
    if found is None:
        return None
    lanes = []
    for layer, direction in found.lanes():
        flow, counts = found.of_lane(layer, direction), found.counts(layer, direction)
        lanes.append(
            {
                "layer": layer,
                "direction": DIRECTIONS[network.backward(direction)],
                **_named(flow, "verdict", "since", "begins", "ends"),
                "norm_at_begin": flow.at_begin,
                "norm_at_end": flow.at_end,
                **_named(flow, "ratio", "per_step"),
                "samples": {verdict: count for verdict, count in counts.items() if count},
            }
        )
    return {"engine": found.engine, "lanes": lanes}
