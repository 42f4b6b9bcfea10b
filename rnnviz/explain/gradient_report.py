"""A gradient's terms as text that can be followed with paper and pencil, and as JSON for other programs."""

from collections.abc import Iterator
from typing import Any

from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import json_number
from rnnviz.core.places import Place
from rnnviz.explain.gradient import GradientLine
from rnnviz.explain.gradient_explanation import GradientExplanation, gradient_table
from rnnviz.explain.report import (
    Row,
    equation_lines,
    number_cell,
    outcome_json,
    outcome_lines,
    parting_json,
    table_lines,
)
from rnnviz.explain.step_breakdown import StoredValue
from rnnviz.explain.value_sources import in_words

_LEGENDS = {
    "above": "  ↑ marks the layer above: Wᵀ grad.i is the sum over its units of W_i2h times grad.i.",
    "next": "  [t+1] is the next step: Wᵀ grad.v[t+1] is the sum over its units and gates of W_h2h times grad.v.",
}


def gradient_report(explanation: GradientExplanation, top: int | None = None) -> str:
    """Write every line of a gradient as text."""
    each = list(explanation.breakdowns.values())
    engines = [breakdown.engine for breakdown in each]
    lines = [f"{_heading(explanation.place)}: {explanation.reference.cell.title}"]
    ways = {part.way for line in explanation.reference.lines for part in line.parts if len(part.factors) > 1}
    lines += [_LEGENDS[way] for way in ("above", "next") if way in ways]
    for alike in zip(*(breakdown.lines for breakdown in each), strict=True):
        lines.append("")
        if any(len(part.factors) > 1 for part in alike[0].parts):
            lines += [*_terms(explanation, alike[0].name, top), ""]
        lines += equation_lines(engines, [line.equation for line in alike])
    symbols = [own.symbol for own in max((b.outcomes for b in each), key=len)]
    lines += ["", *outcome_lines({b.engine: b.outcomes for b in each}, symbols), "", *explanation.sentences]
    return "\n".join(line.rstrip() for line in lines)


def _heading(place: Place) -> str:
    return in_words(place) if place.sample is None else f"{in_words(place)}, sample {place.sample}"


def _terms(explanation: GradientExplanation, name: str, top: int | None) -> Iterator[str]:
    each = list(explanation.breakdowns.values())
    table = gradient_table(each, name, top=top)
    rows = [
        Row(
            row.name,
            (
                number_cell(row.figures[0].factor),
                *(
                    number_cell(number)
                    for own in row.figures
                    for number in (own.input, table.product(row, own), own.stop)
                ),
            ),
        )
        for row in table.rows
    ]
    header = ["factor", *("× gradient", "= product", "sum") * len(each)]
    yield from table_lines(header, rows, [display_name(breakdown.engine) for breakdown in each])


def gradient_to_json(explanation: GradientExplanation) -> dict[str, Any]:
    """Every number of the terms of a gradient.

    Numbers that are not finite are the texts "NaN", "Infinity" and "-Infinity". "engines" has for every engine its
    "lines" in the order of the backward pass. Each has the name of a gradient, its equation, its "value" and its
    "parts", whose terms are "factor" · "gradient". Where the engine gives the gradient, "own" has it, with the
    difference and the rounding bound. "over_time" has the sum of each time step of the gradient of a parameter.
    """
    place = explanation.place
    where = place.location
    return {
        "gradient": in_words(explanation.place),
        **({} if where is None else {"where": where.to_json()}),
        **({"parameter": place.parameter, "index": list(place.index)} if place.kind == "parameter" else {}),
        "reference": explanation.reference.engine,
        "engines": {
            name: {
                "lines": [_line_json(line) for line in breakdown.lines],
                **(
                    {}
                    if breakdown.contributions is None
                    else {"over_time": [json_number(float(value)) for value in breakdown.contributions]}
                ),
            }
            for name, breakdown in explanation.breakdowns.items()
        },
        "without_gradients": dict(explanation.unread),
        "partings": {name: parting_json(parting) for name, parting in explanation.partings.items()},
        "sentences": list(explanation.sentences),
    }


def _line_json(line: GradientLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "symbols": line.equation.symbols,
        "numbers": line.equation.numbers,
        "value": json_number(line.value),
        "parts": [
            {
                "way": part.way,
                "name": part.text,
                "sum": json_number(part.total),
                "terms": [
                    {
                        "name": part.name(k),
                        "factor": json_number(float(part.factors[k])),
                        "gradient": json_number(float(part.gradients[k])),
                        "product": json_number(float(part.products[k])),
                    }
                    for k in range(len(part.factors))
                ],
            }
            for part in line.parts
        ],
        **({} if line.own is None else {"own": _own_json(line.own)}),
    }


def _own_json(own: StoredValue) -> dict[str, Any]:
    return {"value": json_number(own.stored), **outcome_json(own)}
