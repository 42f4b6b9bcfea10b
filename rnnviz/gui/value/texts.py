"""Texts of the value card: the rows of its lists, its title, and the short names of places."""

import re
from collections.abc import Callable, Sequence

from rnnviz.core import number_format
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import display_name, is_unknown
from rnnviz.core.gradients import gradient
from rnnviz.core.places import Place
from rnnviz.core.sequence import feature_index, timestep_in_words
from rnnviz.core.trace_index import ARROWS, DIRECTIONS, Location, read_after
from rnnviz.explain.backward_symbols import gate_name
from rnnviz.explain.lines import Breakdown, EquationLine, Line, format_short
from rnnviz.explain.terms import TermRow
from rnnviz.explain.value_sources import in_words, value_place
from rnnviz.gui.naming import named
from rnnviz.gui.value.page import ActivationCurve, Page
from rnnviz.gui.value.rows import MASKED, EquationRow, TermLine, shorter
from rnnviz.text.verdict_text import causes_alike, likely_cause
from rnnviz.verify.result import RunResult

Masked = Callable[[Place | None], bool]

_TIME = re.compile(r"\[t=[^,\]]*, ?\w=")
_WITHOUT_NUMBER = re.compile(r"[A-Za-z]_\w|h\[t")
"""A symbol among the numbers of an equation, such as W_n."""
_SHORT_LABEL = 14
"""Characters of a time step's label that leave room for the rest of the title."""
_NAMES = {"c": "cell state", "h": "hidden value", "m": "before the projection", "out": "output"}


def short_number(value: float) -> str:
    """A number in its short form with a minus sign."""
    return number_format.true_minus(format_short(value))


def title_of(result: RunResult, where: Location) -> str:
    """The opened value in a title: "Layer 1 forward, t = 6, unit 2"."""
    network = result.inputs.network
    direction = f" {DIRECTIONS[where.backward]}" if network.bidirectional else ""
    step = timestep_in_words(result.inputs.names.of_sample(where.sample), where.timestep, _SHORT_LABEL)
    return f"Layer {where.layer}{direction}, {step}, unit {where.unit}"


def subtitle_of(result: RunResult, where: Location, page: Page | None) -> str:
    """The sample, the direction, and of a wrong value whether it is the first one, and what its step reads."""
    network, notes = result.inputs.network, [f"sample {where.sample}"]
    comparison = None if page is None else page.comparison
    if page is not None and page.request.place.in_backward_pass:
        notes.append("gradient of the loss")
    elif comparison is not None and comparison.wrong:
        audit = result.judged("forward").audits.get(comparison.engine)
        if audit is not None and audit.first_location == where:
            notes.append("first wrong value")
        notes.append(f"reads {_read_text(network, where, result.inputs.length(where.sample))}")
    elif not network.bidirectional:
        notes.append(DIRECTIONS[where.backward])
    return " · ".join(notes)


def _read_text(network: Network, where: Location, length: int) -> str:
    before = read_after(network, where, length)
    state = "h0" if before is None else f"t = {before:,}"
    return f"{state} and {f'layer {where.layer - 1}' if where.layer else 'x'}"


def symbols_of(line: EquationLine, name: str) -> str:
    """An equation without its result: "σ(u + v)"."""
    text = "".join(token.text for token in line.tokens[1:]).removeprefix(" = ")
    # In the equation of n, u_n is u.
    text = re.sub(rf"(?<=\w)_{re.escape(name)}\b", "", text)
    return text.replace("sigmoid", "σ").replace(" - ", " − ").replace("[t-1]", "[t−1]")


def numbers_of(line: EquationLine, is_masked: Masked) -> str:
    """The same with numbers: "σ(−0.288 − 0.109)"; "?" for a number that a question asks for."""
    pieces = [""]
    for k, token in enumerate(line.tokens[1:]):
        text = token.text.removeprefix(" = ") if k == 0 else token.text
        if token.value is None:
            pieces.append(text.replace("sigmoid", "σ").replace(" - ", " − "))
            continue
        number = MASKED if is_masked(token.source) else short_number(token.value)
        if number.startswith("−") and pieces[-1].endswith(" + "):
            pieces[-1], number = pieces[-1].removesuffix("+ "), f"− {number[1:]}"
        elif number.startswith("−") and pieces[-1] and not pieces[-1].endswith("("):
            number = f"({number})"
        pieces.append(number)
    return "".join(pieces)


def _of_parts(line: Line) -> str:
    """The numbers of an equation with a product that has none: what its parts add."""
    text = short_number(line.addends[0])
    for value in line.addends[1:]:
        number = short_number(value)
        text += f" − {number[1:]}" if number.startswith("−") else f" + {number}"
    return text if line.point is None else f"{activation_name(line.point[0].name)}({text})"


def activation_name(name: str) -> str:
    """The name of an activation in a formula."""
    return {"sigmoid": "σ"}.get(name, name)


def names_of(breakdown: Breakdown) -> dict[str, str]:
    """The names of the values of a breakdown's lines by symbol: "input gate", "cell state"."""
    cell = breakdown.cell
    names = _NAMES | dict.fromkeys(cell.further_states, "state") | {gate.symbol: gate.name for gate in cell.gates}
    if breakdown.lines[0].kind == "gradient":
        names |= {gate_name(cell, gate.symbol): gate.name for gate in cell.gates}
        return {gradient(symbol): name for symbol, name in names.items()}
    return names | {line.name: line.title for line in breakdown.lines if line.title}


def equation_rows(
    breakdown: Breakdown, lines: Sequence[Line], is_masked: Masked, *, last: bool = False, hinted: bool = True
) -> list[EquationRow]:
    """The rows of some lines of a breakdown; the `last` one is what they are for.

    Until it is `hinted`, a value that a question asks for has no numbers.
    """
    names, where, rows = names_of(breakdown), breakdown.place.location, []
    for line in lines:
        name, symbols = names.get(line.name, ""), symbols_of(line.equation, line.name)
        place = None if where is None else value_place(breakdown.cell, where, line.name)
        if line.kind == "gradient":
            place = breakdown.place if where is None else Place.at(line.name, where)
        hidden = is_masked(place) and (line.name == (place.array if place else ""))
        tip = f"{line.equation.symbols}\n{'' if hidden else number_format.full(line.value)}".strip()
        numbers = (
            _of_parts(line) if _WITHOUT_NUMBER.search(line.equation.numbers) else numbers_of(line.equation, is_masked)
        )
        rows.append(
            EquationRow(
                line.name,
                tuple(filter(None, (f"{name} = {symbols}" if name else symbols, name))),
                () if hidden and not hinted else shorter(numbers),
                MASKED if hidden else short_number(line.value),
                number_format.true_minus_in(tip),
                last and line is lines[-1],
            )
        )
    return rows


def term_lines(page: Page, count: int, is_masked: Masked) -> list[TermLine]:
    """The largest terms of the page's line."""
    return [_term_line(row, page, is_masked) for row in page.largest.rows[:count]]


def _term_line(row: TermRow, page: Page, is_masked: Masked) -> TermLine:
    own, where, line = row.figures[0], page.shown.place.location, page.line
    source = row.source
    if row.kind == "bias" and row.weight is not None and page.request.result.inputs.loss is not None:
        source = row.weight.gradient
    name, note, index = row.name, "", ""
    if line.kind == "gate" and row.source is not None and where is not None:
        name, note, index = _brief(row.source, where, row.name)
    hidden = is_masked(row.source) or is_masked(row.weight)
    tip = [named(row.name)]
    numbers: tuple[str, ...] = ("",)
    if own.factor is not None and own.input is not None:
        read = MASKED if is_masked(row.source) else short_number(own.input)
        factor = MASKED if is_masked(row.weight) else short_number(own.factor)
        numbers = shorter(f"{factor} × {read}")
        if not hidden:
            tip.append(f"{number_format.full(own.factor)} × {number_format.full(own.input)}")
    added = 0.0 if own.added is None else own.added
    if not hidden:
        tip.append(f"= {number_format.full(added)}")
    if source is not None:
        tip.append(f"Click to go to {in_words(source)}.")
    text = MASKED if hidden else short_number(added)
    return TermLine(
        _TIME.sub("[", named(name)).replace("[t-1]", "[t−1]"),
        note,
        index,
        numbers,
        None if hidden else added,
        text,
        source,
        "\n".join(tip),
    )


def _brief(place: Place, where: Location, name: str) -> tuple[str, str, str]:
    """A place as a step names it: "h", "L0" and "[5]" of the layer below, "h", "t−1" and "[4]" of the step before."""
    if place.kind == "input":
        return "x", "", f"[{feature_index(place.names, place.unit)}]"
    if place.kind != "step":
        return place.array, "", f"[{place.unit}]"
    arrow = name[-1] if name[-1] in ARROWS else ""
    if place.layer != where.layer:
        return place.array, f"L{place.layer}{arrow}", f"[{place.unit}]"
    steps = (place.timestep or 0) - where.timestep
    note = f"t{'+' if steps > 0 else '−'}{abs(steps)}" if steps else ""
    return place.array, note, f"[{place.unit}]"


def point_text(curve: ActivationCurve | None) -> str:
    """The activation at its argument: "σ(−0.396) = 0.402"; "" without one."""
    if curve is None:
        return ""
    x, y = curve.point
    return f"{activation_name(curve.activation)}({short_number(x)}) = {short_number(y)}"


def engine_holds(page: Page) -> str:
    """Which values of the equations an engine did not record: "port.npz holds no gates"."""
    comparison = page.comparison
    if comparison is None or not comparison.other:
        return ""
    own = page.explained.breakdowns[comparison.engine]
    lacks = [line for line in own.lines if line.kind == "gate" and line.name in own.recomputed]
    return f"{display_name(comparison.engine)} holds no gates" if lacks else ""


def cause_note(page: Page, engine: str) -> str:
    """A sentence on the cause of a wrong value without a proof; "" of an engine whose bug is to be found."""
    result = page.request.result
    judgment = result.judged("backward" if page.explained.of_gradient else "forward")
    if result.judgment is None or is_unknown(engine):
        return ""
    if cause := likely_cause(judgment, engine):
        return f"Likely cause: {cause}."
    return causes_alike(judgment, engine) or "No known bug gives this value."
