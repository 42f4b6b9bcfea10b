"""Step audit of every engine, diagnosis of wrong engines, and undetectable bugs of a run."""

from collections.abc import Callable, Mapping, Sequence

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.faults.registry import known_bugs_of
from rnnviz.execution.events import Stage, StageKind
from rnnviz.execution.request import RunRequest
from rnnviz.verify.audit import Audit, audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.diagnosis import diagnose
from rnnviz.verify.fault_coverage import suggested_config, undetectable
from rnnviz.verify.invariants import Check
from rnnviz.verify.result import Judgment

_AUDIT, _DIAGNOSE = 0.85, 0.1


def evaluate(
    request: RunRequest,
    inputs: Inputs,
    traces: Mapping[str, Trace],
    comparisons: Sequence[Comparison],
    checks: Sequence[Check],
    notify: Callable[[Stage, float], None],
) -> Judgment:
    """Audit every engine of a computed run.

    Parameters
    ----------
    request : RunRequest
        The request.
    inputs : Inputs
        Sequence (T, N, I), parameters and initial state.
    traces : mapping of str to Trace
        Traces by engine.
    comparisons : sequence of Comparison
        One for each candidate.
    checks : sequence of Check
        Consistency checks of all engines.
    notify : callable
        Gets the stage and the fraction of it that is done.

    Returns
    -------
    Judgment
        Audits, diagnoses and undetectable bugs.
    """
    audits: dict[str, Audit] = {}
    for place, (name, trace) in enumerate(traces.items()):

        def progress(done: float, name: str = name, place: int = place) -> None:
            notify(Stage(StageKind.AUDITING, name), _AUDIT * (place + done) / len(traces))

        audits[name] = audit(
            inputs,
            trace,
            comparisons,
            traces=traces,
            full=request.audit == "full",
            progress=progress,
            folder=trace.folder,
        )
    known = {(check.engine, check.name) for check in checks}
    added = tuple(c for found in audits.values() for c in found.checks if (c.engine, c.name) not in known)
    diagnoses = {}
    for name, trace in traces.items():
        # Two ways to compute that only drift apart say nothing about the one that is audited.
        broken = any(check.engine == name and not (check.holds or check.accumulates) for check in (*checks, *added))
        unjudged = trace.partial or audits[name].undetermined_mismatches
        if audits[name].wrong or broken or (unjudged and _apart(name, comparisons)):
            notify(Stage(StageKind.DIAGNOSING, name), _AUDIT)
            diagnoses[name] = diagnose(inputs, trace, audits[name])
    notify(Stage(StageKind.TESTING_BUGS), _AUDIT + _DIAGNOSE)
    blind = undetectable(inputs)
    cure = suggested_config(inputs, blind, request.load) if blind else None
    causes = {bug.name: bug.cause for bug in known_bugs_of(inputs.network)}
    return Judgment(audits, diagnoses, blind, cure, causes, added)


def _apart(engine: str, comparisons: Sequence[Comparison]) -> bool:
    return any(c.mismatched for c in comparisons if engine in (c.reference, c.candidate))
