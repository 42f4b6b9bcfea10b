"""The first line of the arithmetic at which two engines part, in the order of evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

from rnnviz.core.display_names import display_name
from rnnviz.explain.digit_format import format_distinct
from rnnviz.explain.provenance import in_words, input_source
from rnnviz.explain.step_breakdown import StepBreakdown
from rnnviz.explain.terms import Floats, Kind
from rnnviz.verify.metrics import abs_error, tolerance

Step: TypeAlias = Literal["input", "sum", "gate", "previous", "c", "h", "stored"]


@dataclass(frozen=True)
class Divergence:
    """Two engines have numbers that differ by more than the comparison's tolerance, or by what is no rounding.

    `step` tells of what: "input" of a term (`kind` and `index` tell which; every gate reads it), the "sum" or the value
    of a "gate", the "previous" state, "c", "h", or what the engine "stored" in place of the arithmetic's h.
    `name` is how the line is called, such as "h[0][3] of layer 0, forward" or "i". `rtol` and `atol` are the tolerance.
    """

    step: Step
    name: str
    reference: float
    candidate: float
    gate: str | None = None
    kind: Kind | None = None
    index: int | None = None
    rtol: float = field(default=0.0, compare=False, repr=False)
    atol: float = field(default=0.0, compare=False, repr=False)

    def reaches(self, line: str, arithmetic: StepBreakdown) -> bool:
        """Whether the line that gives `line` is where the engines part, or comes after it; an input is in every gate.

        Raises
        ------
        ValueError
            If the arithmetic has no such line.
        """
        lines = [*arithmetic.by_symbol, *("c" if arithmetic.c is not None else ""), "h"]
        at = lines.index(line)
        match self.step:
            case "stored":
                return False
            case "input":
                return True
            case "previous":
                return at >= lines.index("c")
        return at >= lines.index(self.gate or self.step)


def first_parting(reference: StepBreakdown, candidate: StepBreakdown, rtol: float, atol: float) -> Divergence | None:
    """The first line that differs, or None if all agree.

    The order: x, then h', term by term; each gate's argument and value; c'; c; h; what was stored.
    """
    found = _first(reference, candidate, rtol, atol)
    return None if found is None else replace(found, rtol=rtol, atol=atol)


def _first(reference: StepBreakdown, candidate: StepBreakdown, rtol: float, atol: float) -> Divergence | None:
    vectors: tuple[tuple[Kind, Floats, Floats], ...] = (
        ("i2h", reference.x, candidate.x),
        ("h2h", reference.h_previous, candidate.h_previous),
    )
    for kind, ours, theirs in vectors:
        apart = np.flatnonzero(~(abs_error(ours, theirs) <= tolerance(ours, rtol, atol)))
        if apart.size:
            index = int(apart[0])
            name = in_words(input_source(reference, kind, index))
            return Divergence("input", name, float(ours[index]), float(theirs[index]), kind=kind, index=index)
    lines = list(_lines(reference, candidate))
    r, c = np.array([line.reference for line in lines]), np.array([line.candidate for line in lines])
    apart = np.flatnonzero(~(abs_error(r, c) <= tolerance(r, rtol, atol)))
    if apart.size:
        return lines[int(apart[0])]
    return _stored(reference, candidate) if _wrong_apart(reference, candidate) else None


def _wrong_apart(ours: StepBreakdown, theirs: StepBreakdown) -> bool:
    """Whether one of the two stored what rounding does not explain, though within the tolerance."""
    return not (ours.right and theirs.right) and ours.stored != theirs.stored


def _lines(ours: StepBreakdown, theirs: StepBreakdown) -> Iterator[Divergence]:
    for mine, other in zip(ours.gates, theirs.gates, strict=True):
        yield Divergence("sum", f"the argument of {mine.symbol}", mine.pre.sum, other.pre.sum, gate=mine.symbol)
        yield Divergence("gate", mine.symbol, mine.value, other.value, gate=mine.symbol)
    if ours.previous.c is not None and theirs.previous.c is not None:
        yield Divergence("previous", "c'", ours.previous.c, theirs.previous.c)
    if ours.c is not None and theirs.c is not None:
        yield Divergence("c", "c", ours.c, theirs.c)
    yield Divergence("h", "h", ours.h, theirs.h)
    yield _stored(ours, theirs)


def _stored(ours: StepBreakdown, theirs: StepBreakdown) -> Divergence:
    return Divergence("stored", "the stored h", ours.stored, theirs.stored)


def divergence_sentence(reference: StepBreakdown, candidate: StepBreakdown, parting: Divergence | None) -> str:
    """Where two engines part, in one sentence."""
    names = display_name(reference.engine), display_name(candidate.engine)
    if parting is None:
        return f"{names[0]} and {names[1]} do not part: they agree in every line, within the tolerance."
    values = format_distinct(parting.reference, parting.candidate)
    held = f"{names[0]} has {values[0]}, {names[1]} {values[1]}"
    if parting.step == "stored":
        return f"{names[0]} and {names[1]} agree in every line of the arithmetic and part in what they stored: {held}."
    if parting.step == "input":
        return f"{names[0]} and {names[1]} part at {parting.name}, before this step: {held}."
    return f"{names[0]} and {names[1]} part at {parting.name}: {held}."
