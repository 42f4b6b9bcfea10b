"""A pre-activation as the terms that it is the sum of, in the order in which they are written and by their weight."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnviz.explain.worked_step import AffinePart, Floats, Kind

__all__ = ["Floats", "Kind"]

_BIASED: tuple[Kind, Kind] = "i2h", "h2h"
"""The kinds of the input part and the recurrent part, which alone have a bias."""


@dataclass(frozen=True)
class Term:
    """weight · input: one column of one row of a weight matrix, and the number that it is multiplied with.

    `index` is the column. `contribution` is the summand of the pre-activation: the product, or in a
    GRU's candidate the reset gate times the product for a term of kind h2h. `name` is that of the term's part.
    """

    kind: Kind
    index: int
    weight: float
    input: float
    product: float
    contribution: float
    name: str = field(default="", compare=False)


_NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class PreActivation:
    """The argument of one gate's activation: u + v, u_n + r · v_n for a GRU's candidate, and for some cells more.

    `others` are the parts beside u and v, such as a peephole times c, which have no bias. A part that a gate lacks has
    no terms.
    """

    u: AffinePart
    v: AffinePart
    others: tuple[AffinePart, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[AffinePart]) -> "PreActivation":
        """The sum of some parts, of which at most one is an input part, and one a recurrent part."""
        found = {part.kind: part for part in reversed(parts) if part.kind in _BIASED}
        u, v = (found.get(kind, AffinePart(kind, "", _NOTHING, _NOTHING, 0.0)) for kind in _BIASED)
        return cls(u, v, tuple(part for part in parts if part is not u and part is not v))

    @property
    def parts(self) -> tuple[AffinePart, ...]:
        """u, v and the others."""
        return self.u, self.v, *self.others

    @cached_property
    def sum(self) -> float:
        """The pre-activation."""
        with np.errstate(all="ignore"):
            total = np.float64(self.u.total) + np.float64(self.v.factor) * self.v.total
            for part in self.others:
                total += np.float64(part.factor) * part.total
            return float(total)

    def __len__(self) -> int:
        return sum(len(part.products) for part in self.parts)

    def term(self, place: int) -> Term:
        """The term at a place in the order of evaluation: those of x first, then those of h[t-1], then others."""
        for part in self.parts:
            if place < len(part.products):
                return _term(part, place)
            place -= len(part.products)
        raise IndexError(place)

    def terms(self) -> list[Term]:
        """Every term in the order of evaluation."""
        return [self.term(place) for place in range(len(self))]

    def by_weight(self) -> NDArray[np.intp]:
        """(n,): the places of the terms, those first that add most; NaN and infinity weigh more than any number."""
        weight = np.abs(np.concatenate([part.contributions for part in self.parts]))
        weight[np.isnan(weight)] = np.inf
        return np.argsort(-weight, kind="stable")


def _term(part: AffinePart, index: int) -> Term:
    """The term of one column."""
    weight, read, product, added = (
        float(array[index]) for array in (part.weights, part.inputs, part.products, part.contributions)
    )
    return Term(part.kind, index, weight, read, product, added, part.name)
