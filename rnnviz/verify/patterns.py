"""The pattern of wrong values of an engine: which steps of its lanes are wrong, in the order of computation, and where
else: which lanes, samples and units, and by what constant."""

from collections.abc import Callable, Sequence

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import BoolArray
from rnnviz.verify.wrong_lane import WrongLane

_MOSTLY, _FEW, _LEAST_CONSTANT = 0.9, 3, 16
"""Share of the steps from the first wrong one on, most steps that are listed, and least values of a constant."""


@dataclass(frozen=True)
class Pattern:
    """Which values are wrong, `wrong` of `of`. Steps are counted from 0 in the order of computation of each lane; what
    differs from lane to lane is None or (), and so is what is not limited.

    start: The step from which on all or nearly all are wrong; 0 where that is from the beginning.
    period: The distance of the wrong steps, which begin at `first`.
    steps: Up to three wrong steps.
    constant: By how much all wrong values are too large.
    """

    wrong: int
    of: int
    first_step_only: bool = False
    start: int | None = None
    period: int | None = None
    first: int | None = None
    steps: tuple[int, ...] = ()
    constant: float | None = None
    lanes: tuple[tuple[int, int], ...] = ()
    samples: tuple[int, ...] = ()
    units: tuple[int, ...] = ()


def pattern_of(lanes: Sequence[WrongLane], count: int, wrong: int, of: int) -> Pattern:
    """The pattern of the wrong lanes among `count` of them; `wrong` of the audited values `of` are wrong."""
    steps = [lane.wrong.any(axis=(1, 2)) for lane in lanes]
    computed = [lane.computed.any(axis=1) for lane in lanes]
    each = [_of_steps(own[there]) for own, there in zip(steps, computed, strict=True)]
    shared = each[0] if all(own == each[0] for own in each) else _Steps()
    return Pattern(
        wrong,
        of,
        shared.first_only,
        shared.start,
        shared.period,
        shared.first,
        shared.few,
        _constant(lanes),
        tuple(lane.place for lane in lanes) if len(lanes) < count else (),
        _some(lanes, lambda lane: lane.wrong.any(axis=(0, 2))),
        _some(lanes, lambda lane: lane.wrong[..., : lane.reads.after["h"].shape[-1]].any(axis=(0, 1))),
    )


@dataclass(frozen=True)
class _Steps:
    """Which steps of one lane are wrong; see `Pattern`."""

    first_only: bool = False
    start: int | None = None
    period: int | None = None
    first: int | None = None
    few: tuple[int, ...] = ()


def _of_steps(wrong: BoolArray) -> _Steps:
    at = np.flatnonzero(wrong)
    first, gaps = int(at[0]), np.diff(at)
    if len(at) == len(wrong):
        return _Steps(start=0)
    if len(at) == 1:
        return _Steps(first_only=first == 0, few=(first,))
    regular = gaps[0] > 1 and (gaps == gaps[0]).all() and at[-1] + gaps[0] >= len(wrong)
    if regular and (len(at) > 2 or first in (gaps[0], 0)):
        return _Steps(period=int(gaps[0]), first=first)
    if wrong[first:].mean() >= _MOSTLY:
        return _Steps(start=first)
    return _Steps(few=tuple(at.tolist()) if len(at) <= _FEW else ())


def _some(lanes: Sequence[WrongLane], wrong: Callable[[WrongLane], BoolArray]) -> tuple[int, ...]:
    """The places of an axis with a wrong value in any lane, if not all have one."""
    found = np.logical_or.reduce([wrong(lane) for lane in lanes])
    return () if found.all() else tuple(np.flatnonzero(found).tolist())


def _constant(lanes: Sequence[WrongLane]) -> float | None:
    """By how much all wrong values are too large, if that is a constant."""

    def at_wrong(array: Callable[[WrongLane], FloatArray]) -> FloatArray:
        return np.concatenate([array(lane)[lane.wrong] for lane in lanes])

    with np.errstate(invalid="ignore"):
        off, limit = at_wrong(lambda lane: lane.found - lane.right.value), at_wrong(lambda lane: lane.limit)
    if len(off) < _LEAST_CONSTANT or not np.isfinite(off).all():
        return None
    near, mean = float(limit.mean()), float(off.mean())
    return mean if np.ptp(off) <= 2.0 * near and abs(mean) > 4.0 * near else None
