"""Results of the backward pass: the audit of an engine's gradients, and likely causes."""

from collections.abc import Mapping
from dataclasses import field

from rnnviz.core.gradients import OF_OUTPUT
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison, Mismatch


@dataclass(frozen=True)
class BackwardJudgment:
    """Results of the audit of the backward pass.

    `audits` by engine that gives gradients. `diagnoses`, `ambiguous`, `undetectable` and `causes` are as in `Judgment`,
    of known bugs of the backward pass.
    """

    audits: Mapping[str, Audit] = field(default_factory=dict)
    diagnoses: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    undetectable: tuple[str, ...] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    ambiguous: Mapping[str, int] = field(default_factory=dict)

    def cause(self, bug: str) -> str:
        """The noun phrase of a known bug, or its name."""
        return self.causes.get(bug, bug)


def first_gradient_mismatch(comparison: Comparison) -> Mismatch | None:
    """The first mismatch of gradients in the order of the backward pass."""
    found = [own.first_mismatch for own in comparison.gradients.values() if own.first_mismatch is not None]
    lanes = [
        ((*at.gradient_order[:3], first.place.array != OF_OUTPUT), first)
        for first in found
        if (at := first.place.location) is not None
    ]
    if lanes:
        return min(lanes, key=lambda pair: pair[0])[1]
    return found[0] if found else None
