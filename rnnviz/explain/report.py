"""An explanation as text that can be followed with paper and pencil, and as JSON for other programs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import json_number
from rnnviz.core.sequence import timestep_in_words
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.core.words import join_words
from rnnviz.explain.explanation import Explanation, StepWithBugs
from rnnviz.explain.lines import Breakdown, EquationLine, Line, Part, align_decimals, format_short, stored_symbols
from rnnviz.explain.terms import SHOWN_TERMS, Divergence, first_divergent_row, term_table
from rnnviz.explain.value_sources import in_words, notation

_OF_OUTCOME = ("difference", "bound", "ratio", "right")
"""The figures of an engine's own value in JSON: its difference from the arithmetic's, with the rounding bound."""
_BETWEEN = "  "
"""Separates the columns. Narrow, so that two engines side by side fit most terminals."""
_LEGENDS = {
    "above": "  ↑ marks the layer above: Wᵀ grad.i is the sum over its units of W_i2h times grad.i.",
    "next": "  [t+1] is the next step: Wᵀ grad.v[t+1] is the sum over its units and gates of W_h2h times grad.v.",
}


def report(explanation: Explanation, top: int | None = None) -> str:
    """The whole arithmetic; of each line the `top` terms that weigh most and the rest summed, else all if few."""
    each = list(explanation.breakdowns.values())
    lines = [*(_gradient_heading(explanation) if explanation.of_gradient else _value_heading(explanation))]
    for alike in zip(*(breakdown.lines for breakdown in each), strict=True):
        first: Line = alike[0]
        lines.append("")
        if first.title:
            lines.append(f"{first.name}, {first.title}{recomputed_of(each, first.name)}")
        if first.title or any(len(part) > 1 for part in first.parts):
            lines += [*_terms(explanation, alike, top), ""]
        lines += _equation(_engines(each), [line.equation for line in alike])
    lines += [*_units(each, top), "", *_outcomes(each)]
    for step in explanation.with_bugs.values():
        lines += ["", *_with_bugs(step)]
    lines += ["", *explanation.sentences]
    return "\n".join(line.rstrip() for line in lines)


def _value_heading(explanation: Explanation) -> Iterator[str]:
    first = explanation.reference
    where = first.place.location
    assert where is not None
    sizes = f"{number_format.count(first.hidden_size)} units, {number_format.count(len(first.read[0].values))} inputs"
    lane = f"layer {where.layer} {DIRECTIONS[where.backward]} {ARROWS[where.backward]}"
    named = timestep_in_words(first.names, where.timestep) if first.names.timestep(where.timestep) else ""
    place = f"{notation(first.place)} of {lane}, sample {where.sample}{named and f', {named}'}"
    yield from (f"{place}: {first.cell.title}, {sizes}", "")
    yield from (f"  {equation}" for equation in equations_of_all_units(first.cell))
    yield from ("  with u = W_i2h x + b_i2h and v = W_h2h h[t-1] + b_h2h", "")
    each = list(explanation.breakdowns.values())
    rows = []
    for alike in zip(*(breakdown.previous for breakdown in each), strict=True):
        title = f"{alike[0].symbol}[t-1] = {notation(alike[0].source)}{recomputed_of(each, alike[0].symbol)}"
        rows.append((title, [format_short(state.value) for state in alike]))
    yield from _table(_engines(each), rows)


def _engines(each: Sequence[Breakdown]) -> list[str]:
    return [display_name(breakdown.engine) for breakdown in each]


def _gradient_heading(explanation: Explanation) -> Iterator[str]:
    place, first = explanation.place, explanation.reference
    sample = "" if place.sample is None else f", sample {place.sample}"
    yield f"{in_words(place)}{sample}: {first.cell.title}"
    ways = {part.way for line in first.lines for part in line.parts if len(part) > 1}
    yield from (legend for way, legend in _LEGENDS.items() if way in ways)


def _with_bugs(step: StepWithBugs) -> Iterator[str]:
    yield f"{display_name(step.breakdown.engine)} with its likely cause: {step.cause}"
    for line in step.breakdown.lines:
        yield from ("", f"  {line.equation.symbols}", f"  {line.equation.numbers}")
    yield ""
    yield from _outcomes([step.breakdown])
    yield from ("", *(f"To fix: {fix}" for fix in step.fixes))


Row: TypeAlias = tuple[str, list[str]]
"""The name of a line of a table, and its numbers as text, one for each column."""


def _table(
    header: Sequence[str], rows: Sequence[Row], names: Sequence[str] = (), marked: Collection[int | None] = ()
) -> Iterator[str]:
    """The rows with their decimal points below each other, and above them the header and the names of the engines."""
    width = max(len(name) for name, _ in rows)
    columns = [align_decimals([cells[k] for _, cells in rows]) for k in range(len(header))]
    widths = [max(len(title), len(column[0])) for title, column in zip(header, columns, strict=True)]
    if names:
        yield _joined(" " * width, _names_above(widths, names))
    yield _joined(" " * width, [f"{title:>{w}}" for title, w in zip(header, widths, strict=True)])
    for place, (name, _) in enumerate(rows):
        line = _joined(f"{name:<{width}}", [f"{c[place]:>{w}}" for c, w in zip(columns, widths, strict=True)])
        yield f"≠{line[1:]}" if place in marked else line


def _names_above(widths: list[int], names: Sequence[str]) -> list[str]:
    """The engines' names over their columns, which are made as wide; all share the first one, the weights."""
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


def recomputed_of(each: Sequence[Breakdown], symbol: str) -> str:
    """Clause that a value is recomputed, as far as engines do not give it: ", recomputed for gluon"."""
    engines = [a.engine for a in each if symbol in a.recomputed]
    if not engines:
        return ""
    of = "" if len(engines) == len(each) else f" for {join_words(map(display_name, engines))}"
    return f", recomputed{of}"


def _terms(explanation: Explanation, lines: Sequence[Line], top: int | None) -> Iterator[str]:
    """The terms of a line, as the window lists them; ≠ marks the first row where the sums of a value diverge."""
    each = list(explanation.breakdowns.values())
    divergences: dict[str, Divergence] = {}
    if not explanation.of_gradient:
        divergences = {name: at for name, at in explanation.divergences.items() if at is not None}
    table = term_table(lines, top=top, divergence=next(iter(divergences.values()), None))
    marked = {
        first_divergent_row(table, each[0], engine, divergences.get(breakdown.engine))
        for engine, breakdown in enumerate(each)
    }
    rows = []
    for row in table.rows:
        cells = [row.figures[0].factor]
        for own in row.figures:
            cells += [own.input, table.product(row, own), *([own.added] if table.scaled else []), own.stop]
        rows.append((row.name, ["" if v is None else format_short(v) for v in cells]))
    added = (f"× {lines[0].scaled_by}",) if table.scaled else ()
    factor, read = ("factor", "× gradient") if table.of_gradient else ("weight", "× input")
    header = [factor, *(read, "= product", *added, "sum") * len(each)]
    yield from _table(header, rows, _engines(each), marked)


def _units(each: Sequence[Breakdown], top: int | None) -> Iterator[str]:
    """The named values of the units that a product reads, those first that weigh most; none without a product."""
    gate = next((gate for gate in each[0].gates if gate.part("matrix") is not None), None)
    if gate is None or not each[0].across:
        return
    shown = sorted(gate.by_weight()[: SHOWN_TERMS if top is None else top].tolist())
    of_all = f"{len(shown)} of {each[0].hidden_size}"
    for breakdown in each:
        yield from ("", f"The units that {gate.name} reads by {display_name(breakdown.engine)}, {of_all}")
        across = breakdown.across
        rows = [(f"u={unit}", [format_short(float(values[unit])) for values in across.values()]) for unit in shown]
        yield from _table(list(across), rows)


def _equation(engines: Sequence[str], lines: Sequence[EquationLine]) -> Iterator[str]:
    """The equation once, and below it the numbers of each engine; engines with the same digits share a line."""
    yield f"  {lines[0].symbols}"
    named: dict[str, list[str]] = {}
    for engine, line in zip(engines, lines, strict=True):
        named.setdefault(line.numbers, []).append(engine)
    width = max(len(text) for text in named)
    for text, alike in named.items():
        yield f"  {text:<{width}}   {', '.join(alike)}"


def _outcomes(each: Sequence[Breakdown]) -> Iterator[str]:
    for symbol in stored_symbols(each):
        having = [breakdown for breakdown in each if breakdown.by_name[symbol].own is not None]
        found = [own for breakdown in having if (own := breakdown.by_name[symbol].own) is not None]
        rows = [
            (f"{symbol} of this arithmetic", [format_short(own.computed) for own in found]),
            (f"{symbol} of the engine", [format_short(own.stored) for own in found]),
            ("difference", [number_format.error(own.difference) for own in found]),
            ("allowed for rounding", [number_format.error(ALLOWED * own.bound) for own in found]),
        ]
        yield from _table(_engines(having), rows)


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Every number of the explanation; those that are not finite are the texts "NaN", "Infinity" and "-Infinity"."""
    found = _gradient_json(explanation) if explanation.of_gradient else _value_json(explanation)
    of_divergence = ("step", "name", "gate", "kind", "index", "reference", "candidate")
    found["partings"] = {
        engine: own and {name: getattr(own, name) for name in of_divergence}
        for engine, own in explanation.divergences.items()
    }
    found["sentences"] = list(explanation.sentences)
    names, where = explanation.reference.names, explanation.place.location
    if names and where is not None and not explanation.of_gradient:
        found["names"] = {"timestep": names.timestep(where.timestep), "features": list(names.features)}
    whole: dict[str, Any] = _finite(found)
    return whole


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(own) for name, own in value.items()}
        case list() | np.ndarray():
            return list(map(_finite, value))
        case float():
            return json_number(float(value))
    return value


def _value_json(explanation: Explanation) -> dict[str, Any]:
    """ "gates" and "previous" are from "reference", and "engines" has them for every engine.

    An engine has "likely_cause" where the equations with the known bugs of its verdict give its values. A gate's "sum"
    is its pre-activation: "u" + "v", the input part and the recurrent part, or "u" + "reset" · "v" for n of a GRU.
    """
    reference, where = explanation.reference, explanation.place.location
    assert where is not None
    last = reference.previous[0].symbol if reference.previous else ""
    engines = {name: _engine_json(own) for name, own in explanation.breakdowns.items()}
    for name, step in explanation.with_bugs.items():
        own = _engine_json(step.breakdown)
        kept = ("gates", "equations", "next", "difference", "bound", "ratio", "right")
        engines[name]["likely_cause"] = {"bugs": list(step.bugs), "cause": step.cause, **{k: own[k] for k in kept}}
    stored = {name: _stored(own, last) for name, own in explanation.breakdowns.items()}
    return {
        "name": notation(reference.place),
        "where": where.to_json(),
        "value": stored | {name: unread.stored for name, unread in explanation.unread.items()},
        "formula": "; ".join(equations_of_all_units(reference.cell)),
        "gates": engines[reference.engine]["gates"],
        "previous": engines[reference.engine]["previous"],
        "reference": reference.engine,
        "engines": engines,
    }


def _stored(breakdown: Breakdown, symbol: str) -> float | None:
    line = breakdown.by_name.get(symbol)
    return None if line is None or line.own is None else line.own.stored


def _engine_json(own: Breakdown) -> dict[str, Any]:
    states, outcomes = own.cell.state_symbols, own.outcomes
    cell, returned = _stored(own, "c"), {each.symbol: each.stored for each in outcomes if each.symbol not in states}
    return {
        "gates": [_gate_json(own, gate) for gate in own.gates],
        # The time step is null where that is the initial state.
        "previous": {"timestep": own.before, **{state.symbol: state.value for state in own.previous}},
        "equations": [{"symbols": line.equation.symbols, "numbers": line.equation.numbers} for line in own.lines],
        "next": {symbol: own.by_name[symbol].value for symbol in states if symbol in own.by_name},
        "stored": _stored(own, states[0]),
        **({} if cell is None else {"stored_c": cell}),
        **({"returned": returned} if returned else {}),
        **({name: getattr(outcomes[-1], name) for name in _OF_OUTCOME} if outcomes else {}),
        "recomputed": [line.name for line in own.lines if line.name in own.recomputed],
        **({"units": dict(own.across)} if own.across else {}),
    }


def _gate_json(own: Breakdown, gate: Line) -> dict[str, Any]:
    u, v = gate.part("i2h"), gate.part("h2h")
    columns = {"weight": "factors", "input": "values", "product": "products"}
    return {
        "name": gate.name,
        "activation": graph_of(own.cell).activation(gate.name),
        "terms": [{"kind": p.way, "index": k, **_term_json(p, k, columns)} for p in gate.parts for k in range(len(p))],
        "i2h_bias": u.bias.value if u and u.bias else 0.0,
        "h2h_bias": v.bias.value if v and v.bias else 0.0,
        "sum": gate.argument,
        "value": gate.value,
        "title": gate.title,
        "u": u.total if u else 0.0,
        "v": v.total if v else 0.0,
        **({"reset": v.scale} if v and v.scale_name else {}),
    }


def _term_json(part: Part, k: int, columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: getattr(part, numbers)[k] for name, numbers in columns.items()}


def _gradient_json(explanation: Explanation) -> dict[str, Any]:
    """ "engines" has for every engine its "lines" in the order of the backward pass.

    The terms of their "parts" are "factor" · "gradient". "over_time" has the sum of each step.
    """
    place = explanation.place
    engines = {
        name: {
            "lines": [_line_json(line) for line in own.lines],
            **({} if own.contributions is None else {"over_time": own.contributions}),
        }
        for name, own in explanation.breakdowns.items()
    }
    return {
        "gradient": in_words(place),
        **({} if place.location is None else {"where": place.location.to_json()}),
        **({"parameter": place.parameter, "index": list(place.index)} if place.kind == "parameter" else {}),
        "reference": explanation.reference.engine,
        "engines": engines,
        "without_gradients": {name: unread.reason for name, unread in explanation.unread.items()},
    }


def _line_json(line: Line) -> dict[str, Any]:
    columns, own = {"factor": "factors", "gradient": "values", "product": "products"}, line.own
    return {
        "name": line.name,
        "symbols": line.equation.symbols,
        "numbers": line.equation.numbers,
        "value": line.value,
        "parts": [
            {
                "way": part.way,
                "name": part.text,
                "sum": part.total,
                "terms": [{"name": part.name(k), **_term_json(part, k, columns)} for k in range(len(part))],
            }
            for part in line.parts
        ],
        **({} if own is None else {"own": {"value": own.stored, **{name: getattr(own, name) for name in _OF_OUTCOME}}}),
    }
