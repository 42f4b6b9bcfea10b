"""An explanation as JSON for other programs."""

from math import isfinite
from typing import Any

from rnnviz.explain.divergence import Divergence
from rnnviz.explain.equations import equations
from rnnviz.explain.explanation import Explanation
from rnnviz.explain.step_breakdown import GateArithmetic, StepBreakdown


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Every number of the explanation; those that are not finite are the texts "NaN", "Infinity" and "-Infinity".

    "value" is what each engine stored, null where a recording lacks it. "gates" and "previous" are the reference's, or
    the first engine's that has them, which "reference" names; those of every engine stand under "engines", with what
    the equations give and how far the engine is off. A gate's "sum" is the argument of its activation: "a" + "b", the
    sums of the terms and the bias of each kind, and for a GRU's n "a" + "reset" · "b". Where the sequence has names,
    "names" holds the timestep's and the features', empty ones, too.
    """
    reference = explanation.reference
    return {
        "where": explanation.where.to_json(),
        "value": {name: _number(arithmetic.stored) for name, arithmetic in explanation.arithmetics.items()}
        | {name: None if stored is None else _number(stored) for name, stored in explanation.unread.items()},
        "formula": "; ".join(reference.cell.equations),
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
    return {
        "gates": [_gate(gate) for gate in arithmetic.gates],
        "previous": _previous(arithmetic),
        "equations": [{"symbols": line.symbols, "numbers": line.numbers} for line in equations(arithmetic)],
        "next": next_state,
        "stored": _number(arithmetic.stored),
        "difference": _number(arithmetic.difference),
        "bound": _number(arithmetic.bound),
        "ratio": _number(arithmetic.ratio),
        "right": arithmetic.right,
    }


def _gate(gate: GateArithmetic) -> dict[str, Any]:
    pre = gate.pre
    return {
        "name": gate.symbol,
        "activation": gate.gate.activation,
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
        "i2h_bias": _number(pre.a.bias),
        "h2h_bias": _number(pre.b.bias),
        "sum": _number(pre.sum),
        "value": _number(gate.value),
        "title": gate.gate.name,
        "a": _number(pre.a.total),
        "b": _number(pre.b.total),
        **({"reset": _number(pre.b.factor)} if gate.scaled else {}),
    }


def _previous(arithmetic: StepBreakdown) -> dict[str, Any]:
    """The unit's own previous state; "timestep" is null where that is the initial state."""
    previous = arithmetic.previous
    state = {"timestep": previous.timestep, "h": _number(previous.h)}
    return state if previous.c is None else {**state, "c": _number(previous.c)}


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
