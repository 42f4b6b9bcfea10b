"""Judgments on made results: real audits, and by decree what a test wants to be said beside them."""

from collections.abc import Mapping
from dataclasses import replace

from rnnviz.core.config import Config
from rnnviz.engines.faults.registry import KNOWN_BUGS
from rnnviz.verify.audit import audit
from rnnviz.verify.result import Judgment, RunResult

Diagnosis = tuple[tuple[str, ...], ...]


def evaluated(
    result: RunResult,
    *,
    coverage: float = 1.0,
    diagnoses: Mapping[str, Diagnosis] | None = None,
    blind: tuple[str, ...] = (),
    remedy: Config | None = None,
) -> RunResult:
    """The result with every step audited, whatever `coverage` says of it."""
    audits = {
        name: audit(result.inputs, trace, result.comparisons, traces=result.traces, full=True)
        for name, trace in result.traces.items()
    }
    audits = {name: replace(found, audited=max(1, round(coverage * found.elements))) for name, found in audits.items()}
    phrases = {name: mistake.phrase for name, mistake in KNOWN_BUGS.items()}
    return replace(result, judgment=Judgment(audits, diagnoses or {}, blind, remedy, phrases))
