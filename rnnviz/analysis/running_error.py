"""Running error analysis: numbers that carry a bound on how far a correctly rounded computation may be off.

The idea is Wilkinson's ("Error analysis revisited", 1986; Higham, "Accuracy and Stability of Numerical
Algorithms", section 3.3): beside every computed value goes a bound on the error that rounding in a working
precision `eps` can have put into it, and each operation passes the bounds of its operands on.
Here the values themselves are computed in float64, and `eps` is that of the engine under audit.

The rules, with δ(v) for the bound that v carries:

    pre-activation   v = Σ terms          δ = eps · (1 + Σ |terms| + √n · |v|)
    sum              v = p + q            δ = δ(p) + δ(q) + eps · |v|
    product          v = p · q            δ = |q| · δ(p) + |p| · δ(q) + δ(p) · δ(q) + eps · |v| + 2^-126
    sigmoid, tanh    v = f(p)             δ = f'(p) · δ(p) + eps
    relu             v = max(p, 0)        δ = δ(p) where p >= -8 δ(p), else 0

A sum of n terms is off by at most eps/2 · Σ |S_k|, with S_k for its partial sums in the order in which they were
taken (Higham, section 4.2). The audit does not know the order. Where the terms have both signs the partial sums stay
small, and eps · Σ |terms| is the size of what is met, blocked kernels being better still. Where all terms have one
sign, the partial sums grow up to |v|, and errors of random signs add up to about √n · eps/2 · |v| (Higham and Mary,
"A new approach to probabilistic rounding error analysis", 2019); terms that are all the same round alike and come to
several times that. In a network with weights of both signs √n · |v| is about Σ |terms|, so that it takes little from
the audit's sharpness. None of this is the worst case, n · eps/2 · Σ |terms|, which nobody meets and which would hide
mistakes: the audit allows eight bounds instead. The 1 covers inputs whose terms are all tiny, where the rounding of
the activation's argument is absolute.

An activation's own rounding is eps and not eps · |f(p)|: sigmoid(a) computed as (1 + tanh(a/2)) / 2 is off by
half an eps near 0, where the result itself is far smaller than one, and is right all the same.

δ(p) · δ(q) matters where both factors are saturated gates: 0 · 0 in float64 is bounded by it alone. 2^-126 is where
float32 underflows: what is smaller has fewer digits than eps tells of, and some processors are told to make it zero.

f' is taken at p and not at its largest over [p - δ, p + δ]. The quotient of the two is at most exp(2δ) for both
functions, which differs from one by less than the factor of eight for every δ below one; where terms are so
large that δ is above that, f'(p) · δ is replaced by 1, the full range of a step of either function.

Numbers that are not finite have bounds, too. An infinite bound says that nothing is known: finite terms may have
left the working precision's range on the way, in one order of summation and not in another, so that a right engine
may hold any number there, an infinity or a NaN. A NaN or an infinity with a finite bound is certain: it follows from
operands that are not finite whatever the order.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from rnnviz.model.arrays import FloatArray

ALLOWED = 8.0
"""How many bounds a right step may be off; with random weights right engines stay below 2."""

_UNDERFLOW = 2.0**-126


@dataclass(frozen=True)
class Running:
    """A value in float64 and the bound on its error in a working precision of `eps`, of one shape."""

    value: FloatArray
    bound: FloatArray
    eps: float

    def __add__(self, other: "Running") -> "Running":
        value = self.value + other.value
        bound = np.abs(value)
        bound *= self.eps
        if not _finite(bound):
            # The infinity of a certain operand is certain.
            np.copyto(bound, 0.0, where=~np.isfinite(value))
        bound += self.bound
        bound += other.bound
        return Running(value, bound, self.eps)

    def __mul__(self, other: "Running") -> "Running":
        value = self.value * other.value
        bound = np.abs(value)
        bound *= self.eps
        part = np.abs(other.value)
        part *= self.bound
        bound += part
        np.abs(self.value, out=part)
        part += self.bound
        part *= other.bound
        part += _UNDERFLOW
        bound += part
        if not _finite(bound):
            certain = self._certain_beside(other) & other._certain_beside(self)
            np.copyto(bound, np.where(certain, self.eps, np.inf), where=~np.isfinite(bound))
        return Running(value, bound, self.eps)

    def _certain_beside(self, other: "Running") -> NDArray[np.bool_]:
        """Whether this factor is known well enough: beside an infinity, whether it is zero, and its sign."""
        known = np.isfinite(self.bound)
        nonzero = ~(np.abs(self.value) <= ALLOWED * self.bound) | (self.bound == 0.0)
        return np.asarray(known & (nonzero | ~np.isinf(other.value)))

    def complement(self) -> "Running":
        """1 - v, whose rounding is at most eps."""
        return Running(1.0 - self.value, self.bound + self.eps, self.eps)

    def sigmoid(self) -> "Running":
        """sigmoid(v) = (1 + tanh(v / 2)) / 2."""
        value = self.value * 0.5
        np.tanh(value, out=value)
        value += 1.0
        value *= 0.5
        slope = 1.0 - value
        slope *= value
        return self._through(value, slope)

    def tanh(self) -> "Running":
        """tanh(v)."""
        value = np.tanh(self.value)
        slope = value * value
        np.subtract(1.0, slope, out=slope)
        return self._through(value, slope)

    def relu(self) -> "Running":
        """max(v, 0); a NaN stays a NaN."""
        reached = ~(self.value < -ALLOWED * self.bound)
        return Running(np.maximum(self.value, 0.0), np.where(reached, self.bound, 0.0), self.eps)

    def _through(self, value: FloatArray, slope: FloatArray) -> "Running":
        """f(v) with the bound f'(v) · δ(v) + eps; `slope` is given up for it."""
        bound = slope
        bound *= self.bound
        if not (_finite(bound) and self.bound.max(initial=0.0) < 1.0):
            np.copyto(bound, 1.0, where=~(self.bound < 1.0))
            # A certain NaN stays one, and at a certain infinity the function has reached its end.
            np.copyto(bound, 0.0, where=~np.isfinite(self.value))
            np.copyto(bound, np.inf, where=~np.isfinite(self.bound))
        bound += self.eps
        return Running(value, bound, self.eps)


def _finite(bound: FloatArray) -> bool:
    """Whether no bound is infinite or a NaN, in one pass: a maximum hands a NaN on."""
    return bool(bound.max(initial=0.0) < np.inf)


def exact(value: FloatArray, eps: float) -> Running:
    """A number that is read, not computed."""
    return Running(value, np.zeros_like(value), eps)


def pre_activation(value: FloatArray, magnitude: FloatArray, count: int, largest: float, eps: float) -> Running:
    """A sum of `count` terms and its bound; `magnitude` is Σ |terms| over the terms that are finite.

    Where these leave the working precision's range, `largest`, an engine may have met an infinity on the way that
    float64 does not know, so nothing can be said: the bound is infinite.
    """
    bound = np.abs(value)
    bound *= sqrt(count)
    bound += magnitude
    bound += 1.0
    if not bound.max(initial=0.0) < largest / 4.0:
        unknown = ~(magnitude < largest / 4.0)
        np.copyto(bound, 1.0 + magnitude, where=~np.isfinite(value))
        bound[unknown] = np.inf
    bound *= eps
    return Running(value, bound, eps)
