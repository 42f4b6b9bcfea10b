"""An explanation as JSON for other programs."""

from math import isfinite
from typing import Any

from rnnviz.cells.interpreters.symbols import equations_of_all_units
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
        "value": {name: _number(arithmetic.stored) for name, arithmetic in explanation.arithmetics.items()}
        | {name: None if stored is None else _number(stored) for name, stored in explanation.unread.items()},
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
    next_state = {"h": _number(arithmetic.h)}
    if arithmetic.c is not None:
        next_state["c"] = _number(arithmetic.c)
    for symbol in arithmetic.previous.further:
        next_state[symbol] = _number(arithmetic.number(arithmetic.graph.values[symbol]))
    return {
        "gates": [_gate(gate) for gate in arithmetic.gates],
        "previous": _previous(arithmetic),
        "equations": [{"symbols": line.symbols, "numbers": line.numbers} for line in equations(arithmetic)],
        "next": next_state,
        "stored": _number(arithmetic.stored),
        **({} if arithmetic.stored_c is None else {"stored_c": _number(arithmetic.stored_c)}),
        "difference": _number(arithmetic.difference),
        "bound": _number(arithmetic.bound),
        "ratio": _number(arithmetic.ratio),
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
                "weight": _number(term.weight),
                "input": _number(term.input),
                "product": _number(term.product),
            }
            for term in pre.terms()
        ],
        "i2h_bias": _number(pre.u.bias),
        "h2h_bias": _number(pre.v.bias),
        "sum": _number(pre.sum),
        "value": _number(gate.value),
        "title": gate.gate.name,
        "u": _number(pre.u.total),
        "v": _number(pre.v.total),
        **({"reset": _number(pre.v.factor)} if gate.scaled else {}),
    }


def _previous(arithmetic: StepBreakdown) -> dict[str, Any]:
    """The unit's own previous state; "timestep" is null where that is the initial state."""
    previous = arithmetic.previous
    state = {"timestep": previous.timestep, "h": _number(previous.h)}
    cell = {} if previous.c is None else {"c": _number(previous.c)}
    return {**state, **cell, **{symbol: _number(value) for symbol, value in previous.further.items()}}


def _parting(parting: Divergence | None) -> dict[str, Any] | None:
    if parting is None:
        return None
    return {
        "step": parting.step,
        "name": parting.name,
        "gate": parting.gate,
        "kind": parting.kind,
        "index": parting.index,
        "reference": _number(parting.reference),
        "candidate": _number(parting.candidate),
    }


def _number(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
