"""How the differences between two engines spread: where they first show, and when each lane is reached."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.indexing import first_timestep, lane_text
from rnnviz.core.trace_index import Location
from rnnviz.text.verdict_details import how_many, quoted_names
from rnnviz.text.verdict_text import TextPart, fill
from rnnviz.verify.compare import Comparison
from rnnviz.verify.mismatch_navigation import mismatching_at
from rnnviz.verify.result import RunResult

_AGREE_BUT = "*All hidden values agree, but {checks}*: {names}"


@dataclass(frozen=True)
class LaneSpread:
    """One lane.

    `violation` (T,) is the largest violation at each timestep, above 1 where values mismatch; `first` the first
    mismatch in the order of computation, `steps` how many of the lane's steps come before it, both None if nothing
    mismatches.
    """

    where: Location
    name: str
    violation: NDArray[np.float64]
    first: Location | None
    steps: int | None
    mismatched: int

    @property
    def worst(self) -> float:
        """The largest violation."""
        return float(self.violation.max())

    def heights(self, most: float) -> NDArray[np.float64]:
        """(T,): how far above the limit each timestep is on a logarithmic scale up to `most`: 0 where nothing
        mismatches, a quarter just above the limit, 1 at `most` and beyond.
        """
        outside = np.clip(self.violation, 1.0, max(most, 10.0))
        height = 0.25 + 0.75 * np.log(outside) / np.log(max(most, 10.0))
        return np.where(self.violation > 1.0, height, 0.0)


def spread(result: RunResult, candidate: str) -> list[LaneSpread]:
    """Every lane, by layer from the bottom and direction."""
    comparison = result.comparison(candidate)
    layers, directions, *_ = result.shape
    return [
        _lane(result, comparison, Location(k, d, reverse=comparison.reverse))
        for k in range(layers)
        for d in range(directions)
    ]


def _lane(result: RunResult, comparison: Comparison, lane: Location) -> LaneSpread:
    timesteps = result.shape[2]
    counts = comparison.mismatched_over_time[lane.layer, lane.direction]
    times = np.flatnonzero(counts)
    first = steps = None
    if len(times):
        t = int(times[-1] if lane.backward else times[0])
        steps = abs(t - first_timestep(lane.backward, timesteps))
        mask = mismatching_at(comparison, result.reference, result[comparison.candidate], lane.moved(timestep=t))
        sample, unit = (int(i) for i in np.argwhere(mask)[0])
        first = lane.moved(timestep=t, sample=sample, unit=unit)
    return LaneSpread(
        where=lane,
        name=lane_text(result.inputs.network, lane),
        violation=comparison.violation_over_time[lane.layer, lane.direction],
        first=first,
        steps=steps,
        mismatched=int(counts.sum()),
    )


def spread_sentence(result: RunResult, candidate: str, lanes: list[LaneSpread]) -> tuple[TextPart, ...]:
    """Where it first shows, and by when it is everywhere."""
    comparison = result.comparison(candidate)
    reached = [lane for lane in lanes if lane.first is not None]
    if not reached:
        return _elsewhere(result, candidate)
    first = reached[0].first
    assert first is not None
    shown = TextPart("First shows at ", strong=True), TextPart(str(first), first)
    values = f"{number_format.count(comparison.mismatched)} of {number_format.count(comparison.elements)} values"
    return *shown, TextPart(f"{_by_when(reached, len(lanes), result.inputs.network.bidirectional)}: {values}")


def _by_when(reached: list[LaneSpread], lanes: int, bidirectional: bool) -> str:
    word = "lane" if bidirectional else "layer"
    if len(reached) < lanes:
        return f", in {len(reached)} of {lanes} {word}s"
    latest = max(lane.steps for lane in reached if lane.steps is not None)
    if lanes == 1:
        return ""
    if latest == 0:
        return f", at once in every {word}"
    if bidirectional:
        return f", after {latest} step{'' if latest == 1 else 's'} in every lane"
    return f", by t = {latest} in every layer"


def _elsewhere(result: RunResult, candidate: str) -> tuple[TextPart, ...]:
    """What shows of a candidate none of whose hidden vectors differ."""
    failed = [check for check in result.checks if check.engine == candidate and not check.holds]
    if failed:
        return fill(_AGREE_BUT, checks=how_many(failed), names=quoted_names(failed))
    reference = display_name(result.reference.engine)
    return TextPart("Nothing shows", strong=True), TextPart(
        f": every value agrees with {reference}'s within the tolerance"
    )
