"""The likely cause of a candidate's errors and what to change, as scripts read them."""

from collections.abc import Iterator

from rnnviz.core.engine_spec import display_name
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.frozen import dataclass
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import PassJudgment, RunResult

_SENTENCE = "Likely cause of the errors of {engine}: {cause}."


@dataclass(frozen=True)
class Cause:
    """Likely cause: the known bug, or bugs joined by +, that reproduces all numbers of a wrong engine, or all its
    gradients."""

    name: str
    engine: str
    sentence: str


def cause_of(result: RunResult, comparison: Comparison) -> Cause | None:
    """The likely cause of the errors of a candidate, else of those of the reference; of gradients after hidden states.

    None if neither is wrong, or no known bug reproduces the numbers.
    """
    return next(_causes(result, comparison), None)


def fix_of(result: RunResult, comparison: Comparison) -> str | None:
    """The fix of each bug of the likely cause, else of a failed check, as a sentence; None without any."""
    cause = cause_of(result, comparison)
    if cause is not None:
        return " ".join(KNOWN_BUGS[bug].fix for bug in cause.name.split(" + ") if bug in KNOWN_BUGS) or None
    failed = result.failed_checks(comparison.candidate, comparison.reference)
    return next((check.fix for check in failed if check.fix), None)


def _causes(result: RunResult, comparison: Comparison) -> Iterator[Cause]:
    judgments: tuple[PassJudgment, ...] = (result.judged("forward"), result.judged("backward"))
    for judgment in judgments:
        for engine in (comparison.candidate, comparison.reference):
            cause = likely_cause(judgment, engine)
            if cause:
                sentence = _SENTENCE.format(engine=display_name(engine), cause=cause)
                yield Cause(" + ".join(judgment.diagnoses[engine][0]), engine, sentence)
