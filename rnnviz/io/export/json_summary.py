"""The results of a run as JSON."""

import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from rnnviz import __version__
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import BACKWARD
from rnnviz.core.number_format import json_number
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.io.config_toml import as_in_session
from rnnviz.io.outputs import atomic_write
from rnnviz.quantities.gradient_flow import gradient_flow
from rnnviz.text.causes import cause_of, fix_of
from rnnviz.text.verdict_details import first_line_in_source, unrecorded_arrays
from rnnviz.verify.audit import Audit, WrongStep
from rnnviz.verify.backward_result import (
    GradientAudit,
    GradientMismatch,
    WrongGradient,
    first_gradient_mismatch,
    gradient_place,
    mismatch_of,
)
from rnnviz.verify.compare import Comparison, GradientComparison, Mismatch
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import VERDICTS

Commands: TypeAlias = Callable[[Comparison], Sequence[str]]
"""The command lines that explain the differences of a candidate."""


def no_commands(_: Comparison) -> Sequence[str]:
    """No command: a run that does not come from the command line has no config's path."""
    return ()


def write_json(result: RunResult, path: Path, commands: Commands = no_commands) -> None:
    """Write `summary` as JSON text."""
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(result, commands), encoding="utf-8", errors="backslashreplace")


def json_text(result: RunResult, commands: Commands = no_commands) -> str:
    """`summary` as JSON text; it holds no bare NaN, which JSON does not know."""
    return as_in_session(json.dumps(summary(result, commands), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def summary(result: RunResult, commands: Commands = no_commands) -> dict[str, Any]:
    """The figures of the run: those of its worst candidate, and with several candidates all under "comparisons".

    If the reference ran alone, "candidate" is null, and no figure of a comparison is there.

    Of a run with a backward pass "backward" has the figures of the gradients, and "overall_verdict" is the worse one of
    the two verdicts. Of candidates with the same verdict the one with the worst gradients comes first.
    Numbers that are not finite are the texts "NaN", "Infinity" and "-Infinity".
    """
    each = [
        {**_of_comparison(result, comparison), "next": list(commands(comparison))} for comparison in result.comparisons
    ]
    ranks = [
        (VERDICTS.index(result.comparison_verdict(comparison)), VERDICTS.index(result.candidate_verdict(comparison)))
        for comparison in result.comparisons
    ]
    worst = each[ranks.index(max(ranks))] if each else _of_reference(result)
    figures = {**worst, "comparisons": each} if len(each) > 1 else worst
    if result.inputs.loss is None:
        return figures
    return {**figures, "overall_verdict": result.overall_verdict, "backward": _of_backward(result)}


def _of_reference(result: RunResult) -> dict[str, Any]:
    """The figures of a reference that ran alone."""
    engine = result.reference.engine
    return {"verdict": result.verdict, "reference": engine, "candidate": None, **_of_engines(result, (engine,))}


def _of_comparison(result: RunResult, comparison: Comparison) -> dict[str, Any]:
    cause = cause_of(result, comparison)
    return {
        "verdict": result.comparison_verdict(comparison),
        "cause": cause and cause.to_json(),
        "fix": fix_of(result, comparison),
        "reference": comparison.reference,
        "candidate": comparison.candidate,
        "elements": comparison.elements,
        "coverage": comparison.coverage,
        "mismatched": comparison.mismatched,
        "rtol": comparison.rtol,
        "atol": comparison.atol,
        "max_abs_error": {"value": json_number(comparison.max_abs_error), **comparison.max_abs_error_at.to_json()},
        "max_error_ratio": json_number(comparison.max_error_ratio),
        "max_ulp": comparison.max_ulp,
        "smallest_passing_atol": json_number(comparison.smallest_passing_atol),
        "first_mismatch": comparison.first_mismatch and _of_mismatch(comparison.first_mismatch),
        **({"arrays": {name: _of_array(own) for name, own in comparison.arrays.items()}} if comparison.arrays else {}),
        "nonfinite": {"reference": comparison.nonfinite_reference, "candidate": comparison.nonfinite_candidate},
        **_of_engines(result, (comparison.reference, comparison.candidate)),
    }


def _of_engines(result: RunResult, engines: tuple[str, ...]) -> dict[str, Any]:
    return {
        "checks": [
            {
                "name": check.name,
                "engine": check.engine,
                "holds": check.holds,
                "detail": check.detail,
                **({"known_issue": check.known_issue} if check.known_issue and not check.holds else {}),
            }
            for check in result.checks
            if check.engine in engines
        ],
        **_of_recordings(result, engines),
        **_of_judgement(result, engines),
        **({"lengths": list(result.inputs.lengths)} if result.inputs.lengths else {}),
        **({"assumptions": list(result.assumptions)} if result.assumptions else {}),
        "seconds": dict(result.seconds),
        "versions": versions(result),
    }


def _of_backward(result: RunResult) -> dict[str, Any]:
    """The figures of the gradients; audits are missing without an audit."""
    judgment = None if result.judgment is None else result.judgment.backward
    seconds = {name: s for name, s in result.seconds.items() if name.endswith(BACKWARD)}
    figures: dict[str, Any] = {
        "verdict": result.backward_verdict,
        "comparisons": [_of_gradients(result, comparison) for comparison in result.comparisons],
        "flow": _of_flow(result),
        "without_gradients": result.without_gradients,
        "seconds": {name.removesuffix(BACKWARD): own for name, own in seconds.items()},
    }
    if judgment is None:
        return figures
    return {
        **figures,
        "audit": {name: _of_gradient_audit(audit) for name, audit in judgment.audits.items()},
        "diagnosis": [" + ".join(names) for engine in judgment.diagnoses for names in judgment.diagnoses[engine]],
        "ambiguous": sum(judgment.ambiguous.values()),
        "undetectable": list(judgment.undetectable),
    }


def _of_flow(result: RunResult) -> dict[str, Any] | None:
    """The gradient flow of the first engine that gives it, over all samples."""
    found = gradient_flow(result)
    if found is None:
        return None
    lanes = []
    for layer, direction in found.lanes():
        flow, counts = found.of_lane(layer, direction), found.counts(layer, direction)
        lanes.append(
            {
                "layer": layer,
                "direction": DIRECTIONS[result.config.network.backward(direction)],
                "verdict": flow.verdict,
                "since": flow.since,
                "begins": flow.begins,
                "ends": flow.ends,
                "norm_at_begin": json_number(flow.at_begin),
                "norm_at_end": json_number(flow.at_end),
                "ratio": json_number(flow.ratio),
                "per_step": json_number(flow.per_step),
                "samples": {verdict: count for verdict, count in counts.items() if count},
            }
        )
    return {"engine": found.engine, "lanes": lanes}


def _of_gradients(result: RunResult, comparison: Comparison) -> dict[str, Any]:
    """The gradients of one candidate; without any of both engines the verdict is None."""
    network = result.config.network
    first = first_gradient_mismatch(comparison, network)
    return {
        "verdict": result.gradients_verdict(comparison),
        "reference": comparison.reference,
        "candidate": comparison.candidate,
        "first_mismatch": first and {"array": first.where.array, **_of_mismatch(first)},
        "arrays": {own.name: _of_gradient(own, network) for own in comparison.every_gradient},
    }


def _of_mismatch(first: Mismatch | GradientMismatch) -> dict[str, Any]:
    pair = {"reference": json_number(first.reference), "candidate": json_number(first.candidate)}
    return {**first.where.to_json(), **pair}


def _of_gradient(own: Comparison | GradientComparison, network: Network) -> dict[str, Any]:
    first = mismatch_of(own, network)
    return {
        "elements": own.elements,
        "mismatched": own.mismatched,
        "rtol": own.rtol,
        "atol": own.atol,
        "max_abs_error": {
            "value": json_number(own.max_abs_error),
            **gradient_place(own, own.max_abs_error_at, network).to_json(),
        },
        "max_error_ratio": json_number(own.max_error_ratio),
        "max_ulp": own.max_ulp,
        "first_mismatch": first and _of_mismatch(first),
        "nonfinite_apart": own.nonfinite_apart,
    }


def _of_gradient_audit(audit: GradientAudit) -> dict[str, Any]:
    wrong = audit.first_wrong
    return {
        "verdict": audit.verdict,
        "worst_ratio": json_number(audit.worst_ratio) if audit.audited else None,
        "first_wrong": wrong and {"array": wrong.where.array, **_of_step(wrong)},
        "coverage": audit.coverage,
        "undetermined": audit.undetermined,
    }


def _of_array(comparison: Comparison) -> dict[str, Any]:
    return {
        "elements": comparison.elements,
        "mismatched": comparison.mismatched,
        "max_abs_error": {"value": json_number(comparison.max_abs_error), **comparison.max_abs_error_at.to_json()},
        "max_error_ratio": json_number(comparison.max_error_ratio),
        "max_ulp": comparison.max_ulp,
        "first_mismatch": comparison.first_mismatch and _of_mismatch(comparison.first_mismatch),
    }


def versions(result: RunResult) -> dict[str, str]:
    """The versions of rnnviz, Python and NumPy, then of each engine, by name."""
    return {"rnnviz": __version__, "python": platform.python_version(), "numpy": np.__version__, **result.versions}


def _of_recordings(result: RunResult, engines: tuple[str, ...]) -> dict[str, Any]:
    """The arrays that recordings do not hold, of which no check speaks, and their types where not the network's."""
    missing = {name: arrays for name in engines if (arrays := unrecorded_arrays(result.traces[name]))}
    precisions = {name: kind for name in engines if (kind := result.traces[name].precision)}
    computed = {name: kind for name in engines if (kind := result.traces[name].computed_in)}
    said = {"unrecorded": missing, "recorded_as": precisions, "computed_in": computed}
    return {key: value for key, value in said.items() if value}


def _of_judgement(result: RunResult, engines: tuple[str, ...]) -> dict[str, Any]:
    """The audit of two engines; empty without an audit.

    "diagnosis" has the known bug that explains a wrong engine; bugs that explain it together are joined by +.
    "ambiguous" counts those that fit where none is named.
    """
    judgment = result.judgment
    if judgment is None:
        return {}
    return {
        "audit": {name: _of_audit(result, judgment.audits[name]) for name in engines},
        "diagnosis": [" + ".join(names) for engine in engines for names in judgment.diagnoses.get(engine, ())],
        "ambiguous": sum(judgment.ambiguous.get(engine, 0) for engine in engines),
        "undetectable": list(judgment.undetectable),
    }


def _of_audit(result: RunResult, audit: Audit) -> dict[str, Any]:
    wrong, line = audit.first_wrong, audit.first_line
    number = None if line is None else first_line_in_source(result, audit)
    return {
        "verdict": audit.verdict,
        "worst_ratio": json_number(audit.worst_ratio) if audit.audited else None,
        "first_wrong": None if wrong is None else _of_step(wrong),
        # Only a custom step that returns lines has them.
        **({"lines": list(audit.lines)} if audit.lines else {}),
        **({} if line is None else {"first_line": {"name": line.name, "line_number": number, **_of_step(line)}}),
        "coverage": audit.coverage,
        "undetermined": audit.undetermined,
    }


def _of_step(wrong: WrongStep | WrongGradient) -> dict[str, Any]:
    return {**wrong.where.to_json(), "value": json_number(wrong.value), "expected": json_number(wrong.expected)}
