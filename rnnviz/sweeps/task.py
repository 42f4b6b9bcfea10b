"""One row of a sweep, computed by a supervised child process: the same wherever it is done."""

from concurrent.futures import CancelledError
from dataclasses import dataclass
from math import inf, nan

from rnnviz.core.config import Config
from rnnviz.core.inputs import Load
from rnnviz.execution.events import AuditMode, Cancelled, Failed, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor, new_request
from rnnviz.sweeps.results import FirstWrong, SweepResult
from rnnviz.text.verdict_text import plain, verdict_sentence
from rnnviz.verify.audit import Audit
from rnnviz.verify.result import RunResult


@dataclass(frozen=True)
class Task:
    """A row that is to be computed; it travels to other processes. `trusted` as in a `RunRequest`."""

    config: Config
    load: Load
    audit: AuditMode = "auto"
    trusted: frozenset[str] = frozenset()

    def request(self) -> RunRequest:
        """A request for it in this process."""
        return new_request(self.config, self.load, self.audit, self.trusted)


def find(request: RunRequest, supervisor: Supervisor) -> SweepResult:
    """Run a request and return its result; any failure, including an engine's crash, is a result.

    Raises
    ------
    CancelledError
        If the supervisor has stopped it.
    """
    for event in supervisor.events(request):
        match event:
            case Finished(_, result):
                return finding(result)
            case Failed(_, kind, sentence):
                return SweepResult("refused" if kind == "input" else "failed", sentence)
            case Cancelled():
                break
    raise CancelledError


def finding(result: RunResult) -> SweepResult:
    """The figures of a run with one candidate."""
    (comparison,) = result.comparisons
    audits = [] if result.judgment is None else [result.judgment.audits[name] for name in result.traces]
    return SweepResult(
        result.comparison_verdict(comparison),
        f"{plain(verdict_sentence(result, comparison.candidate).sentence).removesuffix('.')}.",
        comparison.max_error_ratio,
        comparison.max_abs_error,
        _largest([audit.worst_ratio for audit in audits]),
        _first_wrong(audits),
        dict(result.seconds),
        result.assumptions,
    )


def _largest(ratios: list[float]) -> float | None:
    if any(ratio != ratio for ratio in ratios):
        return nan
    return max((min(ratio, inf) for ratio in ratios), default=None)


def _first_wrong(audits: list[Audit]) -> FirstWrong | None:
    """That of the engine that goes wrong first in the order of the layers; of the reference, if both do at once."""
    wrong = [FirstWrong(audit.engine, audit.first_wrong.where) for audit in audits if audit.first_wrong is not None]
    return min(wrong, key=lambda first: first.where.layer, default=None)
