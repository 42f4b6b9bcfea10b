"""The curve of the activation that a line of an arithmetic ends in, with each engine's point on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnviz.explain.step_breakdown import StepBreakdown
from rnnviz.explain.terms import Floats

_POINTS = 97
_LEAST_REACH, _REACH = {"sigmoid": 6.0, "relu": 2.0}, 3.0
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
    named = each[0].graph.values
    if line not in named:
        return None
    node = named[line]
    inner = [arg for arg in node.args if arg not in named.values()]
    found = next((n for n in (node, *inner) if n.activation is not None), None)
    if found is None or found.activation is None:
        return None
    points = tuple((arithmetic.number(found.args[0]), arithmetic.number(found)) for arithmetic in each)
    finite = [abs(x) for x, _ in points if np.isfinite(x) and abs(x) < _LARGEST]
    reach = max(_LEAST_REACH.get(found.activation.name, _REACH), _BEYOND * max(finite, default=0.0))
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(found.activation.name, x, found.activation.values(x), points)
