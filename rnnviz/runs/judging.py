"""Who is right: the audit of every engine, the diagnosis of those that are wrong, and what the run could not show."""

from collections.abc import Callable, Mapping, Sequence

from rnnviz.analysis.audit import Audit, audit
from rnnviz.analysis.checks import Check
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.naming import shown_name
from rnnviz.analysis.result import Judgement
from rnnviz.engines.mistakes.catalogue import mistakes_of
from rnnviz.model.inputs import Inputs
from rnnviz.model.trace import Trace
from rnnviz.runs.diagnosis import diagnose
from rnnviz.runs.request import RunRequest
from rnnviz.runs.sensitivity import blind_to, remedy

_AUDIT, _DIAGNOSE = 0.85, 0.1


def judge(
    request: RunRequest,
    inputs: Inputs,
    traces: Mapping[str, Trace],
    comparisons: Sequence[Comparison],
    checks: Sequence[Check],
    tell: Callable[[str, float], None],
) -> Judgement:
    """Audit every engine of a computed run; `tell` gets what is being done and the fraction of this that is done."""
    audits: dict[str, Audit] = {}
    for place, (name, trace) in enumerate(traces.items()):

        def progress(done: float, name: str = name, place: int = place) -> None:
            tell(f"auditing {shown_name(name)}", _AUDIT * (place + done) / len(traces))

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
            tell(f"looking for what explains {shown_name(name)}", _AUDIT)
            diagnoses[name] = diagnose(inputs, trace, audits[name])
    tell("looking for mistakes that this run could not show", _AUDIT + _DIAGNOSE)
    blind = blind_to(inputs)
    cure = remedy(inputs, blind, request.load) if blind else None
    phrases = {mistake.name: mistake.phrase for mistake in mistakes_of(inputs.network)}
    return Judgement(audits, diagnoses, blind, cure, phrases)


def _apart(engine: str, comparisons: Sequence[Comparison]) -> bool:
    return any(c.mismatched for c in comparisons if engine in (c.reference, c.candidate))
