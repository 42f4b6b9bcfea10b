"""Results of a run under their names in statements."""

from typing import Any

import numpy as np

from rnnviz.lessons.statements.errors import UnansweredError
from rnnviz.lessons.statements.symbols import CANDIDATE, REFERENCE
from rnnviz.verify.audit import Audit
from rnnviz.verify.result import Judgment, RunResult


def run_variable(result: RunResult, name: str) -> Any:
    """The value of one of the names in `OUTCOMES`.

    Raises
    ------
    UnansweredError
        If it takes an audit, and there was none.
    """
    match name:
        case "verdict":
            judgment(result)
            return result.verdict
        case "mismatched":
            return max(comparison.mismatched for comparison in result.comparisons)
        case "max_error_ratio":
            return max(comparison.max_error_ratio for comparison in result.comparisons)
        case "first_mismatch":
            found = (c.first_mismatch for c in result.comparisons if c.first_mismatch is not None)
            return next((tuple(mismatch.where.to_json().values()) for mismatch in found), ())
        case "wrong":
            return tuple(engine for engine in judgment(result).audits if result.wrong(engine))
        case "undetectable":
            return judgment(result).undetectable
        case "diagnosis":
            explanations = (names for found in judgment(result).diagnoses.values() for names in found)
            return tuple(dict.fromkeys(name for names in explanations for name in names))
        case "checks":
            return np.array([check.holds for check in result.checks], np.bool_)
        case "rtol":
            return max(comparison.rtol for comparison in result.comparisons)
        case "atol":
            return max(comparison.atol for comparison in result.comparisons)
    raise KeyError(f"{name} is not an outcome of a run")


def judgment(result: RunResult) -> Judgment:
    """The judgment of the run's audit. Raises an UnansweredError without one."""
    if result.judgment is None:
        raise UnansweredError("The steps of this run have not been audited yet.")
    return result.judgment


def audit_of(result: RunResult, engine: str) -> Audit:
    """The audit of one engine. Raises an UnansweredError if it was not audited."""
    audits = judgment(result).audits
    name = engine_name(result, engine)
    if name not in audits:
        raise UnansweredError(f"{name} was not audited: {', '.join(audits)} were.")
    return audits[name]


def engine_name(result: RunResult, engine: str) -> str:
    """The name of an engine of the run, which may be called the reference or the candidate.

    Raises
    ------
    UnansweredError
        If it was not run.
    """
    compare = result.config.compare
    name = {REFERENCE: compare.reference, CANDIDATE: compare.candidates[0]}.get(engine, engine)
    if name not in result.traces:
        raise UnansweredError(f"{name} was not run: this run holds {', '.join(result.traces)}.")
    return name
