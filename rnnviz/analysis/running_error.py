"""Running error analysis: numbers that carry a bound on how far a correctly rounded computation may be off.

The idea is Wilkinson's ("Error analysis revisited", 1986; Higham, "Accuracy and Stability of Numerical
Algorithms", section 3.3): beside every computed value goes a bound on the error that rounding in a working
precision `eps` can have put into it, and each operation passes the bounds of its operands on.
Here the values themselves are computed in float64, and `eps` is that of the engine under audit.

The rules, with δ(v) for the bound that v carries:

    pre-activation   v = Σ terms          δ = eps · (1 + Σ |terms|)
    sum              v = p + q            δ = δ(p) + δ(q) + eps · |v|
    product          v = p · q            δ = |q| · δ(p) + |p| · δ(q) + δ(p) · δ(q) + eps · |v|
    sigmoid, tanh    v = f(p)             δ = f'(p) · δ(p) + eps
    relu             v = max(p, 0)        δ = δ(p) where p > -8 δ(p), else 0

A sum of n terms in floating point is off by at most (n - 1) · eps/2 · Σ |terms| in the worst order and by about
√n · eps/2 · Σ |terms| / √n as errors of random signs add up; kernels sum in blocks or lanes, which is better
still. One eps · Σ |terms| is therefore the size of what is met, not the worst case, and the audit allows eight
bounds. The 1 covers inputs whose terms are all tiny, where the rounding of the activation's argument is absolute.

An activation's own rounding is eps and not eps · |f(p)|: sigmoid(a) computed as (1 + tanh(a/2)) / 2 is off by
half an eps near 0, where the result itself is far smaller than one, and is right all the same.

The last term of a product matters where both factors are saturated gates: 0 · 0 in float64 is bounded by it alone.

f' is taken at p and not at its largest over [p - δ, p + δ]. The quotient of the two is at most exp(2δ) for both
functions, which differs from one by less than the factor of eight for every δ below one; where terms are so
large that δ is above that, f'(p) · δ is replaced by 1, the full range of a step of either function.
"""

from dataclasses import dataclass

import numpy as np

from rnnviz.model.arrays import FloatArray

ALLOWED = 8.0
"""How many bounds a right step may be off; right engines stay below 2.7."""


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
        bound += self.bound
        bound += other.bound
        return Running(value, bound, self.eps)

    def __mul__(self, other: "Running") -> "Running":
        value = self.value * other.value
        bound = np.abs(value)
        bound *= self.eps
        bound += np.abs(other.value) * self.bound
        bound += (np.abs(self.value) + self.bound) * other.bound
        return Running(value, bound, self.eps)

    def complement(self) -> "Running":
        """1 - v, whose rounding is at most eps."""
        return Running(1.0 - self.value, self.bound + self.eps, self.eps)

    def sigmoid(self) -> "Running":
        """sigmoid(v) = (1 + tanh(v / 2)) / 2."""
        value = self.value * 0.5
        np.tanh(value, out=value)
        value += 1.0
        value *= 0.5
        return self._through(value, value * (1.0 - value))

    def tanh(self) -> "Running":
        """tanh(v)."""
        value = np.tanh(self.value)
        return self._through(value, 1.0 - value * value)

    def relu(self) -> "Running":
        """max(v, 0); a NaN stays a NaN."""
        reached = ~(self.value <= -ALLOWED * self.bound)
        return Running(np.maximum(self.value, 0.0), np.where(reached, self.bound, 0.0), self.eps)

    def _through(self, value: FloatArray, slope: FloatArray) -> "Running":
        bound = slope * self.bound
        # Also where an infinite argument meets a slope of zero: the function has reached its end.
        np.copyto(bound, 1.0, where=~(self.bound < 1.0))
        np.copyto(bound, 0.0, where=np.isinf(self.value))
        bound += self.eps
        return Running(value, bound, self.eps)


def exact(value: FloatArray, eps: float) -> Running:
    """A number that is read, not computed."""
    return Running(value, np.zeros_like(value), eps)


def pre_activation(value: FloatArray, magnitude: FloatArray, largest: float, eps: float) -> Running:
    """A sum of terms and eps · (1 + Σ |terms|); `magnitude` is Σ |terms|.

    Where the terms leave the working precision's range, `largest`, an engine may have met an infinity on the
    way that float64 does not know, so nothing can be said: the bound is infinite.
    """
    bound = (1.0 + magnitude.astype(np.float64)) * eps
    bound[~(magnitude < largest / 4)] = np.inf
    return Running(value, bound, eps)
