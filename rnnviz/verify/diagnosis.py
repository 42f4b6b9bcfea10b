"""Likely causes: known bugs that reproduce an engine's numbers, of the forward or of the backward pass."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.registry import PADDING_NOT_ZEROED
from rnnviz.verify.audit import Audit
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check
from rnnviz.verify.evidence import BackwardEvidence, ForwardEvidence
from rnnviz.verify.reproduction import Names, own_tolerance

ALLOWED = 10.0
"""The distance up to which a trace counts as the known bug's: other code rounds otherwise, over a few steps."""

BETTER = 8.0
"""Factor by which a known bug must be nearer to the trace than the correct recurrence or another known bug."""

_ROUNDING = 32.0
"""Within how many eps of a trace all known bugs are equally near."""


Evidence: TypeAlias = ForwardEvidence | BackwardEvidence


def diagnose(inputs: Inputs, trace: Trace, audit: Audit, failing: Sequence[Check] = ()) -> tuple[Names, ...]:
    """The known bugs that explain a wrong pass of an engine, each a tuple of one name; if no single one does, of two.

    A known bug explains a trace if it gives every number of it within rounding (`reproduction`), and does so far
    better than the right recurrence: by how much the two differ depends on the network, and may be less than the
    tolerance. Of several, those that come nearest explain it.

    `failing` are the engine's failing checks. Values in padding are not looked at, so only a check knows of others.
    """
    names = {check.name for check in failing}
    evidence: Evidence | None
    if audit.way == "backward":
        evidence = BackwardEvidence.of(inputs, trace)
    else:
        evidence = ForwardEvidence.of(inputs, trace, audit.first_location, padding_filled=PADDING_CHECK in names)
    if evidence is None:
        return ()
    correct = evidence.distance(BugVariant(), ALLOWED * BETTER)
    if not audit.wrong and correct <= 1.0 and names == {PADDING_CHECK}:
        return ((PADDING_NOT_ZEROED,),)
    limit = min(ALLOWED, correct / BETTER)
    if audit.way == "backward" and limit == 0.0:
        return ()
    return _explanations(evidence, evidence.bugs(), limit) or _explanations(evidence, _pairs(evidence), limit)


def _explanations(evidence: Evidence, faults: Iterable[tuple[Names, BugVariant]], limit: float) -> tuple[Names, ...]:
    """The names of those faults that give the whole trace, the nearest ones of them."""
    within = [
        (names, distance)
        for names, fault in faults
        if (distance := evidence.distance(fault, limit)) <= limit and evidence.reproduces(fault)
    ]
    return nearest(evidence.inputs, within, limit, evidence.trace)


def _pairs(evidence: Evidence) -> Iterator[tuple[Names, BugVariant]]:
    """Two known bugs at once."""
    for (first, one), (second, other) in combinations(evidence.paired(), 2):
        both = one.together_with(other) if first != second else None
        if both is not None:
            yield first + second, both


def nearest(
    inputs: Inputs, found: Iterable[tuple[tuple[str, ...], float]], limit: float, trace: Trace
) -> tuple[tuple[str, ...], ...]:
    """The names whose distance is within the limit and not far from the smallest, in the order in which they came."""
    within = [(names, distance) for names, distance in found if distance <= limit]
    smallest = min((distance for _, distance in within), default=0.0)
    near = max(BETTER * smallest, _ROUNDING * trace.eps / own_tolerance(inputs, trace))
    return tuple(dict.fromkeys(names for names, distance in within if distance <= near))


def distinguishable(trace: Trace, wrong: int) -> bool:
    """Whether an engine has enough numbers, of which some are `wrong`, to know its known bug by them.

    One number fits many by coincidence.
    """
    return trace.hidden[0, 0].size > 1 and wrong != 1


def causes(
    explained: Mapping[str, tuple[Names, ...]], blind: Collection[str], decided: Collection[str]
) -> tuple[dict[str, tuple[Names, ...]], dict[str, int]]:
    """The cause of each engine that has one, and the number of those that fit where no cause can be known.

    `explained` has the known bugs that reproduce an engine's numbers, `blind` those that the run could not reveal, and
    `decided` the engines with enough numbers to distinguish causes.
    """
    fitting = {engine: [n for n in found if not set(n) & set(blind)] for engine, found in explained.items()}
    known = {engine: tuple(found) for engine, found in fitting.items() if len(found) == 1 and engine in decided}
    alike = {engine: len(found) for engine, found in explained.items() if found and engine not in known}
    return {engine: known.get(engine, ()) for engine in explained}, alike
