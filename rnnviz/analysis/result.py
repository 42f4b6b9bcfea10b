"""One finished run: what was read, what every engine computed, and what the numbers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnviz.analysis.checks import Check
from rnnviz.analysis.compare import Comparison
from rnnviz.model.config import Config
from rnnviz.model.inputs import Inputs
from rnnviz.model.trace import Trace

VERDICTS = ("agree", "drift", "mismatch")
"""From the best to the worst."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """Everything that the views show and the files export.

    `traces` holds the reference first; `seconds` every engine's time and what else it timed; `extents` the
    largest finite magnitude of each engine's hidden values and of the "input"; `folder` is where the arrays
    lie, which vanishes when the result is no longer used.
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
    def reference(self) -> Trace:
        """The trace that the others are held against."""
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
        raise KeyError(f"{candidate} was not held against {self.reference.engine}: {held} were")

    def comparison_verdict(self, comparison: Comparison) -> str:
        """The verdict on one candidate: a failed check of either engine is a mismatch, too."""
        engines = {comparison.reference, comparison.candidate}
        broken = any(check.engine in engines and not check.holds for check in self.checks)
        return "mismatch" if broken else comparison.verdict

    @property
    def verdict(self) -> str:
        """The worst verdict on any candidate."""
        return max((self.comparison_verdict(c) for c in self.comparisons), key=VERDICTS.index)
