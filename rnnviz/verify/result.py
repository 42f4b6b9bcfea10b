"""Result of a run: inputs, traces, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_own, is_recording
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import no_gradients_reason
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.backward_result import BackwardJudgment
from rnnviz.verify.compare import Comparison, Displayed
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.verdict import VERDICTS, AuditVerdict, Verdict


@dataclass(frozen=True)
class Judgment:
    """Results of the step audit.

    `audits` by engine. `diagnoses` by wrong engine: at most one tuple of names of known bugs that together explain its
    trace. `ambiguous` counts, by engine, the known bugs that fit where its numbers do not distinguish them, so that
    none is named. `undetectable` names the known bugs that this config could not reveal; `remedy` is the config with
    the smallest change that could, if there is one. `causes` maps known bugs of this network to their noun phrases.
    `checks` are those that the audits made of cell states, but for engines whose cell states were checked before.
    `backward` has the results of the backward pass; None without one.
    """

    audits: Mapping[str, Audit]
    diagnoses: Mapping[str, tuple[tuple[str, ...], ...]]
    undetectable: tuple[str, ...]
    remedy: Config | None
    causes: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    backward: BackwardJudgment | None = None
    ambiguous: Mapping[str, int] = field(default_factory=dict)

    def cause(self, bug: str) -> str:
        """The noun phrase of a known bug, or its name."""
        return self.causes.get(bug, bug)


@dataclass(frozen=True, eq=False, repr=False)
class RunResult(Displayed):
    """Everything that the views show and the files export.

    `traces` holds the reference first; `seconds` every engine's time and what else it timed; `extents` the
    largest finite magnitude of each engine's hidden values and of the "input"; `folder` is where the arrays
    lie, which vanishes when the result is no longer used; `printed` is what a user's engines printed, and
    `sources` has the text of the user's custom steps and cell, by path; `judgment` is None until the steps have been
    audited, and stays None if they are not to be.
    """

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

    def comparison_verdict(self, comparison: Comparison) -> Verdict:
        """The verdict on one candidate.

        Disagree if either engine is wrong, or numbers that are not finite are in different places; drift if
        every step is correct and the accumulated difference still passes the tolerance; else agree. Without an
        audit, as where a recording lacks steps, no one knows who is correct, and a difference above the tolerance
        is disagree. So it is if a value outside the tolerance is undetermined in either engine, since an error
        may be hidden there. Undetermined values in which the engines agree make no such difference: within the
        tolerance, they are as near each other as those from which a network drifts.
        """
        if comparison.nonfinite_apart or any(self.wrong(e) for e in (comparison.reference, comparison.candidate)):
            return Verdict.DISAGREE
        if comparison.mismatched:
            unknown = self.judgment is None or comparison.unrecorded or self.undetermined_mismatches(comparison)
            return Verdict.DISAGREE if unknown else Verdict.DRIFT
        return Verdict.AGREE

    def undetermined_mismatches(self, comparison: Comparison) -> int:
        """How many of the values outside the tolerance are undetermined in one of the engines, or in each of them."""
        if self.judgment is None:
            return 0
        pair = comparison.reference, comparison.candidate
        audits = [(self.judgment.audits.get(engine), other) for engine, other in (pair, pair[::-1])]
        return max((audit.undetermined_mismatches.get(other, 0) for audit, other in audits if audit), default=0)

    def wrong(self, engine: str) -> bool:
        """Whether an engine is known to be wrong: a step outside its bound, or a check that does not hold."""
        audit = None if self.judgment is None else self.judgment.audits.get(engine)
        if audit is not None and audit.wrong:
            return True
        return any(not self._drifts(check) for check in self.failed_checks(engine))

    @property
    def first_fault(self) -> tuple[str, Location] | None:
        """The first engine that is known to be wrong, candidates first, and its first wrong step; else the first
        candidate with a mismatch, and the first one; None where neither is known."""
        return self.fault_in(self.by_importance)

    def fault_in(self, comparisons: Sequence[Comparison]) -> tuple[str, Location] | None:
        """The `first_fault` of some comparisons."""
        audits = {} if self.judgment is None else self.judgment.audits
        for engine in (*(comparison.candidate for comparison in comparisons), self.reference.engine):
            audit = audits.get(engine)
            if audit is not None and audit.first_location is not None and self.wrong(engine):
                return engine, audit.first_location
        found = ((c.candidate, c.first_mismatch) for c in comparisons)
        return next(((candidate, first.where) for candidate, first in found if first is not None), None)

    def failed_checks(self, *engines: str, of_gradients: bool = False) -> list[Check]:
        """The failed checks of some engines: those of the forward pass, or those of gradients."""
        return [c for c in self.checks if c.engine in engines and c.fails and c.of_gradients == of_gradients]

    def _drifts(self, check: Check) -> bool:
        """Whether a broken check of an engine's second way to compute is what the network does to any two engines."""
        apart = not self.comparisons or any(c.mismatched for c in self.comparisons)
        return check.accumulates and self.judgment is not None and apart

    @property
    def verdict(self) -> Verdict:
        """The worst verdict on any candidate, of the forward pass; of one engine alone, disagree if it is wrong."""
        wrong = [Verdict.DISAGREE for engine in self.traces if self.wrong(engine)]
        return _worst([*wrong, *map(self.comparison_verdict, self.comparisons)])

    @property
    def by_importance(self) -> list[Comparison]:
        """The comparisons, the worst verdict first; among equal ones recordings and custom steps first."""

        def key(comparison: Comparison) -> tuple[int, bool]:
            own = is_recording(comparison.candidate) or is_own(comparison.candidate)
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

    @property
    def backward_judgment(self) -> BackwardJudgment:
        """The results of the audit of the backward pass; an empty one without an audit."""
        return (self.judgment and self.judgment.backward) or BackwardJudgment()

    @property
    def backward_verdict(self) -> Verdict | None:
        """The worst verdict on the gradients of any candidate; None without gradients."""
        if not self.has_gradients:
            return None
        own = [Verdict.DISAGREE for engine in self.gradient_engines if self.gradients_wrong(engine)]
        verdicts = (self.gradients_verdict(comparison) for comparison in self.comparisons)
        return _worst([*own, *(verdict for verdict in verdicts if verdict is not None)])

    @property
    def overall_verdict(self) -> Verdict:
        """The worse one of the verdicts on the forward pass and on the gradients."""
        return _worst([self.verdict, self.backward_verdict or Verdict.AGREE])

    def candidate_verdict(self, comparison: Comparison) -> Verdict:
        """The worse one of the verdicts on one candidate and on its gradients."""
        return _worst([self.comparison_verdict(comparison), self.gradients_verdict(comparison) or Verdict.AGREE])

    def gradients_verdict(self, comparison: Comparison) -> Verdict | None:
        """The verdict on the gradients of one candidate; None if one of the two engines has none.

        It follows from the gradients as `comparison_verdict` does from the hidden states: disagree if a gradient of
        either engine is outside its bound, or numbers that are not finite are in different places; drift if the
        gradients differ by more than the tolerance, but every step of both backward passes is correct.
        """
        pair, gradients = (comparison.reference, comparison.candidate), comparison.gradients.values()
        if not all(self.traces[engine].has_gradients for engine in pair):
            return None
        if any(g.nonfinite_apart for g in gradients) or any(map(self.gradients_wrong, pair)):
            return Verdict.DISAGREE
        if not any(g.mismatched for g in gradients):
            return Verdict.AGREE
        return Verdict.DRIFT if self._gradients_known(*pair) else Verdict.DISAGREE

    def gradients_wrong(self, engine: str) -> bool:
        """Whether gradients of an engine are known to be wrong, as `wrong` says of its hidden states."""
        audit = self.backward_judgment.audits.get(engine)
        if audit is not None and audit.wrong:
            return True
        return any(not self._gradients_drift(check) for check in self.failed_checks(engine, of_gradients=True))

    def _gradients_known(self, one: str, other: str) -> bool:
        """Whether every gradient of two engines that is outside the tolerance is within its bound."""
        audits = self.backward_judgment.audits
        return all(
            engine in audits
            and audits[engine].verdict is AuditVerdict.RIGHT
            and not audits[engine].undetermined_mismatches.get(against, 0)
            for engine, against in ((one, other), (other, one))
        )

    def _gradients_drift(self, check: Check) -> bool:
        return (
            check.accumulates
            and self.judgment is not None
            and self.judgment.backward is not None
            and (not self.comparisons or any(g.mismatched for c in self.comparisons for g in c.gradients.values()))
        )


def _worst(verdicts: list[Verdict]) -> Verdict:
    return max(verdicts, key=VERDICTS.index, default=Verdict.AGREE)
