"""How the differences between two engines spread: where they first show, and when each lane is reached."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis import numbers
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.naming import shown_name
from rnnviz.analysis.navigate import mismatching_at
from rnnviz.analysis.notes import how_many, named
from rnnviz.analysis.places import first_timestep, lane_text
from rnnviz.analysis.result import RunResult
from rnnviz.analysis.wording import Part
from rnnviz.model.location import Location


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
    return [_lane(result, comparison, Location(k, d)) for k in range(layers) for d in range(directions)]


def _lane(result: RunResult, comparison: Comparison, lane: Location) -> LaneSpread:
    timesteps = result.shape[2]
    counts = comparison.mismatched_over_time[lane.layer, lane.direction]
    times = np.flatnonzero(counts)
    first = steps = None
    if len(times):
        t = int(times[-1] if lane.direction else times[0])
        steps = abs(t - first_timestep(lane.direction, timesteps))
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


def spread_sentence(result: RunResult, candidate: str, lanes: list[LaneSpread]) -> tuple[Part, ...]:
    """Where it first shows, and by when it is everywhere."""
    comparison = result.comparison(candidate)
    reached = [lane for lane in lanes if lane.first is not None]
    if not reached:
        return _elsewhere(result, candidate)
    first = reached[0].first
    assert first is not None
    shown = Part("First shows at ", strong=True), Part(str(first), first)
    values = f"{numbers.count(comparison.mismatched)} of {numbers.count(comparison.elements)} values"
    return *shown, Part(f"{_by_when(reached, len(lanes), result.inputs.network.bidirectional)}: {values}")


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


def _elsewhere(result: RunResult, candidate: str) -> tuple[Part, ...]:
    """What shows of a candidate none of whose hidden vectors differ."""
    failed = [check for check in result.checks if check.engine == candidate and not check.holds]
    if failed:
        return Part("No hidden vector differs, but ", strong=True), Part(f"{how_many(failed)}: {named(failed)}")
    reference = shown_name(result.reference.engine)
    return Part("Nothing shows", strong=True), Part(f": every value agrees with {reference}'s within the tolerance")
