"""Running error analysis: numbers that carry a bound on how far a correctly rounded computation may be off.

The idea is Wilkinson's ("Error analysis revisited", 1986; Higham, "Accuracy and Stability of Numerical
Algorithms", section 3.3): next to every computed value goes a bound on the error that rounding in a working
precision `eps` can have put into it, and each operation passes the bounds of its operands on.
Here the values themselves are computed in float64, and `eps` is that of the engine under audit.

The rules, with δ(v) for the bound that v carries:

    pre-activation   v = Σ terms          δ = eps · (1 + Σ |terms| + √n · |v|)
    sum              v = p + q            δ = δ(p) + δ(q) + eps · |v|
    from a number    v = k - p            δ = δ(p) + eps · |k|
    product          v = p · q            δ = |q| · δ(p) + |p| · δ(q) + 8 · δ(p) · δ(q) + eps · |v| + 2^-126
    activation       v = f(p)             δ = max |f(p ± 8 δ(p)) - f(p)| / 8 + the rounding of f
    relu             v = max(p, 0)        δ = δ(p) where p >= -8 δ(p), else 0

A sum of n terms is off by at most eps/2 · Σ |S_k|, with S_k for its partial sums in the order in which they were
taken (Higham, section 4.2). The audit does not know the order. Where the terms have both signs the partial sums stay
small, and eps · Σ |terms| is the size of what is met, blocked kernels being better still. Where all terms have one
sign, the partial sums grow up to |v|, and errors of random signs add up to about √n · eps/2 · |v| (Higham and Mary,
"A new approach to probabilistic rounding error analysis", 2019); terms that are still round alike and reach
several times that. In a network with weights of both signs √n · |v| is about Σ |terms|, so that it takes little from
the audit's sharpness. None of this is the worst case, n · eps/2 · Σ |terms|, which no one meets and which would hide
known bugs: the audit allows eight bounds instead. Equal terms, added one by one, are the exception: within one binade
all their roundings are the same, which adds up to n/6 · eps · |v| at most. Eight times √n covers that up to some
thousand terms; beyond, (n - 1024) / 48 takes the place of √n, which it equals at n = 4,096. The 1 covers inputs whose
terms are all tiny, where the rounding of the pre-activation is absolute.

The input part and the recurrent part of a gate are both pre-activations, and their sum is one more, without a further
rounding: their bounds cover every partial sum of all their terms already.

A sigmoid's or a tanh's own rounding is eps and not eps · |f(p)|: sigmoid(a) computed as (1 + tanh(a/2)) / 2 is off by
half an eps near 0, where the result itself is far smaller than one, and is correct still. Of an activation without
limits it is eps · (1 + |f(p)|), of swish and gelu eps · (1 + |p|), and nothing where p itself or a number is returned.

δ(p) · δ(q) matters where both factors are saturated gates, 0 · 0 in float64 being bounded by it alone, and where both
are unsure. It is taken eight times, so that eight bounds of a product hold what eight bounds of its factors allow.
2^-126 is where float32 underflows: what is smaller has fewer digits than eps reports, and some processors are
instructed to make it zero.

An activation passes the eight bounds of its argument on as they are: its own eight bounds are as far as it goes
within p ± 8 δ(p). For small δ that is f'(p) · δ; for large δ it is never more than the range of the function, and
where the function is saturated in all of the interval it is nothing, whatever δ is. Where it turns from falling to
rising within the interval, it is furthest there or at an end.

In half precision, sums are accumulated in float32, and each stored part of a pre-activation is rounded: its bound is
that of float32, and eps · (|v| + |b|) for each part v with its bias b. There eps is a quarter of the spacing at 1, so
that eight bounds are four times what rounding to the nearest number can do. A number that is none of the type is
rounded when it is read, by half a unit in the last place. NumPy lacks bfloat16: its numbers are stored as float32.

Numbers that are not finite have bounds, too. An infinite bound says that nothing is known: finite terms, factors or
sums may have left the working precision's range on the way, in one order of summation and not in another, so that a
correct engine may hold any number there, an infinity or a NaN. A NaN or an infinity with a finite bound is certain: it
follows from operands that are not finite whatever the order.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import Activation, FloatArray
from rnnviz.cells.base import Combination, Value

BFLOAT16 = "bfloat16"
HALF_TYPES = ("float16", BFLOAT16)
_BFLOAT16_BITS = 16
"""Bits of a float32 that bfloat16 does not have."""

ALLOWED = 8.0
"""Number of bounds that a correct step may be off; with random weights correct engines stay below 2."""

UNDERFLOW = 2.0**-126
"""The bound of what underflow takes from a product."""

_SMALL = 2.0**-10
"""Below this bound the slope of sigmoid and tanh does not change within eight bounds by more than 1.6 %."""


def spacing(kind: str) -> float:
    """The spacing of numbers at 1."""
    return 2.0**-7 if kind == BFLOAT16 else float(np.finfo(kind).eps)


def smallest_normal(kind: str) -> float:
    """The smallest number with all its digits."""
    return 2.0**-126 if kind == BFLOAT16 else float(np.finfo(kind).smallest_normal)


def rounded_when_read(values: NDArray[Any], kind: str) -> NDArray[np.bool_]:
    """Where numbers are none of a type of half precision, so that code that computes in it rounds them first."""
    with np.errstate(over="ignore"):
        stored = values.astype(np.float32 if kind == BFLOAT16 else kind)
    rounded = np.asarray(stored != values)
    if kind == BFLOAT16:
        rounded |= (stored.view(np.uint32) & np.uint32((1 << _BFLOAT16_BITS) - 1)) != 0
    return rounded


@dataclass(eq=False, slots=True)
class BoundedArray(Value):
    """A value in float64 and the bound on its error in a working precision of `eps`, of one shape.

    Not frozen: every operation of every time step makes one, which then takes three times as long.

    `partial` marks a pre-activation, or one of its two parts, whose bound covers all partial sums.
    """

    value: FloatArray
    bound: FloatArray
    eps: float
    partial: bool = False

    def constant(self, number: float) -> "BoundedArray":
        return self._with(np.array(number), np.array(0.0))

    def combined(self, op: Combination, other: "BoundedArray") -> "BoundedArray":
        if op == "times":
            return self._product(other)
        value: FloatArray = self.value + other.value if op == "plus" else self.value - other.value
        if op == "plus" and self.partial and other.partial:
            return self._with(value, self.bound + other.bound, partial=True)
        if op == "minus" and self.value.ndim == 0 and not self.bound:
            return self._with(value, other.bound + self.eps * abs(float(self.value)))
        bound = np.abs(value)
        bound *= self.eps
        if not self._in_range(bound):
            # The infinity of a certain operand is certain.
            np.copyto(bound, 0.0, where=~np.isfinite(value))
            self._forget_overflow(value, bound)
        bound += self.bound
        bound += other.bound
        return self._with(value, bound)

    def _product(self, other: "BoundedArray") -> "BoundedArray":
        value: FloatArray = np.asarray(self.value * other.value)
        bound = np.abs(value)
        bound *= self.eps
        part: FloatArray = np.asarray(np.abs(other.value) * self.bound)
        bound += part
        np.multiply(self.bound, ALLOWED, out=part)
        part += np.abs(self.value)
        part *= other.bound
        part += UNDERFLOW
        bound += part
        if not self._in_range(bound):
            certain = self._certain_beside(other) & other._certain_beside(self)
            np.copyto(bound, np.where(certain, self.eps, np.inf), where=~np.isfinite(bound))
            self._forget_overflow(value, bound)
        return self._with(value, bound)

    def _in_range(self, bound: FloatArray) -> bool:
        """Whether no bound, which has the rounding of its value, is that of a number near the largest one, or a NaN."""
        return bool(bound.max(initial=0.0) < self.eps * _largest(self.eps) / 4.0)

    def _forget_overflow(self, value: FloatArray, bound: FloatArray) -> None:
        """Set the bounds of finite numbers to infinity that may be an infinity in the working precision."""
        np.copyto(bound, np.inf, where=np.isfinite(value) & ~(np.abs(value) < _largest(self.eps) / 4.0))

    def _certain_beside(self, other: "BoundedArray") -> NDArray[np.bool_]:
        """Whether this factor is known well enough: besides an infinity, whether it is zero, and its sign."""
        known = np.isfinite(self.bound)
        nonzero = ~(np.abs(self.value) <= ALLOWED * self.bound) | (self.bound == 0.0)
        return np.asarray(known & (nonzero | ~np.isinf(other.value)))

    def activated(self, activation: Activation) -> "BoundedArray":
        if activation.name == "linear":
            return self
        value = activation.values(self.value)
        if activation.name == "relu":
            reached = ~(self.value < -ALLOWED * self.bound)
            return self._with(value, np.where(reached, self.bound, 0.0))
        bound = self._spread(activation, value)
        if activation.name == "clip":
            # The limit is rounded to the working precision, too.
            reached = ~(np.abs(self.value) < activation.alpha - ALLOWED * self.bound)
            np.add(bound, self.eps * activation.alpha, out=bound, where=reached)
            return self._with(value, bound)
        if activation.rounding == "absolute":
            bound += self.eps
        elif activation.rounding != "exact":
            magnitude = np.abs(value if activation.rounding == "relative" else self.value)
            # What leaves the working precision's range is an infinity there.
            np.copyto(bound, np.inf, where=np.isfinite(self.value) & ~(magnitude < _largest(self.eps)))
            np.copyto(magnitude, 0.0, where=~np.isfinite(magnitude))
            bound += self.eps * (1.0 + abs(activation.beta) + magnitude)
        return self._with(value, bound)

    def _spread(self, activation: Activation, value: FloatArray) -> FloatArray:
        """An eighth of the distance from f(p), which is `value`, to the farthest f within eight bounds of p."""
        smooth = activation.name in ("sigmoid", "tanh")
        if smooth:
            bound = activation.slopes(self.value, value)
            bound *= self.bound
            if _finite(bound) and self.bound.max(initial=0.0) < _SMALL:
                return bound
            large = ~(self.bound < _SMALL)
        else:
            bound, large = np.zeros_like(value), np.broadcast_to(self.bound > 0.0, value.shape)
        bound[large] = _farthest(activation, self.value[large], value[large], ALLOWED * self.bound[large]) / ALLOWED
        # A certain NaN stays one, and at a certain infinity the function has reached its end.
        np.copyto(bound, 0.0, where=~np.isfinite(self.value))
        np.copyto(bound, np.inf, where=~np.isfinite(self.bound))
        return bound

    def slopes(self, activation: Activation, value: "BoundedArray") -> "BoundedArray":
        """f'(p) of this number p, whose `value` is f(p).

        Where p and a kink of f are within eight bounds of each other, the bound is the whole jump of the slope. So it
        is at the kink itself: there a library gives either slope, or their mean.
        """
        if activation.name == "sigmoid":
            return value * (1.0 - value)
        if activation.name == "tanh":
            return 1.0 - value * value
        p, reach = self.value, ALLOWED * self.bound

        def at(x: FloatArray) -> FloatArray:
            return activation.slopes(x, activation.values(x))

        slopes = activation.slopes(p, value.value)
        farthest = np.asarray(np.maximum(np.abs(at(p + reach) - slopes), np.abs(at(p - reach) - slopes)))
        jump = np.zeros_like(farthest)
        for bend in activation.bends:
            near = np.abs(p - bend) <= reach
            low, high = (at(np.array(np.nextafter(bend, side))) for side in (-np.inf, np.inf))
            for side in (low, high):
                np.maximum(farthest, np.abs(side - slopes), out=farthest, where=near)
            if abs(high - low) > _SMALL:
                np.maximum(jump, np.abs(high - low), out=jump, where=near)
        bound = np.maximum(farthest / ALLOWED, jump)
        if activation.rounding != "exact":
            magnitude = np.abs(slopes) + (np.abs(p) if activation.rounding == "argument" else 0.0)
            constants = 1.0 + abs(activation.alpha) + abs(activation.beta)
            bound += self.eps * np.where(np.isfinite(magnitude), constants + magnitude, 0.0)
        # Of an unknown number or a NaN, libraries may have either slope of a kink.
        np.copyto(bound, np.inf, where=~np.isfinite(self.bound) | np.isnan(p) | np.isnan(bound))
        return self._with(slopes, bound)

    def narrowed(self, low: FloatArray, high: FloatArray) -> "BoundedArray":
        """The same number, known to be between `low` and `high`, too; as it is where the two have nothing in common."""
        reach = ALLOWED * self.bound
        low, high = np.fmax(low, self.value - reach), np.fmin(high, self.value + reach)
        common = (low <= high) & np.isfinite(low) & np.isfinite(high)
        # A certain NaN stays one.
        common &= np.isfinite(self.value) | ~np.isfinite(self.bound)
        value, bound = np.where(common, (low + high) / 2.0, self.value), (high - low) / (2.0 * ALLOWED)
        return self._with(value, np.where(common, bound, self.bound))

    def reshaped(self, *shape: int) -> "BoundedArray":
        return self._with(self.value.reshape(shape), self.bound.reshape(shape), partial=self.partial)

    def __getitem__(self, index: Any) -> "BoundedArray":
        return self._with(self.value[index], self.bound[index], partial=self.partial)

    def __setitem__(self, index: Any, value: "BoundedArray") -> None:
        self.value[index], self.bound[index] = value.value, value.bound

    def _with(self, value: FloatArray, bound: FloatArray, *, partial: bool = False) -> "BoundedArray":
        return BoundedArray(value, bound, self.eps, partial)


def _farthest(activation: Activation, p: FloatArray, value: FloatArray, reach: FloatArray) -> FloatArray:
    """max |f - f(p)| within `reach` of p: at one of the ends, or where f turns."""
    farthest = np.asarray(np.abs(activation.values(p + reach) - value))
    np.maximum(farthest, np.abs(value - activation.values(p - reach)), out=farthest)
    for turn in activation.turns:
        within = np.abs(p - turn) < reach
        there = activation.values(np.full_like(p, turn))
        np.maximum(farthest, np.abs(there - value), out=farthest, where=within)
    return farthest


def _finite(bound: FloatArray) -> bool:
    """Whether no bound is infinite or a NaN, in one pass: a maximum hands a NaN on."""
    return bool(bound.max(initial=0.0) < np.inf)


def _largest(eps: float) -> float:
    """The largest number of float32, or of float64 where `eps` is finer than that."""
    return float(np.finfo(np.float64 if eps < np.finfo(np.float32).eps else np.float32).max)


def exact(value: FloatArray, eps: float) -> BoundedArray:
    """A number that is read, not computed."""
    return BoundedArray(value, np.zeros_like(value), eps)


def stored(value: FloatArray, stored_as: str, eps: float) -> BoundedArray:
    """A number that was rounded to the type `stored_as` when it was stored; "" if it was not."""
    return BoundedArray(value, storage_bound(value, stored_as), eps)


_LAST_OPERATIONS = 4
"""Operations of a step whose results may be subnormal where the new state is."""


def storage_bound(value: FloatArray, stored_as: str, half: str = "") -> FloatArray:
    """Half a unit in the last place of a number in the type `stored_as`, divided among eight bounds; 0 for "".

    Without it, of a number computed in `half` precision: the absolute rounding of its last operations on subnormals.
    """
    if not stored_as:
        least = _LAST_OPERATIONS * smallest_normal(half) * spacing(half) / ALLOWED if half else 0.0
        return np.full(value.shape, least)
    magnitude = np.maximum(np.abs(np.asarray(value, np.float64)), smallest_normal(stored_as))
    magnitude[~np.isfinite(magnitude)] = 0.0
    return np.asarray(magnitude * (spacing(stored_as) / (2.0 * ALLOWED)))


def pre_activation(
    value: FloatArray,
    magnitude: FloatArray,
    count: int,
    largest: float,
    eps: float,
    added: FloatArray | None = None,
    least: float = 1.0,
) -> BoundedArray:
    """A sum of `count` terms and its bound; `magnitude` is Σ |terms| over the finite terms of it and of `added`.

    `added` is a second sum, which is added to `value` in place. `least` is the 1 of the rule, and 0 for gradients,
    which have no scale. Where the terms leave the working precision's range, `largest`, an engine may have met an
    infinity that float64 does not know, so nothing can be said: the bound is infinite.
    """
    bound, sums = np.abs(value), least
    if added is not None:
        # In place: these are most of what an audit holds.
        value += added
        bound += np.abs(added, out=added)
        sums = 2.0 * least
    bound *= max(sqrt(count), (count - 1024) / 48)
    bound += magnitude
    bound += sums
    if not bound.max(initial=0.0) < largest / 4.0:
        unknown = ~(magnitude < largest / 4.0)
        np.copyto(bound, sums + magnitude, where=~np.isfinite(value))
        bound[unknown] = np.inf
    bound *= eps
    return BoundedArray(value, bound, eps, partial=True)
