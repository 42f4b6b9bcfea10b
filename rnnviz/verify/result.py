"""Result of a run: inputs, traces, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_users
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import no_gradients_reason
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.causes import Cause, Nearest
from rnnviz.verify.compare import ArrayComparison, Comparison, Displayed
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.patterns import Pattern
from rnnviz.verify.verdict import VERDICTS, AuditVerdict, PassName, Verdict


@dataclass(frozen=True)
class PassJudgment:
    """Results of the audit of one pass. `diagnoses` by wrong engine: at most one tuple of known bugs that together
    explain its trace. `ambiguous` counts, by engine, the known bugs that fit where its numbers do not distinguish them,
    so that none is named. `undetectable` names the known bugs that this config could not reveal, and, after a full
    audit, `undetectable_changes` the engines of other changes of lanes and gates. `causes` has the noun phrases of this
    network's known bugs, and of the causes that were found. By wrong engine, `found` has these causes with their
    places, `nearest` the change that comes nearest where there is none, and `patterns` which values are wrong, and
    `with_cause` the first wrong value as it follows with the causes. `checks` are those that the audits made of cell
    states, but for engines whose cell states were checked before."""

    audits: Mapping[str, Audit] = field(default_factory=dict)
    diagnoses: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    undetectable: tuple[str, ...] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    ambiguous: Mapping[str, int] = field(default_factory=dict)
    found: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)
    nearest: Mapping[str, Nearest] = field(default_factory=dict)
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    undetectable_changes: tuple[str, ...] = ()
    with_cause: Mapping[str, float] = field(default_factory=dict)

    def cause(self, bug: str) -> str:
        """The noun phrase of a known bug, or its name."""
        return self.causes.get(bug, bug)

    def causes_of(self, engine: str) -> tuple[Cause, ...]:
        """The causes of a wrong engine, which are all needed."""
        named = self.diagnoses.get(engine, ())
        return self.found.get(engine) or tuple(Cause(name) for name in named[0]) if named else ()


@dataclass(frozen=True)
class Judgment(PassJudgment):
    """Results of the audit: of the forward pass, and in `backward` of the backward pass; None without one. `remedy` is
    the config with the smallest change that could reveal the undetectable bugs, if there is one."""

    remedy: Config | None = None
    backward: PassJudgment | None = None


@dataclass(frozen=True, eq=False, repr=False)
class RunResult(Displayed):
    """Everything that the views show and the files export. `traces` holds the reference first; `seconds` every engine's
    time and what else it timed; `extents` the largest finite magnitude of each engine's hidden values and of the
    "input"; `folder` is where the arrays lie, which vanishes when the result is no longer used; `printed` is what a
    user's engines printed, and `sources` the text of custom steps and cells, by path; `judgment` is None until the
    steps have been audited."""

    request_id: int
    inputs: Inputs
    traces: Mapping[str, Trace]
    comparisons: tuple[Comparison, ...]
    checks: tuple[Check, ...]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    extents: Mapping[str, float]
    folder: Path
    printed: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    judgment: Judgment | None = None

    def __getitem__(self, engine: str) -> Trace:
        """The trace of one engine."""
        if engine not in self.traces:
            raise KeyError(f"{engine} was not run: this run holds {', '.join(self.traces)}")
        return self.traces[engine]

    @property
    def config(self) -> Config:
        """The config as it was run."""
        return self.inputs.config

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of time steps of each sample; the later ones are padding."""
        return tuple(map(self.inputs.length, range(self.inputs.batch_size)))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The clauses that a run of a model file takes for granted; empty for other runs."""
        return self.inputs.assumptions

    @property
    def reference(self) -> Trace:
        """The trace that the others are compared with."""
        return self.traces[self.config.compare.reference]

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        return self.inputs.hidden_shape

    def comparison(self, candidate: str) -> Comparison:
        """The comparison of one candidate with the reference."""
        for comparison in self.comparisons:
            if comparison.candidate == candidate:
                return comparison
        held = ", ".join(c.candidate for c in self.comparisons)
        raise KeyError(f"{candidate} was not compared with {self.reference.engine}: {held} were")

    def judged(self, way: PassName) -> PassJudgment:
        """The results of the audit of a pass; empty ones without an audit."""
        found = self.judgment if self.judgment is None or way == "forward" else self.judgment.backward
        return PassJudgment() if found is None else found

    def comparison_verdict(self, comparison: Comparison) -> Verdict:
        """The verdict on the hidden states of one candidate."""
        return self._verdict(comparison, "forward")

    def gradients_verdict(self, comparison: Comparison) -> Verdict | None:
        """The verdict on the gradients of one candidate; None if one of the two engines has none."""
        pair = {comparison.reference, comparison.candidate}
        return self._verdict(comparison, "backward") if pair <= set(self.gradient_engines) else None

    def candidate_verdict(self, comparison: Comparison) -> Verdict:
        """The worse one of the verdicts on one candidate and on its gradients."""
        return _worst([self.comparison_verdict(comparison), self.gradients_verdict(comparison) or Verdict.AGREE])

    def _verdict(self, comparison: Comparison, way: PassName) -> Verdict:
        """The verdict on a pass of one candidate. Disagree if either engine is wrong, or numbers that are not finite
        are in different places; drift if every step is correct and the accumulated difference still passes the
        tolerance; else agree. A difference is disagree without an audit, as no one knows who is correct, and where a
        value outside the tolerance is undetermined in either engine, since an error may be hidden there."""
        pair, arrays = (comparison.reference, comparison.candidate), compared(comparison, way)
        if any(own.nonfinite_apart for own in arrays) or any(self.wrong(engine, way) for engine in pair):
            return Verdict.DISAGREE
        if not any(own.mismatched for own in arrays):
            return Verdict.AGREE
        audits = [(self.judged(way).audits.get(engine), other) for engine, other in (pair, pair[::-1])]
        judged = all(audit and audit.verdict is AuditVerdict.RIGHT for audit, _ in audits)
        undetermined = any(audit.undetermined_mismatches.get(other) for audit, other in audits if audit)
        return Verdict.DISAGREE if not judged or comparison.unrecorded or undetermined else Verdict.DRIFT

    def wrong(self, engine: str, way: PassName = "forward") -> bool:
        """Whether a pass of an engine is known to be wrong: a step outside its bound, or a check that does not hold."""
        audit = self.judged(way).audits.get(engine)
        if audit is not None and audit.wrong:
            return True
        return any(not self._drifts(check, way) for check in self.failed_checks(engine, way=way))

    def failed_checks(self, *engines: str, way: PassName = "forward") -> list[Check]:
        """The failed checks of a pass of some engines."""
        of_gradients = way == "backward"
        return [c for c in self.checks if c.engine in engines and c.fails and c.of_gradients == of_gradients]

    def _drifts(self, check: Check, way: PassName) -> bool:
        """Whether a broken check of an engine's second way to compute is what the network does to any two engines."""
        audited = self.judgment is not None and (way == "forward" or self.judgment.backward is not None)
        apart = not self.comparisons or any(own.mismatched for c in self.comparisons for own in compared(c, way))
        return check.accumulates and audited and apart

    @property
    def first_fault(self) -> tuple[str, Location] | None:
        """The first wrong engine, candidates first, with its first wrong step; else the first mismatch, or None."""
        return self.fault_in(self.by_importance)

    def fault_in(self, comparisons: Sequence[Comparison]) -> tuple[str, Location] | None:
        """The `first_fault` of some comparisons."""
        audits = self.judged("forward").audits
        for engine in (*(comparison.candidate for comparison in comparisons), self.reference.engine):
            audit = audits.get(engine)
            if audit is not None and audit.first_location is not None and self.wrong(engine):
                return engine, audit.first_location
        found = ((c.candidate, c.first_mismatch) for c in comparisons)
        return next(((candidate, first.where) for candidate, first in found if first is not None), None)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict on any candidate, of the forward pass; of one engine alone, disagree if it is wrong."""
        return self._pass_verdict("forward", tuple(self.traces))

    @property
    def backward_verdict(self) -> Verdict | None:
        """The worst verdict on the gradients of any candidate; None without gradients."""
        return self._pass_verdict("backward", self.gradient_engines) if self.has_gradients else None

    @property
    def overall_verdict(self) -> Verdict:
        """The worse one of the verdicts on the forward pass and on the gradients."""
        return _worst([self.verdict, self.backward_verdict or Verdict.AGREE])

    def _pass_verdict(self, way: PassName, engines: tuple[str, ...]) -> Verdict:
        wrong = [Verdict.DISAGREE for engine in engines if self.wrong(engine, way)]
        pairs = [c for c in self.comparisons if {c.reference, c.candidate} <= set(engines)]
        return _worst([*wrong, *(self._verdict(comparison, way) for comparison in pairs)])

    @property
    def by_importance(self) -> list[Comparison]:
        """The comparisons, the worst verdict first; among equal ones the implementation of the user first."""

        def key(comparison: Comparison) -> tuple[int, bool]:
            own = is_users(comparison.candidate)
            return -VERDICTS.index(self.candidate_verdict(comparison)), not own

        return sorted(self.comparisons, key=key)

    @property
    def has_gradients(self) -> bool:
        """Whether any engine computed a backward pass."""
        return bool(self.gradient_engines)

    @property
    def gradient_engines(self) -> tuple[str, ...]:
        """The engines that computed a backward pass, in the order of the traces."""
        return tuple(engine for engine, trace in self.traces.items() if trace.has_gradients)

    @property
    def without_gradients(self) -> dict[str, str]:
        """Why the other engines have no gradients, in a clause, by engine; empty if the run has no backward pass."""
        if self.inputs.loss is None:
            return {}
        return {engine: no_gradients_reason(engine) for engine, trace in self.traces.items() if not trace.has_gradients}


def compared(comparison: Comparison, way: PassName) -> Sequence[ArrayComparison]:
    """The comparisons on which the verdict on a pass depends."""
    if way == "backward":
        return [*comparison.gradients.values()]
    return [comparison] if comparison.head is None else [comparison, comparison.head]


def _worst(verdicts: list[Verdict]) -> Verdict:
    return max(verdicts, key=VERDICTS.index, default=Verdict.AGREE)
