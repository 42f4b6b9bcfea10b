"""A pre-activation as the terms that it is the sum of, in the order in which they are written and by their weight."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["i2h", "h2h"]
Floats: TypeAlias = NDArray[np.float64]


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
class AffineHalf:
    """One half of a pre-activation in float64: u = W_i2h x + b_i2h, or v = W_h2h h[t-1] + b_h2h, of one row.

    `weights`, `inputs` and `products` are (I,) or (H,); `factor` is what the half is multiplied with before it is
    added, 1 but for the reset gate at a GRU's candidate.
    """

    kind: Kind
    weights: Floats
    inputs: Floats
    products: Floats
    bias: float
    factor: float = 1.0

    @cached_property
    def partial_sums(self) -> Floats:
        """(n + 1,): the sum after each term in index order, and last after the bias."""
        with np.errstate(all="ignore"):
            return np.cumsum(np.append(self.products, self.bias))

    @cached_property
    def total(self) -> float:
        """u or v, without the factor."""
        return float(self.partial_sums[-1])

    @property
    def contributions(self) -> Floats:
        """(n,): each term's summand of the pre-activation."""
        with np.errstate(all="ignore"):
            return self.products if self.factor == 1.0 else np.asarray(self.factor * self.products)

    def term(self, index: int) -> Term:
        """The term of one column."""
        product = float(self.products[index])
        return Term(
            self.kind,
            index,
            float(self.weights[index]),
            float(self.inputs[index]),
            product,
            product if self.factor == 1.0 else self.factor * product,
        )


def side(kind: Kind, weights: Floats, inputs: Floats, bias: float, factor: float = 1.0) -> AffineHalf:
    """Multiply a row of weights with what it reads."""
    with np.errstate(all="ignore"):
        return AffineHalf(kind, weights, inputs, weights * inputs, bias, factor)


@dataclass(frozen=True, eq=False)
class PreActivation:
    """The argument of one gate's activation: u + v, or u_n + r · v_n for a GRU's candidate."""

    u: AffineHalf
    v: AffineHalf

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
        return self.u.term(place) if place < count else self.v.term(place - count)

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
            term = part.term(index) if index < len(part.products) else None
            bars.append(TermBar(part.kind, term, float(start), float(stop)))
        return bars
