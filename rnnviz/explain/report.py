"""An explanation as text that can be followed with paper and pencil, and as JSON for other programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.axis_labels import timestep_in_words
from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import json_number
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.core.words import join_words
from rnnviz.explain.equations import EquationLine, align_decimals, equations, format_short
from rnnviz.explain.explanation import Divergence, Explanation
from rnnviz.explain.likely_cause import StepWithBugs
from rnnviz.explain.step_breakdown import GateArithmetic, StepBreakdown, StoredValue, own_symbols
from rnnviz.explain.term_table import SHOWN_TERMS, TermRow, TermTable, TermValues, first_parted_sum, ledger
from rnnviz.explain.value_sources import notation, previous_place, state_place
from rnnviz.frozen import dataclass

_BETWEEN = "  "
"""Separates the columns. Narrow, so that two engines side by side fit most terminals."""


def report(explanation: Explanation, top: int | None = None) -> str:
    """The whole arithmetic; of each gate the `top` terms that weigh most and the rest summed, else all if few."""
    each = list(explanation.arithmetics.values())
    first = explanation.reference
    where = explanation.where
    sizes = f"{number_format.count(first.hidden_size)} units, {number_format.count(len(first.x))} inputs"
    lane = f"layer {where.layer} {DIRECTIONS[where.backward]} {ARROWS[where.backward]}"
    place = f"{notation(state_place(first))} of {lane}, sample {where.sample}"
    named = timestep_in_words(first.names, where.timestep) if first.names.timestep(where.timestep) else ""
    lines = [
        f"{place}{named and f', {named}'}: {first.cell.title}, {sizes}",
        "",
        *(f"  {equation}" for equation in equations_of_all_units(first.cell)),
        "  with u = W_i2h x + b_i2h and v = W_h2h h[t-1] + b_h2h",
        "",
        *_states(each),
    ]
    gates = first.by_symbol
    for steps in zip(*map(equations, each), strict=True):
        gate = gates.get(steps[0].result.text)
        lines.append("")
        if gate is not None:
            lines += [
                f"{gate.symbol}, {gate.gate.name}{recomputed_of(each, gate.symbol)}",
                *_gate(explanation, gate.symbol, top),
                "",
            ]
        lines += equation_lines([a.engine for a in each], steps)
    lines += _units(each, top)
    lines += ["", *outcome_lines({a.engine: a.outcomes for a in each}, own_symbols(each))]
    for step in explanation.with_bugs.values():
        lines += ["", *_with_bugs(step)]
    lines += ["", *explanation.sentences]
    return "\n".join(line.rstrip() for line in lines)


_WITH_CAUSE = "{engine} with its likely cause: {cause}"


def _with_bugs(step: StepWithBugs) -> Iterator[str]:
    """The equations of a wrong engine with its likely cause, and the values that they give."""
    own = step.arithmetic
    yield _WITH_CAUSE.format(engine=display_name(own.engine), cause=step.cause)
    for line in equations(own):
        yield from ("", f"  {line.symbols}", f"  {line.numbers}")
    yield ""
    yield from outcome_lines({own.engine: own.outcomes}, own_symbols([own]))


@dataclass(frozen=True)
class Row:
    """A line of a table: what it is called, its numbers as text, one for each column, and whether it is marked."""

    name: str
    cells: tuple[str, ...]
    marked: bool = False


def table_lines(header: Sequence[str], rows: Sequence[Row], names: Sequence[str] = ()) -> Iterator[str]:
    """The rows with their decimal points below each other, and above them the header and the names of the engines."""
    width = max(len(row.name) for row in rows)
    columns = [align_decimals([row.cells[k] for row in rows]) for k in range(len(header))]
    widths = [max(len(title), len(column[0])) for title, column in zip(header, columns, strict=True)]
    if names:
        yield _joined(" " * width, _names_above(widths, names))
    yield _joined(" " * width, [f"{title:>{w}}" for title, w in zip(header, widths, strict=True)])
    for place, row in enumerate(rows):
        line = _joined(f"{row.name:<{width}}", [f"{c[place]:>{w}}" for c, w in zip(columns, widths, strict=True)])
        yield f"≠{line[1:]}" if row.marked else line


def _names_above(widths: list[int], names: Sequence[str]) -> list[str]:
    """The engines' names over their columns, which are made as wide as these.

    The first column is the weights', which all engines share; each engine has as many of the others.
    """
    each = (len(widths) - 1) // len(names)
    cells = [" " * widths[0]]
    for k, name in enumerate(names):
        first, last = 1 + each * k, each * (k + 1)
        span = sum(widths[first : last + 1]) + len(_BETWEEN) * (each - 1)
        widths[last] += max(0, len(name) - span)
        cells.append(f"{name:^{span}}")
    return cells


def _joined(name: str, cells: Sequence[str]) -> str:
    return "  " + _BETWEEN.join([name, *cells])


def _states(each: Sequence[StepBreakdown]) -> Iterator[str]:
    first = each[0]
    rows = [
        Row(
            f"{symbol}[t-1] = {notation(place)}{recomputed_of(each, symbol)}",
            tuple(format_short(a.previous.by_symbol[symbol]) for a in each),
        )
        for symbol in first.previous.by_symbol
        for place in (previous_place(first, symbol),)
    ]
    yield from table_lines([display_name(a.engine) for a in each], rows)


def recomputed_of(each: Sequence[StepBreakdown], symbol: str) -> str:
    """Clause that a value is recomputed, as far as engines do not give it: ", recomputed for gluon"."""
    engines = [a.engine for a in each if symbol in a.recomputed]
    if not engines:
        return ""
    of = "" if len(engines) == len(each) else f" for {join_words(map(display_name, engines))}"
    return f", recomputed{of}"


def _gate(explanation: Explanation, symbol: str, top: int | None) -> Iterator[str]:
    """The terms of a gate, as the window lists them; ≠ marks the first row where the sums diverge."""
    each = list(explanation.arithmetics.values())
    partings = {name: parting for name, parting in explanation.partings.items() if parting is not None}
    found = ledger(each, symbol, top=top, parting=next(iter(partings.values()), None))
    marked = {
        first_parted_sum(found, each[0], engine, partings[arithmetic.engine])
        for engine, arithmetic in enumerate(each)
        if arithmetic.engine in partings
    }
    factors = [row.figures[0].factor for row in found.rows]
    rows = [
        Row(
            row.name,
            (number_cell(factor), *(cell for own in row.figures for cell in _figures(found, row, own))),
            marked=place in marked,
        )
        for place, (row, factor) in enumerate(zip(found.rows, factors, strict=True))
    ]
    factor_name = each[0].by_symbol[symbol].pre.v.factor_name
    added = (f"× {factor_name}",) if found.scaled else ()
    header = ["weight", *("× input", "= product", *added, "sum") * len(each)]
    yield from table_lines(header, rows, [display_name(a.engine) for a in each])


def _units(each: Sequence[StepBreakdown], top: int | None) -> Iterator[str]:
    """The named values of the units that a product reads, those first that weigh most; none without a product."""
    first = each[0]
    gate = next((gate for gate in first.gates if any(part.kind == "matrix" for part in gate.pre.parts)), None)
    if gate is None or not first.across:
        return
    shown = sorted(gate.pre.by_weight()[: SHOWN_TERMS if top is None else top].tolist())
    title = _UNITS.format(symbol=gate.symbol, engine="{engine}", shown=len(shown), units=first.hidden_size)
    for arithmetic in each:
        yield from ("", title.format(engine=display_name(arithmetic.engine)))
        rows = [
            Row(f"u={unit}", tuple(format_short(float(values[unit])) for values in arithmetic.across.values()))
            for unit in shown
        ]
        yield from table_lines(list(arithmetic.across), rows)


_UNITS = "The units that {symbol} reads by {engine}, {shown} of {units}"


def _figures(found: TermTable, row: TermRow, own: TermValues) -> Iterator[str]:
    yield number_cell(own.input)
    yield number_cell(found.product(row, own))
    if found.scaled:
        yield number_cell(own.added)
    yield number_cell(own.stop)


def number_cell(value: float | None) -> str:
    return "" if value is None else format_short(value)


def equation_lines(engines: Sequence[str], lines: Sequence[EquationLine]) -> Iterator[str]:
    """The equation once, and below it the numbers of each engine; engines with the same digits share a line."""
    yield f"  {lines[0].symbols}"
    named: dict[str, list[str]] = {}
    for engine, line in zip(engines, lines, strict=True):
        named.setdefault(line.numbers, []).append(display_name(engine))
    width = max(len(text) for text in named)
    for text, alike in named.items():
        yield f"  {text:<{width}}   {', '.join(alike)}"


def outcome_lines(outcomes: Mapping[str, Sequence[StoredValue]], symbols: Sequence[str]) -> Iterator[str]:
    """The values of the arithmetic besides the engines' own, by engine, of some symbols in their order."""
    for symbol in symbols:
        found = [(engine, own) for engine, each in outcomes.items() for own in each if own.symbol == symbol]
        if not found:
            continue
        rows = [
            Row(f"{symbol} of this arithmetic", tuple(format_short(own.computed) for _, own in found)),
            Row(f"{symbol} of the engine", tuple(format_short(own.stored) for _, own in found)),
            Row("difference", tuple(number_format.error(own.difference) for _, own in found)),
            Row("allowed for rounding", tuple(number_format.error(ALLOWED * own.bound) for _, own in found)),
        ]
        yield from table_lines([display_name(engine) for engine, _ in found], rows)


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Every number of the explanation; those that are not finite are the texts "NaN", "Infinity" and "-Infinity".

    "name" is the explained value, and "value" has each engine's, null where it does not give it. "gates" and
    "previous" are from "reference", the reference or the first engine that has them. "engines" has them for every
    engine, with the results of the equations, the engine's own values and their differences; "units" has the named
    values of all units that a projection reads; "recomputed" names the values that the engine does not give. An engine
    has "likely_cause" where the equations with the known bugs of its verdict give its values. A gate's
    "sum" is its pre-activation: "u" + "v", the input part and the recurrent part, or "u" + "reset" · "v" for n of a
    GRU. "names" has the names of the time step and of the features, if the sequence has any.
    """
    reference = explanation.reference
    return {
        "name": notation(state_place(reference)),
        "where": explanation.where.to_json(),
        "value": {name: _optional(_value(arithmetic)) for name, arithmetic in explanation.arithmetics.items()}
        | {name: None if stored is None else json_number(stored) for name, stored in explanation.unread.items()},
        "formula": "; ".join(equations_of_all_units(reference.cell)),
        "gates": [_gate_json(gate) for gate in reference.gates],
        "previous": _previous_json(reference),
        "reference": reference.engine,
        "engines": {
            name: _engine_json(arithmetic)
            | ({"likely_cause": _with_bugs_json(step)} if (step := explanation.with_bugs.get(name)) else {})
            for name, arithmetic in explanation.arithmetics.items()
        },
        "partings": {name: parting_json(parting) for name, parting in explanation.partings.items()},
        "sentences": list(explanation.sentences),
        **_names_json(reference),
    }


def _value(arithmetic: StepBreakdown) -> float | None:
    """The engine's own value that is explained; None where it gives none."""
    symbol = "h" if arithmetic.h is not None else "c"
    return next((own.stored for own in arithmetic.outcomes if own.symbol == symbol), None)


def _optional(value: float | None) -> float | str | None:
    return None if value is None else json_number(value)


def _names_json(arithmetic: StepBreakdown) -> dict[str, Any]:
    if not arithmetic.names:
        return {}
    names = arithmetic.names
    return {"names": {"timestep": names.timestep(arithmetic.where.timestep), "features": list(names.features)}}


def _engine_json(arithmetic: StepBreakdown) -> dict[str, Any]:
    values = arithmetic.graph.values
    next_state = {
        symbol: json_number(arithmetic.number(values[symbol]))
        for symbol in arithmetic.cell.state_symbols
        if symbol in arithmetic.lines
    }
    returned = {own.symbol: json_number(own.stored) for own in arithmetic.returned}
    last = next(reversed(arithmetic.outcomes), None)
    return {
        "gates": [_gate_json(gate) for gate in arithmetic.gates],
        "previous": _previous_json(arithmetic),
        "equations": [{"symbols": line.symbols, "numbers": line.numbers} for line in equations(arithmetic)],
        "next": next_state,
        "stored": _optional(arithmetic.stored),
        **({} if arithmetic.stored_c is None else {"stored_c": json_number(arithmetic.stored_c)}),
        **({"returned": returned} if returned else {}),
        **({} if last is None else outcome_json(last)),
        "recomputed": [name for name in arithmetic.lines if name in arithmetic.recomputed],
        **(
            {"units": {name: [json_number(float(v)) for v in values] for name, values in arithmetic.across.items()}}
            if arithmetic.across
            else {}
        ),
    }


def _with_bugs_json(step: StepWithBugs) -> dict[str, Any]:
    own = _engine_json(step.arithmetic)
    names = ("gates", "equations", "next", "difference", "bound", "ratio", "right")
    return {"bugs": list(step.bugs), "cause": step.cause, **{name: own[name] for name in names}}


def outcome_json(own: StoredValue) -> dict[str, Any]:
    """The difference of an engine's own value from the arithmetic's, with the rounding bound."""
    return {
        "difference": json_number(own.difference),
        "bound": json_number(own.bound),
        "ratio": json_number(own.ratio),
        "right": own.right,
    }


def _gate_json(gate: GateArithmetic) -> dict[str, Any]:
    pre = gate.pre
    return {
        "name": gate.symbol,
        "activation": gate.activation,
        "terms": [
            {
                "kind": term.kind,
                "index": term.index,
                **{name: json_number(getattr(term, name)) for name in ("weight", "input", "product")},
            }
            for term in pre.terms()
        ],
        "i2h_bias": json_number(pre.u.bias),
        "h2h_bias": json_number(pre.v.bias),
        "sum": json_number(pre.sum),
        "value": json_number(gate.value),
        "title": gate.gate.name,
        "u": json_number(pre.u.total),
        "v": json_number(pre.v.total),
        **({"reset": json_number(pre.v.factor)} if gate.scaled else {}),
    }


def _previous_json(arithmetic: StepBreakdown) -> dict[str, Any]:
    """The unit's own previous state; "timestep" is null where that is the initial state."""
    previous = arithmetic.previous
    return {
        "timestep": previous.timestep,
        **{symbol: json_number(value) for symbol, value in previous.by_symbol.items()},
    }


def parting_json(parting: Divergence | None) -> dict[str, Any] | None:
    if parting is None:
        return None
    return {
        **{name: getattr(parting, name) for name in ("step", "name", "gate", "kind", "index")},
        "reference": json_number(parting.reference),
        "candidate": json_number(parting.candidate),
    }
