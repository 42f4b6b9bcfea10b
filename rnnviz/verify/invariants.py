"""The notebook's notes as checks: how out, state and the hidden states of one engine must fit together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.verify.metrics import abs_error, tolerance
from rnnviz.verify.verdict import CheckOutcome


@dataclass(frozen=True)
class Check:
    """One statement about one engine's numbers, whether it holds, and by how much.

    `accumulates` says that its two arrays were computed separately, so that rounding accumulates between them.
    """

    name: str
    engine: str
    holds: bool
    detail: str
    accumulates: bool = False

    @property
    def outcome(self) -> CheckOutcome:
        """Whether the check passes."""
        return CheckOutcome.PASSED if self.holds else CheckOutcome.FAILED


def equality(
    name: str,
    engine: str,
    left: FloatArray,
    right: FloatArray,
    rtol: float,
    atol: float,
    *,
    accumulates: bool = False,
) -> Check:
    """Check that two arrays hold the same numbers, within the comparison's tolerance."""
    worst, outside = 0.0, 0
    for a, b in zip(_blocks(left), _blocks(right), strict=True):
        if np.array_equal(a, b):
            continue
        error = abs_error(b, a)
        worst = max(worst, float(error.max()))
        outside += int((~(error <= tolerance(b, rtol, atol))).sum())
    if worst == 0.0:
        detail = f"all {left.size:,} values are equal"
    elif outside == 0:
        detail = f"all {left.size:,} values agree, the largest difference is {worst:.2g}"
    else:
        detail = f"{outside:,} of {left.size:,} values differ, by up to {worst:.2g}"
    return Check(name, engine, outside == 0, detail, accumulates)


def _blocks(array: FloatArray) -> Iterable[FloatArray]:
    length = max(1, (1 << 18) // max(1, array[0].size))
    return (np.asarray(array[start : start + length]) for start in range(0, len(array), length))


def notebook_checks(trace: Trace, rtol: float, atol: float) -> list[Check]:
    """Consistency checks of the `out` and `state` of one engine.

    The forward final state is the output at t = T-1, the backward one the output at t = 0; the first H
    features of out are forward, the others backward; the top layer's hidden states is out; `state` holds
    each layer's last computed hidden state. Nothing is said of what the engine did not return.
    """
    layers, directions, _, _, size = trace.shape
    top, state = trace.hidden[-1], trace.state_h.reshape(layers, directions, *trace.state_h.shape[1:])
    out_forward, out_backward = trace.output[..., :size], trace.output[..., size:]
    told = {"hidden", "output", "state_h"} - trace.missing

    def check(name: str, left: FloatArray, right: FloatArray) -> Check:
        return equality(name, trace.engine, left, right, rtol, atol)

    checks: list[Check] = []
    if told >= {"output", "state_h"}:
        if trace.reverse:
            checks.append(check("the backward final state is the output at t = 0", state[-1, 0], out_forward[0]))
        else:
            checks.append(check("the forward final state is the output at t = T-1", state[-1, 0], out_forward[-1]))
        if directions == 2:
            checks.append(check("the backward final state is the output at t = 0", state[-1, 1], out_backward[0]))
    if told >= {"hidden", "output"}:
        if directions == 2:
            checks += [
                check("out[..., :H] is the top layer's forward hidden states", out_forward, top[0]),
                check("out[..., H:] is the top layer's backward hidden states", out_backward, top[1]),
            ]
        else:
            checks.append(check("out is the top layer's hidden states", out_forward, top[0]))
    if not told >= {"hidden", "state_h"}:
        return checks
    last_computed = np.stack([trace.hidden[:, d, 0 if trace.backward(d) else -1] for d in range(directions)], axis=1)
    checks += [
        check(
            f"state[{layer * directions + d}] is layer {layer}'s last computed {word}hidden state",
            state[layer, d],
            last_computed[layer, d],
        )
        for layer in range(layers)
        for d, word in enumerate(("forward ", "backward ") if directions == 2 else ("",))
    ]
    return checks
