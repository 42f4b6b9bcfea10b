"""The curve of the activation that a line of an arithmetic ends in, with each engine's point on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnviz.explain.step_breakdown import StepBreakdown
from rnnviz.explain.terms import Floats

_POINTS = 97
_LEAST_REACH = {"sigmoid": 6.0, "tanh": 3.0, "relu": 2.0}
_BEYOND = 1.15
_LARGEST = 1e30


@dataclass(frozen=True, eq=False)
class ActivationCurve:
    """y = activation(x) at (n,) places that reach as far on both sides of 0, and a point (x, y) for each engine."""

    activation: str
    x: Floats
    y: Floats
    points: tuple[tuple[float, float], ...]


def activation_curve(each: Sequence[StepBreakdown], line: str) -> ActivationCurve | None:
    """The curve of the line that gives `line`: a gate's, or tanh of an LSTM's h; None where there is none."""
    points: list[tuple[float, float]] = []
    activation = "tanh"
    for arithmetic in each:
        if line in arithmetic.by_symbol:
            gate = arithmetic.by_symbol[line]
            activation = gate.gate.activation
            points.append((gate.pre.sum, gate.value))
        elif line == "h" and arithmetic.c is not None:
            points.append((arithmetic.c, float(np.tanh(arithmetic.c))))
    if not points:
        return None
    finite = [abs(x) for x, _ in points if np.isfinite(x) and abs(x) < _LARGEST]
    reach = max(_LEAST_REACH[activation], _BEYOND * max(finite, default=0.0))
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(activation, x, _activated(activation, x), tuple(points))


def _activated(activation: str, x: Floats) -> Floats:
    if activation == "sigmoid":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
    return np.tanh(x) if activation == "tanh" else np.maximum(x, 0.0)
