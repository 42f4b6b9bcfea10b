"""Judgements on made results: real audits, and by decree what a test wants to be said beside them."""

from collections.abc import Mapping
from dataclasses import replace

from rnnviz.analysis.audit import audit
from rnnviz.analysis.result import Judgement, RunResult
from rnnviz.engines.mistakes.catalogue import MISTAKES
from rnnviz.model.config import Config

Diagnosis = tuple[tuple[str, ...], ...]


def judged(
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
    phrases = {name: mistake.phrase for name, mistake in MISTAKES.items()}
    return replace(result, judgement=Judgement(audits, diagnoses or {}, blind, remedy, phrases))
