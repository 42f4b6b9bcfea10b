"""Results of the backward pass: the audit of an engine's gradients, and likely causes."""

from collections.abc import Mapping
from dataclasses import field

from rnnviz.core.config import Network
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison, GradientComparison


def gradient_place(own: Comparison | GradientComparison, where: Location | tuple[int, ...], network: Network) -> Place:
    """The place of an entry of a comparison of gradients."""
    index = where if isinstance(where, tuple) else where.index[2:] if own.name == OF_INPUT else where.index
    return entry_place(network, own.name, index)


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


@dataclass(frozen=True)
class GradientMismatch:
    """A gradient in which two engines differ by more than the tolerance, and what each has there."""

    where: Place
    reference: float
    candidate: float


def mismatch_of(own: Comparison | GradientComparison, network: Network) -> GradientMismatch | None:
    """The first mismatch of one gradient."""
    first = own.first_mismatch
    if first is None:
        return None
    return GradientMismatch(gradient_place(own, first.where, network), first.reference, first.candidate)


def first_gradient_mismatch(comparison: Comparison, network: Network) -> GradientMismatch | None:
    """The first mismatch of gradients in the order of the backward pass."""
    found = [first for own in comparison.every_gradient if (first := mismatch_of(own, network)) is not None]
    lanes = [
        ((*at.gradient_order[:3], first.where.array != OF_OUTPUT), first)
        for first in found
        if (at := first.where.location) is not None
    ]
    if lanes:
        return min(lanes, key=lambda pair: pair[0])[1]
    return found[0] if found else None
