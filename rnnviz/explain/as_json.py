"""An explanation as JSON for other programs."""

from typing import Any

from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.number_format import json_number
from rnnviz.explain.divergence import Divergence
from rnnviz.explain.equations import equations
from rnnviz.explain.explanation import Explanation
from rnnviz.explain.step_breakdown import GateArithmetic, StepBreakdown


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Every number of the explanation; those that are not finite are the texts "NaN", "Infinity" and "-Infinity".

    "value" has each engine's value, null where a recording lacks it. "gates" and "previous" are those of "reference",
    the reference or the first engine that has them. "engines" has them for every engine, with the results of the
    equations, the engine's own values and their differences. A gate's "sum" is its pre-activation: "u" + "v", the
    input part and the recurrent part, or "u" + "reset" · "v" for n of a GRU. "names" has the names of the time step
    and of the features, if the sequence has any.
    """
    reference = explanation.reference
    return {
        "where": explanation.where.to_json(),
        "value": {name: json_number(arithmetic.stored) for name, arithmetic in explanation.arithmetics.items()}
        | {name: None if stored is None else json_number(stored) for name, stored in explanation.unread.items()},
        "formula": "; ".join(equations_of_all_units(reference.cell)),
        "gates": [_gate(gate) for gate in reference.gates],
        "previous": _previous(reference),
        "reference": reference.engine,
        "engines": {name: _engine(arithmetic) for name, arithmetic in explanation.arithmetics.items()},
        "partings": {name: _parting(parting) for name, parting in explanation.partings.items()},
        "sentences": list(explanation.sentences),
        **_names(reference),
    }


def _names(arithmetic: StepBreakdown) -> dict[str, Any]:
    if not arithmetic.names:
        return {}
    names = arithmetic.names
    return {"names": {"timestep": names.timestep(arithmetic.where.timestep), "features": list(names.features)}}


def _engine(arithmetic: StepBreakdown) -> dict[str, Any]:
    next_state = {"h": json_number(arithmetic.h)}
    if arithmetic.c is not None:
        next_state["c"] = json_number(arithmetic.c)
    for symbol in arithmetic.previous.further:
        next_state[symbol] = json_number(arithmetic.number(arithmetic.graph.values[symbol]))
    returned = {own.symbol: json_number(own.stored) for own in arithmetic.returned}
    return {
        "gates": [_gate(gate) for gate in arithmetic.gates],
        "previous": _previous(arithmetic),
        "equations": [{"symbols": line.symbols, "numbers": line.numbers} for line in equations(arithmetic)],
        "next": next_state,
        "stored": json_number(arithmetic.stored),
        **({} if arithmetic.stored_c is None else {"stored_c": json_number(arithmetic.stored_c)}),
        **({"returned": returned} if returned else {}),
        "difference": json_number(arithmetic.difference),
        "bound": json_number(arithmetic.bound),
        "ratio": json_number(arithmetic.ratio),
        "right": arithmetic.right,
    }


def _gate(gate: GateArithmetic) -> dict[str, Any]:
    pre = gate.pre
    return {
        "name": gate.symbol,
        "activation": gate.activation,
        "terms": [
            {
                "kind": term.kind,
                "index": term.index,
                "weight": json_number(term.weight),
                "input": json_number(term.input),
                "product": json_number(term.product),
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


def _previous(arithmetic: StepBreakdown) -> dict[str, Any]:
    """The unit's own previous state; "timestep" is null where that is the initial state."""
    previous = arithmetic.previous
    state = {"timestep": previous.timestep, "h": json_number(previous.h)}
    cell = {} if previous.c is None else {"c": json_number(previous.c)}
    return {**state, **cell, **{symbol: json_number(value) for symbol, value in previous.further.items()}}


def _parting(parting: Divergence | None) -> dict[str, Any] | None:
    if parting is None:
        return None
    return {
        "step": parting.step,
        "name": parting.name,
        "gate": parting.gate,
        "kind": parting.kind,
        "index": parting.index,
        "reference": json_number(parting.reference),
        "candidate": json_number(parting.candidate),
    }
