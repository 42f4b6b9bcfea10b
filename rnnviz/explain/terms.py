"""A pre-activation as the terms that it is the sum of, in the order in which they are written and by their weight."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.breakdown import AffinePart, Floats, Kind

__all__ = ["Floats", "Kind"]


@dataclass(frozen=True)
class Term:
    """weight · input: one column of one row of a weight matrix, and the number that it is multiplied with.

    `index` is the column. `contribution` is the summand of the pre-activation: the product, or in a
    GRU's candidate the reset gate times the product for a term of kind h2h.
    """

    kind: Kind
    index: int
    weight: float
    input: float
    product: float
    contribution: float


@dataclass(frozen=True)
class RemainingTerms:
    """The terms that are not listed: how many there are, and the sum of what they add."""

    count: int
    contribution: float


@dataclass(frozen=True)
class TermBar:
    """One step of a waterfall from 0 to the pre-activation.

    `term` is None for a bias, whose `kind` shows which; `start` and `stop` are the partial sums before and after.
    """

    kind: Kind
    term: Term | None
    start: float
    stop: float


@dataclass(frozen=True, eq=False)
class PreActivation:
    """The argument of one gate's activation: u + v, or u_n + r · v_n for a GRU's candidate."""

    u: AffinePart
    v: AffinePart

    @cached_property
    def sum(self) -> float:
        """The pre-activation."""
        with np.errstate(all="ignore"):
            return float(np.float64(self.u.total) + np.float64(self.v.factor) * self.v.total)

    def __len__(self) -> int:
        return len(self.u.products) + len(self.v.products)

    def term(self, place: int) -> Term:
        """The term at a place in the order of evaluation: those of x first, then those of h[t-1]."""
        count = len(self.u.products)
        return _term(self.u, place) if place < count else _term(self.v, place - count)

    def terms(self) -> list[Term]:
        """Every term in the order of evaluation."""
        return [self.term(place) for place in range(len(self))]

    def by_weight(self) -> NDArray[np.intp]:
        """(n,): the places of the terms, those first that add most; NaN and infinity weigh more than any number."""
        weight = np.abs(self._contributions)
        weight[np.isnan(weight)] = np.inf
        return np.argsort(-weight, kind="stable")

    def ranked(self, k: int) -> tuple[list[Term], RemainingTerms]:
        """The k terms that weigh most, by the magnitude of what they add, and the rest of them summed."""
        order = self.by_weight()
        with np.errstate(all="ignore"):
            rest = RemainingTerms(len(order[k:]), float(self._contributions[order[k:]].sum()))
        return [self.term(int(place)) for place in order[:k]], rest

    @property
    def _contributions(self) -> Floats:
        return np.concatenate([self.u.contributions, self.v.contributions])

    @cached_property
    def partial_sums(self) -> Floats:
        """(n + 2,): the argument as it grows, term by term and bias by bias; the last is `sum`."""
        with np.errstate(all="ignore"):
            return np.concatenate([self.u.partial_sums, self.u.total + self.v.factor * self.v.partial_sums])

    def waterfall(self) -> list[TermBar]:
        """A bar for every term and bias, in the order of evaluation."""
        sums = self.partial_sums
        starts, count = np.concatenate([[0.0], sums[:-1]]), len(self.u.products)
        bars = []
        for place, (start, stop) in enumerate(zip(starts, sums, strict=True)):
            part, index = (self.u, place) if place <= count else (self.v, place - count - 1)
            term = _term(part, index) if index < len(part.products) else None
            bars.append(TermBar(part.kind, term, float(start), float(stop)))
        return bars


def _term(part: AffinePart, index: int) -> Term:
    """The term of one column."""
    numbers = (float(array[index]) for array in (part.weights, part.inputs, part.products, part.contributions))
    return Term(part.kind, index, *numbers)
