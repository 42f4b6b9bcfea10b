"""The accumulated comparison: |candidate - reference| <= atol + rtol · |reference|, for every hidden value."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.verify.comparison import Comparison, Mismatch
from rnnviz.verify.comparison_accumulator import ComparisonAccumulator
from rnnviz.verify.metrics import BlockDifference, BlockDifferences
from rnnviz.verify.per_timestep import over_time

__all__ = ["Comparison", "Mismatch", "compare"]

_BLOCK_VALUES = 1 << 17
"""Number of values in a block: large enough to amortize the calls, small enough that the float64 temporaries
stay in the last-level cache."""

Watch: TypeAlias = Callable[[int, int, int, FloatArray, FloatArray, BlockDifference | None], None]
"""Called with layer, direction, first time step, the reference's and the candidate's values (B, N, H) from it on, and
their difference, whose memory is used again; None where they are not compared."""


def compare(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    watch: Watch = lambda *_: None,
    *,
    folder: Path | None = None,
) -> Comparison:
    """Compare every hidden value of two traces of one network, block by block, each of which `watch` sees as well.

    Values that a recording lacks are not compared; `watch` gets None as their difference.

    Large arrays over time are files in `folder`, if given.

    Raises
    ------
    OSError
        If the folder takes no more.
    """
    layers, directions, timesteps, *_ = reference.shape
    dtypes = dict(zip(Comparison.NAMES, ("float64", "float64", "int64"), strict=True))
    arrays, stored = over_time(folder, Comparison.KIND, dtypes, reference.shape[:3])
    tally, differences = (
        ComparisonAccumulator(reference.shape, rtol, **arrays, reverse=reference.reverse),
        BlockDifferences(rtol, atol),
    )
    elements = 0
    for layer, direction, times in _blocks(reference, candidate):
        r = np.asarray(reference.hidden[layer, direction, times])
        c = np.asarray(candidate.hidden[layer, direction, times])
        difference = None
        if times.start in compared(reference, candidate, layer, direction):
            difference = differences.of(r, c)
            tally.add(layer, direction, times.start, r, c, difference)
            elements += r.size
        else:
            tally.skip(layer, direction, times)
        watch(layer, direction, times.start, r, c, difference)
        done = (timesteps - times.start if reference.backward(direction) else times.stop) / timesteps
        progress((layer * directions + direction + done) / (layers * directions))
    return Comparison(
        reference=reference.engine,
        candidate=candidate.engine,
        rtol=rtol,
        atol=atol,
        elements=elements,
        mismatched=tally.mismatched,
        max_abs_error=max(tally.max_abs_error, 0.0),
        max_abs_error_at=tally.max_abs_error_at,
        max_error_ratio=tally.max_error_ratio,
        max_ulp=tally.max_ulp,
        smallest_passing_atol=tally.passing_atol,
        first_mismatch=tally.first,
        nonfinite_reference=tally.nonfinite[0],
        nonfinite_candidate=tally.nonfinite[1],
        nonfinite_apart=tally.nonfinite[2],
        **arrays,
        violation_by_column=tally.violation_by_column,
        violations=tally.violations.histogram(),
        ulps=tally.ulps.histogram(),
        stored=stored,
        reverse=reference.reverse,
        unrecorded=reference.hidden.size - elements,
    )


def compared(reference: Trace, candidate: Trace, layer: int, direction: int) -> range:
    """The time steps of a lane at which both traces have hidden states."""
    told = [trace.recorded(layer, direction) for trace in (reference, candidate)]
    start = max(part.start for part in told)
    return range(start, max(start, min(part.stop for part in told)))


def _blocks(reference: Trace, candidate: Trace) -> Iterator[tuple[int, int, slice]]:
    """Slices of time of every lane, in the order of computation. A slice is compared or missing as a whole."""
    layers, directions, timesteps, samples, units = reference.shape
    length = max(1, _BLOCK_VALUES // (samples * units))
    for layer in range(layers):
        for direction in range(directions):
            both = compared(reference, candidate, layer, direction)
            parts = range(both.start), both, range(both.stop, timesteps)
            starts = [(start, part.stop) for part in parts for start in range(part.start, part.stop, length)]
            for start, stop in reversed(starts) if reference.backward(direction) else starts:
                yield layer, direction, slice(start, min(start + length, stop))
