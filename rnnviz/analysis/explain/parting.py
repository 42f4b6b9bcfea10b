"""The first line of the arithmetic at which two engines part, in the order of evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

from rnnviz.analysis.elementwise import abs_error, tolerance
from rnnviz.analysis.explain.arithmetic import Arithmetic
from rnnviz.analysis.explain.digits import told_apart
from rnnviz.analysis.explain.provenance import in_words, input_source
from rnnviz.analysis.explain.terms import Floats, Kind
from rnnviz.analysis.naming import shown_name

Step: TypeAlias = Literal["input", "sum", "gate", "previous", "c", "h", "stored"]


@dataclass(frozen=True)
class Parting:
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

    def reaches(self, line: str, arithmetic: Arithmetic) -> bool:
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


def first_parting(reference: Arithmetic, candidate: Arithmetic, rtol: float, atol: float) -> Parting | None:
    """The first line that differs, or None if all agree.

    The order: x, then h', term by term; each gate's argument and value; c'; c; h; what was stored.
    """
    found = _first(reference, candidate, rtol, atol)
    return None if found is None else replace(found, rtol=rtol, atol=atol)


def _first(reference: Arithmetic, candidate: Arithmetic, rtol: float, atol: float) -> Parting | None:
    vectors: tuple[tuple[Kind, Floats, Floats], ...] = (
        ("i2h", reference.x, candidate.x),
        ("h2h", reference.h_previous, candidate.h_previous),
    )
    for kind, ours, theirs in vectors:
        apart = np.flatnonzero(~(abs_error(ours, theirs) <= tolerance(ours, rtol, atol)))
        if apart.size:
            index = int(apart[0])
            name = in_words(input_source(reference, kind, index))
            return Parting("input", name, float(ours[index]), float(theirs[index]), kind=kind, index=index)
    lines = list(_lines(reference, candidate))
    r, c = np.array([line.reference for line in lines]), np.array([line.candidate for line in lines])
    apart = np.flatnonzero(~(abs_error(r, c) <= tolerance(r, rtol, atol)))
    if apart.size:
        return lines[int(apart[0])]
    return _stored(reference, candidate) if _wrong_apart(reference, candidate) else None


def _wrong_apart(ours: Arithmetic, theirs: Arithmetic) -> bool:
    """Whether one of the two stored what rounding does not explain, though within the tolerance."""
    return not (ours.right and theirs.right) and ours.stored != theirs.stored


def _lines(ours: Arithmetic, theirs: Arithmetic) -> Iterator[Parting]:
    for mine, other in zip(ours.gates, theirs.gates, strict=True):
        yield Parting("sum", f"the argument of {mine.symbol}", mine.pre.sum, other.pre.sum, gate=mine.symbol)
        yield Parting("gate", mine.symbol, mine.value, other.value, gate=mine.symbol)
    if ours.previous.c is not None and theirs.previous.c is not None:
        yield Parting("previous", "c'", ours.previous.c, theirs.previous.c)
    if ours.c is not None and theirs.c is not None:
        yield Parting("c", "c", ours.c, theirs.c)
    yield Parting("h", "h", ours.h, theirs.h)
    yield _stored(ours, theirs)


def _stored(ours: Arithmetic, theirs: Arithmetic) -> Parting:
    return Parting("stored", "the stored h", ours.stored, theirs.stored)


def parting_sentence(reference: Arithmetic, candidate: Arithmetic, parting: Parting | None) -> str:
    """Where two engines part, in one sentence."""
    names = shown_name(reference.engine), shown_name(candidate.engine)
    if parting is None:
        return f"{names[0]} and {names[1]} do not part: they agree in every line, within the tolerance."
    values = told_apart(parting.reference, parting.candidate)
    held = f"{names[0]} has {values[0]}, {names[1]} {values[1]}"
    if parting.step == "stored":
        return f"{names[0]} and {names[1]} agree in every line of the arithmetic and part in what they stored: {held}."
    if parting.step == "input":
        return f"{names[0]} and {names[1]} part at {parting.name}, before this step: {held}."
    return f"{names[0]} and {names[1]} part at {parting.name}: {held}."
