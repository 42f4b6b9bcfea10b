"""Curves of gradients over time: of the loss, of a selected value, and of single steps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from rnnviz.core.trace_index import Location, lane_text
from rnnviz.dependence.influence import Influence, JacobianNorms
from rnnviz.frozen import dataclass
from rnnviz.series.errors import Values
from rnnviz.verify.result import RunResult

_NAMED, _COMPANIONS = 4, 2


@dataclass(frozen=True, eq=False)
class FlowCurve:
    """Norms over time (T,), with name and description; a `thin` curve has no name in the legend."""

    name: str
    why: str
    values: Values
    thin: bool = False
    dashed: bool = False


def loss_curves(result: RunResult, where: Location, states: Mapping[str, Values]) -> tuple[FlowCurve, ...]:
    """Norms of the gradients of the loss: of h in every lane, and of the other states in the selected one.

    `states` are the states of one sample by symbol, (L, D, T).
    """
    first, *lanes = _lane_curves(result, where, states["h"], "h of {lane}", "Norm of the gradient of h.")
    others = [
        FlowCurve(name, f"Norm of the gradient of {name} in the selected lane.", norms[where.index[:2]], dashed=True)
        for name, norms in states.items()
        if name != "h"
    ]
    return _within((first, *others[:_COMPANIONS], *lanes), result.inputs.length(where.sample))


def influence_curves(result: RunResult, influence: Influence) -> tuple[FlowCurve, ...]:
    """Norms of the gradients of a value, by the states of every lane that it depends on, and by the inputs."""
    why = "Norm of the gradient of the selected value with respect to h."
    lanes = _lane_curves(result, influence.where, influence.hidden, "to {lane}", why)
    why = "Norm of the gradient with respect to each input."
    inputs = FlowCurve("to the input", why, influence.inputs, dashed=True)
    return _within((*lanes, inputs), result.inputs.length(influence.where.sample))


def _lane_curves(result: RunResult, where: Location, norms: Values, name: str, why: str) -> list[FlowCurve]:
    """A curve for each lane that a gradient reaches, that of `where` first. The last of many lanes have no names."""
    here = where.index[:2]
    lanes = [
        here,
        *(lane for lane in reversed(list(np.ndindex(norms.shape[:2]))) if lane != here and norms[lane].any()),
    ]
    return [
        FlowCurve(name.format(lane=lane_text(result.inputs.network, Location(*lane))), why, norms[lane], i >= _NAMED)
        for i, lane in enumerate(lanes)
    ]


def step_curves(result: RunResult, where: Location, norms: JacobianNorms) -> tuple[FlowCurve, ...]:
    """The spectral norms at every step, from those at some; of h alone, too, if there are more states."""
    symbols = result.inputs.network.kind.state_symbols
    whole = "h" if len(symbols) == 1 else f"({', '.join(symbols)})"
    curves = [(whole, "Largest factor by which a step can stretch a gradient of the whole state.", norms.whole)]
    if len(symbols) > 1:
        curves.append(("h", "The same of h alone, with the other states held fixed.", norms.hidden))
    times = np.arange(result.shape[2], dtype=np.float64)
    with np.errstate(all="ignore"):
        found = [(name, why, np.exp(np.interp(times, norms.times, np.log(values)))) for name, why, values in curves]
    return _within([FlowCurve(*each) for each in found], result.inputs.length(where.sample))


def _within(curves: Iterable[FlowCurve], length: int) -> tuple[FlowCurve, ...]:
    """The curves with NaN in padding."""
    return tuple(
        replace(curve, values=np.where(np.arange(len(curve.values)) < length, curve.values, np.nan)) for curve in curves
    )
