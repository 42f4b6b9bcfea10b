"""The terms of gradients of every cell: they sum to the gradients of plain loops by torch.autograd."""

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CellSpec, Gate, ParameterSpec, StateSpec, Step, Values, recurrent, sigmoid, tanh
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.backward import ParameterGradient, gradient_breakdown
from rnnviz.explain.backward_blocks import GradientBlocks
from rnnviz.explain.explanation import explain_gradient
from rnnviz.explain.lines import Breakdown, Line
from rnnviz.explain.value_sources import line_name
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.cells.layers import EXAMPLES
from tests.factories import result_of
from tests.oracles.computed import computed
from tests.oracles.gradients import oracle_gradients
from tests.profiles import nightly_except

NETWORKS: dict[str, dict[str, Any]] = cases(__file__)["networks"]


def odd(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Unnamed values that several others read, a matrix, a state that stays, and one that another becomes."""
    shared = (u.a + 0.5) * tanh(v.a - state.m)
    b = sigmoid(p.w @ shared - 2 * u.b)
    h = shared * shared - b * (1 - shared) + recurrent("b", -shared)
    return Step(b=b, h=h, k=state.k, m=state.c, c=2 * h)


STATES = tuple(StateSpec(symbol) for symbol in "hcmk")
OWN_CELLS = EXAMPLES | {
    "odd": CellSpec(
        "odd", "", odd, (Gate("a", "a"), Gate("b", "b")), states=STATES, parameters=(ParameterSpec("w", ("H", "H")),)
    )
}
NETWORKS |= {name: {"cell": f"./{name}.py"} for name in OWN_CELLS}


def case_of(
    sequence: dict[str, Any] | None = None, backward: dict[str, Any] | None = None, **network: Any
) -> tuple[Inputs, Trace, dict[str, np.ndarray]]:
    """Inputs with a loss, and a trace with the oracle's gradients."""
    tables = {
        "network": {"input_size": 3, "hidden_size": 3, "num_layers": 2, "dtype": "float64", **network},
        "sequence": {"timesteps": 4, "batch_size": 2, **(sequence or {})},
        "parameters": {"initializer": "normal", "scale": 0.5},
        "initial_state": {"source": "normal"},
        "backward": {"enabled": True, "loss": "normal", "final_state": "normal", **(backward or {})},
    }
    name = str(tables["network"]["cell"])
    inputs = load_inputs(Config.from_mapping(tables).with_custom_cell(OWN_CELLS.get(Path(name).stem)))
    found = oracle_gradients(inputs)
    return inputs, computed(ManualEngine(), inputs)[0].with_arrays(found), found


def line_of(breakdown: Breakdown) -> Line:
    return breakdown.by_name.get(line_name(breakdown.place), breakdown.lines[0])


def check(line: Line, expected: float) -> None:
    """The terms, the equation's result and the expected gradient are the same number."""
    assert line.value == pytest.approx(expected, rel=1e-9, abs=1e-12), line.name
    assert sum(float(part.products.sum()) for part in line.parts) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert line.equation.result.value == line.value
    assert line.own is None or line.own.right


def evaluated(line: Line) -> float:
    """The right-hand side of an equation, by Python, with the numbers of its tokens."""
    names = {f"n{k}": token.value for k, token in enumerate(line.equation.tokens) if token.value is not None}
    text = "".join(token.text if token.value is None else f"n{k}" for k, token in enumerate(line.equation.tokens) if k)
    return float(eval(text.replace(" = ", "", 1).replace("·", "*").replace("²", "**2"), {"tanh": np.tanh}, names))


def steps(inputs: Inputs, trace: Trace) -> list[Location]:
    """Every step, and its first or its last unit in turn."""
    units = trace.shape[-1]
    return [
        Location(layer, direction, t, n, (t % 2) * (units - 1))
        for layer, direction in np.ndindex(trace.shape[:2])
        for n in range(inputs.batch_size)
        for t in range(inputs.length(n))
    ]


def check_step(found: Breakdown, where: Location, gradients: dict[str, np.ndarray]) -> None:
    for line in found.lines:
        if line.name in gradients and where.unit < gradients[line.name].shape[-1]:
            check(line, float(gradients[line.name][where.index]))
        assert evaluated(line) == pytest.approx(line.value, rel=1e-9, abs=1e-12), line.equation.symbols


@pytest.mark.slow
@pytest.mark.parametrize("name", nightly_except(NETWORKS, "reset before", "linear"))
def test_the_terms_of_every_gradient_of_every_cell_sum_to_it(name):
    inputs, trace, gradients = case_of(bidirectional=True, **NETWORKS[name])
    blocks = GradientBlocks(inputs, trace)
    for where in steps(inputs, trace):
        found = gradient_breakdown(blocks, Place.at("grad.h", where))
        assert line_of(found).name == "grad.h"
        check_step(found, where, gradients)
        if inputs.network.kind.projects:
            # The gates and the cell state of the same index belong to another unit.
            found = gradient_breakdown(blocks, Place.at("grad.c", where))
            check_step(found, where, gradients)
        assert {line.name for line in found.lines} >= {f"grad.{g}" for g in inputs.network.kind.gate_symbols}
    rows = [0, prod(inputs.parameters["l0_i2h_bias"].shape) - 1]
    for layer, direction in np.ndindex(trace.shape[:2]):
        for symbol, array in inputs.initial_state.items():
            initial = Place(f"{symbol}0", (layer * trace.shape[1] + direction, 1, array.shape[-1] - 1))
            if initial.index[-1] < trace.shape[-1]:
                (line,) = gradient_breakdown(blocks, initial.gradient).lines
                check(line, gradients[f"grad.{symbol}0"][2 * layer + direction, 1, initial.unit])
        for key, array in vars(inputs.parameters.layer(layer, direction)).items():
            for row in rows:
                place = parameter_place(
                    Lane(layer, direction), key, (row % len(array), *(s - 1 for s in array.shape[1:]))
                )
                explained = gradient_breakdown(blocks, place.gradient)
                check(explained.lines[0], gradients[place.gradient.array][place.index])
                assert explained.contributions is not None
                assert explained.contributions.sum() == pytest.approx(explained.lines[0].value)
                # Those of every unit's number in the same gate and column.
                each = ParameterGradient(blocks, place).unit_contributions()
                first = place.index[0] // each.shape[1] * each.shape[1]
                of = gradients[place.gradient.array][(slice(first, first + each.shape[1]), *place.index[1:])]
                np.testing.assert_allclose(each.sum(axis=0), of, rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(each[:, place.index[0] - first], explained.contributions, atol=1e-12)
    (line,) = gradient_breakdown(blocks, Place("grad.input", (2, 1, 0))).lines
    check(line, gradients["grad.input"][2, 1, 0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "sequence", "backward"),
    [
        ({"cell": "lstm"}, {"lengths": [4, 2]}, {"truncate": 2}),
        ({"cell": "gru", "bidirectional": True}, {"lengths": [1, 4]}, {"truncate": 3}),
        pytest.param({"cell": "lstm", "reverse": True}, {"timesteps": 5}, {"truncate": 2}, marks=pytest.mark.slow),
        pytest.param(
            {"cell": "lstm", "bidirectional": True},
            {},
            {"loss": "value", "value": [0, 1, 1, 0, 2]},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_lengths_truncation_and_other_losses(network, sequence, backward):
    inputs, trace, gradients = case_of(sequence, backward, **network)
    for given in (trace, trace.with_arrays({"grad.c": None, "grad.out": None})):
        blocks = GradientBlocks(inputs, given)
        for where in steps(inputs, given):
            found = gradient_breakdown(blocks, Place.at("grad.h", where))
            check_step(found, where, gradients)
            assert ("grad.c" in given) == ("grad.c" in {own.symbol for own in found.outcomes})
        for key in ("i2h_weight", "h2h_bias"):
            for direction in range(trace.shape[1]):
                place = parameter_place(Lane(0, direction), key, (1, 2)[: 1 + key.endswith("weight")])
                (line,) = gradient_breakdown(blocks, place.gradient).lines
                check(line, gradients[place.gradient.array][place.index])


def test_a_float32_gradient_is_within_its_bound_and_a_changed_one_is_not():
    inputs, trace, gradients = case_of(cell="lstm", dtype="float32")
    rounded = {name: array.astype(np.float32) for name, array in gradients.items()}
    where = Location(0, 0, 1, 1, 2)
    right = gradient_breakdown(GradientBlocks(inputs, trace.with_arrays(rounded)), Place.at("grad.h", where))
    assert all(own.right for own in right.outcomes)
    assert [own.symbol for own in right.outcomes] == [f"grad.{s}" for s in ("out", *"hcogfi")]
    half = {name: array.astype(np.float16).astype(np.float32) for name, array in gradients.items()}
    recorded = replace(trace.with_arrays(half), precision="float16")
    outputs = [
        gradient_breakdown(GradientBlocks(inputs, recorded), Place.at("grad.h", where.moved(layer=k))) for k in (0, 1)
    ]
    assert all(found.by_name["grad.out"].own.right for found in outputs)
    rounded["grad.f"] = rounded["grad.f"].copy()
    rounded["grad.f"][where.index] *= 1.0001
    wrong = gradient_breakdown(GradientBlocks(inputs, trace.with_arrays(rounded)), Place.at("grad.h", where))
    assert [own.symbol for own in wrong.outcomes if not own.right] == ["grad.f"]


def test_an_entry_is_explained_by_the_name_of_its_array():
    inputs, trace, _ = case_of(cell="gru")
    result = result_of(inputs, {"manual": trace})
    explained = explain_gradient(result, "grad.parameters.l1_i2h_bias", (4,))
    assert line_of(explained.reference).own is not None
    assert line_of(explained.reference).own.right
    assert explain_gradient(result, "grad.z", (0, 0, 1, 0, 2)).reference.by_name["grad.z"].own is not None
    for name, index in (("grad.c", (0,)), ("h", (0, 0, 0, 0, 0)), ("grad.h", (0, 0, 9, 0, 0)), ("grad.h0", (0,))):
        with pytest.raises(InputError):
            explain_gradient(result, name, index)


def test_the_first_number_that_differs_is_named():
    inputs, trace, gradients = case_of(cell="lstm")
    where = Location(0, 0, 1, 1, 2)

    def divergence(name, at):
        edited = gradients[name].copy()
        edited[at.index] += 0.5
        other = replace(trace, engine="gluon").with_arrays({name: edited})
        explained = explain_gradient(
            result_of(inputs, {"manual": replace(trace, engine="manual"), "gluon": other}), "grad.h", where.index
        )
        found = explained.divergences["gluon"]
        assert found is not None
        assert len(explained.sentences) > 1, "an engine is wrong, and they differ"
        return found.step, found.gate

    assert divergence("grad.c", where) == ("stored_line", "grad.c")
    assert divergence("grad.h", where.moved(timestep=2)) == ("sum", "grad.h")
    assert divergence("grad.i", where) == ("stored_line", "grad.i")


def test_the_trail_of_a_gradient_leads_to_later_steps_and_to_the_loss():
    inputs, trace, _ = case_of(cell="lstm")
    blocks = GradientBlocks(inputs, trace)
    where = Location(0, 0, 1, 0, 2)
    found = gradient_breakdown(blocks, Place.at("grad.h", where))
    line, output = line_of(found), Place.at("grad.out", where)
    assert (line.parts[0].way, line.parts[0].source(0)) == ("out", output)
    assert line_of(gradient_breakdown(blocks, output)).name == "grad.out"
    above, later = found.by_name["grad.out"].parts[0], line.parts[-1]
    assert (above.way, above.source(1)) == ("above", Place.at("grad.i", Location(1, 0, 1, 0, 1)))
    assert (later.way, later.source(1)) == ("next", Place.at("grad.o", Location(0, 0, 2, 0, 1)))
    assert later.name(1) == "grad.o[t=2, u=1]"
    carried = line_of(gradient_breakdown(blocks, Place.at("grad.c", where)))
    assert carried.name == "grad.c"
    assert [part.source(0) for part in carried.parts] == [
        Place.at("grad.c", where.moved(timestep=2)),
        Place.at("grad.h", where),
    ]
    last = Location(1, 0, 3, 0, 0)
    top = gradient_breakdown(blocks, Place.at("grad.h", last))
    assert [part.source(0) for part in top.by_name["grad.out"].parts] == [Place.at("loss.out", last)]
    assert [part.source(0) for part in line_of(top).parts] == [Place.at("grad.out", last), Place.at("loss.h", last)]
