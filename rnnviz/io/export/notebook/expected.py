"""The expected values of a notebook: an engine of the run, and whether the notebook must agree with it."""

from dataclasses import dataclass

from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace import Trace
from rnnviz.verify import tolerances as recorded_tolerances
from rnnviz.verify.result import RunResult

_UNCHECKED = "differences are printed but not checked"
_GLUON = "gluon"


@dataclass(frozen=True)
class Recorded:
    """One engine's trace.

    `insists` says whether the manual recurrence must agree with it, and `insists_on_gluon` the same for Gluon's
    layer; `why` is the sentence that says why not, empty if both must.
    """

    trace: Trace
    insists: bool
    insists_on_gluon: bool
    why: str


def recorded(result: RunResult) -> Recorded:
    """The first engine that is not known to be wrong, the reference before the others; else the reference.

    A recording that lacks arrays comes after complete ones, and one that lacks hidden
    states is not chosen. Two correct engines can diverge; a third need not agree with either.
    """
    whole = [trace for trace in result.traces.values() if not trace.partial]
    right = [trace for trace in whole if not result.wrong(trace.engine)]
    right.sort(key=lambda trace: bool(trace.missing))
    trace = (right or whole or [result.reference])[0]
    if not whole:
        return Recorded(trace, False, False, "No engine of the run has all hidden states, so none is compared here.")
    if not right:
        return Recorded(trace, False, False, f"Every engine of the run is wrong: {_UNCHECKED}.")
    names = {own.engine for own in right}
    if any(c.mismatched for c in result.comparisons if {c.reference, c.candidate} <= names):
        engines = " and ".join(map(display_name, sorted(names)))
        return Recorded(
            trace,
            False,
            False,
            f"In the run {engines} differ by more than the tolerance: {_UNCHECKED}.",
        )
    if result.wrong(_GLUON):
        return Recorded(trace, True, False, "Gluon is wrong in this run: its difference is printed but not checked.")
    return Recorded(trace, True, True, "")


def tolerances(result: RunResult, trace: Trace) -> tuple[float, float]:
    """(rtol, atol): the run's for the trace that is met, but no stricter than those of its type.

    The notebook rounds otherwise than the engines.
    """
    own = recorded_tolerances.tolerances(result.config, trace)
    by_type = recorded_tolerances.defaults(result.config, trace)
    return max(own[0], by_type[0]), max(own[1], by_type[1])
