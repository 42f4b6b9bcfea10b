"""Hypotheses that no single step of a lane can show: another walk through the sequence or the samples, or none."""

from collections.abc import Iterator
from dataclasses import replace

from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.hypotheses import Hypothesis, LaneReads


def _same(reads: LaneReads) -> LaneReads:
    return reads


_NOT_REVERSED = BugVariant(backward="not_reversed")

_WALKS = (
    Hypothesis("reverse-not-reversed", _same, scope="walk", walk=_NOT_REVERSED),
    Hypothesis("reverse-not-realigned", _same, scope="walk", walk=BugVariant(backward="not_realigned")),
    Hypothesis(
        "reverses-the-features", lambda lane: replace(lane, x=lane.x[..., ::-1]), scope="walk", walk=_NOT_REVERSED
    ),
    Hypothesis("reverses-the-samples", lambda lane: replace(lane, x=lane.x[:, ::-1]), scope="walk", walk=_NOT_REVERSED),
)

_OTHERS = (
    Hypothesis("state-carried-to-next-sample", _same, scope="samples"),
    Hypothesis("layer-not-computed", _same, scope="lane"),
)


def whole_hypotheses(*, backward: bool) -> Iterator[Hypothesis]:
    """The hypotheses of a lane in a direction."""
    yield from (*(_WALKS if backward else ()), *_OTHERS)


def walk_of(name: str) -> BugVariant:
    """How code with a hypothesis goes through the sequence."""
    return next((each.walk for each in _WALKS if each.name == name), BugVariant())
