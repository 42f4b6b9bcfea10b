"""Who is right: the audit of every engine, the diagnosis of those that are wrong, and what the run could not show."""

from collections.abc import Callable, Mapping, Sequence

from rnnviz.core.display_names import display_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.faults.registry import known_bugs_of
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
    tell: Callable[[str, float], None],
) -> Judgment:
    """Audit every engine of a computed run; `tell` gets what is being done and the fraction of this that is done."""
    audits: dict[str, Audit] = {}
    for place, (name, trace) in enumerate(traces.items()):

        def progress(done: float, name: str = name, place: int = place) -> None:
            tell(f"auditing {display_name(name)}", _AUDIT * (place + done) / len(traces))

        audits[name] = audit(
            inputs,
            trace,
            comparisons,
            traces=traces,
            full=request.audit == "full",
            progress=progress,
            folder=trace.folder,
        )
    diagnoses = {}
    for name, trace in traces.items():
        # Two ways to compute that only drift apart say nothing about the one that is audited.
        broken = any(check.engine == name and not (check.holds or check.accumulates) for check in checks)
        unjudged = trace.partial or audits[name].undetermined_mismatches
        if audits[name].wrong or broken or (unjudged and _apart(name, comparisons)):
            tell(f"looking for what explains {display_name(name)}", _AUDIT)
            diagnoses[name] = diagnose(inputs, trace, audits[name])
    tell("looking for mistakes that this run could not show", _AUDIT + _DIAGNOSE)
    blind = undetectable(inputs)
    cure = suggested_config(inputs, blind, request.load) if blind else None
    phrases = {mistake.name: mistake.phrase for mistake in known_bugs_of(inputs.network)}
    return Judgment(audits, diagnoses, blind, cure, phrases)


def _apart(engine: str, comparisons: Sequence[Comparison]) -> bool:
    return any(c.mismatched for c in comparisons if engine in (c.reference, c.candidate))
