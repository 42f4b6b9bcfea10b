"""Gradient flow: the norms of the gradients over time, and where they vanish or explode.

The gradient of a state is passed back from step to step, each time multiplied by the transposed Jacobian of a step. Its
norm shrinks or grows about exponentially (Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
networks", 2013). They give no limits; those here are relative to the norm where the gradient of a lane begins.
"""

from dataclasses import replace
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.jacobians import Floats
from rnnviz.core import number_format
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import padding_mask
from rnnviz.engines.base import Progress
from rnnviz.frozen import dataclass
from rnnviz.verify.result import RunResult

VANISHING = 1e-6
"""About eight spacings of float32. The addends of the step to the gradient of a weight are then about as small as the
rounding of those of the first step of the backward pass."""
EXPLODING = 1e3
"""They clip gradients at half to ten times their usual norm."""
SMALLER, SHRINKING = 0.1, 0.9
"""Few steps cannot reach these limits: a tenth is enough if the mean factor per time step is less than 0.9."""
LARGER, GROWING = 10.0, 1.3
"""And ten times, if it is more than 1.3. A norm that grows in a straight line has a smaller factor when it reaches ten
times: a cell state can add up the losses of all steps."""
HUNDREDTH, HALF = 0.01, 0.5
"""The share at which a mark is, and the one down to which a norm is said to keep its size."""
_BLOCK_VALUES = 1 << 19


class FlowVerdict(StrEnum):
    """Whether the gradient of a lane vanishes or explodes on its way back; `NONE` without a gradient."""

    VANISHING = "vanishing"
    EXPLODING = "exploding"
    NEITHER = "neither"
    NONE = "none"


@dataclass(frozen=True)
class Flow:
    """The way of a gradient through one lane, from the first time step with one to the last computed one.

    `per_step` is the mean factor of the norm per time step up to the last norm that is finite and not 0. `since` is the
    time step from which on it has vanished or exploded, beyond the ratio `limit`. `hundredth` is the number of steps
    after which at most 1% is left for good. `pace` is the mean factor per time step up to there, else to `since` of one
    that explodes, else to the end. None and NaN: there is none.
    """

    verdict: FlowVerdict
    begins: int | None = None
    ends: int | None = None
    at_begin: float = 0.0
    at_end: float = 0.0
    per_step: float = float("nan")
    since: int | None = None
    limit: float = float("nan")
    hundredth: int | None = None
    pace: float = float("nan")

    @property
    def ratio(self) -> float:
        """The norm at the end over that at the beginning; NaN without a gradient."""
        return self.at_end / self.at_begin if self.at_begin else float("nan")


def flow_of(norms: Floats, *, backward: bool, truncated: bool = False) -> Flow:
    """The way of a gradient through a lane. `norms` is (T,)."""
    order = np.arange(len(norms))[:: 1 if backward else -1]
    (met,) = np.nonzero(norms[order] != 0.0)
    if not len(met):
        return Flow(FlowVerdict.NONE)
    order = order[met[0] : met[-1] + 1 if truncated else None]
    on_way = norms[order]
    with np.errstate(all="ignore"):
        ratios = on_way / on_way[0]
    (usable,) = np.nonzero(np.isfinite(ratios) & (ratios > 0.0))
    last = int(usable[-1]) if len(usable) else 0
    hundredth = _for_good(ratios <= HUNDREDTH)

    def pace(steps: int) -> float:
        """The mean factor per time step over the first steps, up to the last norm that is finite and not 0."""
        steps = int(usable[usable <= steps][-1]) if len(usable) else 0
        return float(ratios[steps] ** (1.0 / steps)) if steps else float("nan")

    flow = Flow(FlowVerdict.NEITHER, int(order[0]), int(order[-1]), float(on_way[0]), float(on_way[-1]), pace(last))
    flow = replace(flow, hundredth=hundredth, pace=pace(last if hundredth is None else hundredth))
    for limit in (EXPLODING, LARGER) if flow.per_step > GROWING else (EXPLODING,):
        # NaN is neither below nor above a limit: it follows from an infinity.
        exploded = ~(ratios <= limit)
        if exploded.any():
            since = int(np.argmax(exploded))
            return replace(
                flow,
                verdict=FlowVerdict.EXPLODING,
                since=int(order[since]),
                limit=limit,
                hundredth=None,
                pace=pace(since),
            )
    for limit in (VANISHING, SMALLER) if flow.per_step < SHRINKING else (VANISHING,):
        gone = _for_good(ratios < limit)
        if gone is not None:
            return replace(flow, verdict=FlowVerdict.VANISHING, since=int(order[gone]), limit=limit)
    return flow


def _for_good(reached: NDArray[np.bool_]) -> int | None:
    """The first place from which on everything is reached, or None."""
    if not reached[-1]:
        return None
    before = np.flatnonzero(~reached)
    return int(before[-1]) + 1 if len(before) else 0


_SENTENCE = "{verb}: {pace}× per time step {way}."
_NO_GRADIENT, _ONE_STEP = "No gradient reaches this lane.", "It is at t = {begins} only."


def flow_sentence(flow: Flow, *, backward: bool = False) -> str:
    """The way of a gradient in words: "Vanishes slowly: 0.976× per time step back."."""
    if flow.verdict is FlowVerdict.NONE:
        return _NO_GRADIENT
    if flow.begins == flow.ends:
        return _ONE_STEP.format(begins=flow.begins)
    pace = "infinity" if np.isnan(flow.pace) else number_format.error(flow.pace)
    return _SENTENCE.format(verb=_verb(flow), pace=pace, way="forward" if backward else "back")


def _verb(flow: Flow) -> str:
    if flow.verdict is FlowVerdict.EXPLODING:
        return "Explodes"
    if flow.verdict is FlowVerdict.VANISHING or flow.hundredth is not None:
        return "Vanishes" if flow.pace < SHRINKING else "Vanishes slowly"
    if HALF <= flow.ratio <= 1.0 / HALF:
        return "Keeps its size"
    verb, steep = ("Shrinks", flow.pace < SHRINKING) if flow.ratio < 1.0 else ("Grows", flow.pace > GROWING)
    return verb if steep else f"{verb} slowly"


def mark_of(flow: Flow, *, backward: bool = False) -> tuple[int, str] | None:
    """The time step at which 1% is left for good, with a label; None if it never is."""
    if flow.hundredth is None or flow.begins is None:
        return None
    steps = "1 step" if flow.hundredth == 1 else f"{number_format.count(flow.hundredth)} steps"
    at = flow.begins + flow.hundredth * (1 if backward else -1)
    return at, f"1% is left {steps} {'later' if backward else 'back'}"


def norms_over_time(trace: Trace, name: str, check: Progress) -> Floats:
    """(L, D, T, N): the norms over the units of an array (L, D, T, N, U); no square overflows."""
    array = trace[name]
    norms: Floats = np.empty(array.shape[:-1])
    layers, directions, timesteps, samples, units = array.shape
    length = max(1, _BLOCK_VALUES // (samples * units))
    blocks = list(product(range(layers), range(directions), range(0, timesteps, length)))
    for done, (k, d, t) in enumerate(blocks):
        check(done / len(blocks))
        block = array[k, d, t : t + length]
        norms[k, d, t : t + length] = norm_of(block)
        release_pages(block)
    return norms


def norm_of(values: FloatArray) -> Floats:
    """The norm over the last axis in float64, scaled where squares would overflow or vanish."""
    wide = values.astype(np.float64)
    with np.errstate(all="ignore"):
        found = np.sqrt(np.einsum("...u,...u->...", wide, wide))
        if not ((found > 1e-140) & (found < 1e150) | (found == 0.0)).all() or (found == 0.0).any():
            largest = np.abs(wide).max(axis=-1, initial=0.0, keepdims=True)
            scale = np.where((largest > 0.0) & np.isfinite(largest), largest, 1.0)
            found = scale[..., 0] * np.sqrt(np.square(wide / scale).sum(axis=-1))
    return np.asarray(found)


@dataclass(frozen=True, eq=False)
class EngineFlow:
    """The norms of an engine's gradients by symbol of the state, each (L, D, T, N): "h", and others that it gives."""

    engine: str
    norms: dict[str, Floats]
    inputs: Inputs
    truncated: bool

    def of_lane(self, layer: int, direction: int, sample: int | None = None) -> Flow:
        """The way of the gradient of one sample, or of all together, through a lane."""
        norms = self.norms["h"][layer, direction]
        norms = norm_of(norms) if sample is None else norms[: self.inputs.length(sample), sample]
        return flow_of(norms, backward=self.inputs.network.backward(direction), truncated=self.truncated)

    def counts(self, layer: int, direction: int) -> dict[FlowVerdict, int]:
        """How many samples have each verdict in a lane."""
        verdicts = [self.of_lane(layer, direction, n).verdict for n in range(self.inputs.batch_size)]
        return {verdict: verdicts.count(verdict) for verdict in FlowVerdict}


def gradient_flow(
    result: RunResult, engine: str | None = None, check: Progress = lambda fraction: None
) -> EngineFlow | None:
    name = gradient("h")
    names = [engine] if engine is not None else [result.reference.engine, *result.traces]
    found = next((result[each] for each in names if name in result[each]), None)
    if found is None:
        return None
    symbols = [s for s in result.inputs.network.kind.state_symbols if gradient(s) in found]
    norms = {symbol: norms_over_time(found, gradient(symbol), check) for symbol in symbols}
    if result.inputs.lengths:
        for array in norms.values():
            array[:, :, padding_mask(result.inputs.lengths, slice(0, result.shape[2]))] = 0.0
    loss = result.inputs.loss
    return EngineFlow(found.engine, norms, result.inputs, loss is not None and loss.truncate is not None)
