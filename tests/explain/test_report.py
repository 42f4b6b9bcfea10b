"""An explanation as text and as JSON, with numbers that can be checked on paper."""

import re
from math import exp, inf, nan, tanh
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Explanation, Unread
from rnnviz.explain.report import report, to_json
from rnnviz.explain.terms import SHOWN_TERMS, Divergence
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import (
    arithmetic_of,
    breakdown_at,
    changed,
    explain_at,
    explained,
    tidy_result,
    values_of,
)

GRU_WHERE = Location(1, 1, 2, 1, 1)
LSTM_WHERE = Location(0, 0, 0, 1, 1)


def split_at() -> RunResult:
    """A GRU whose second engine has another state before the step, and does not have what the step gives."""
    result = tidy_result(cell="gru", hidden_size=2, bidirectional=True, num_layers=2)
    own, other = result.traces.values()
    other.hidden[GRU_WHERE.moved(timestep=3, unit=0).index] -= 0.25
    for trace in (own, other):
        trace.hidden[GRU_WHERE.index] = breakdown_at(result.inputs, trace, GRU_WHERE).by_name["h"].value
    other.hidden[GRU_WHERE.index] += 0.5
    return result


def agreeing() -> RunResult:
    """An LSTM at its first step, which both engines have right."""
    result = tidy_result(cell="lstm", hidden_size=2)
    for trace in result.traces.values():
        values = values_of(breakdown_at(result.inputs, trace, LSTM_WHERE))
        trace.hidden[LSTM_WHERE.index] = values["h"]
        if trace.cell is not None:
            trace.cell[LSTM_WHERE.index] = values["c"]
    return result


def golden(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def test_a_page_has_every_term_of_every_engine_each_sum_and_the_divergence() -> None:
    page, _, sentences = report(explain_at(split_at(), GRU_WHERE)).rpartition("\n\n")
    assert page + "\n\n" == golden("two_engines.txt")
    assert sentences.splitlines() == [
        (
            "manual is wrong here: it returned h = 0.655; "
            "the equations give 0.155 for manual's own previous state and input."
        ),
        "First divergence before this step, at h[t=3, u=0] of layer 1, backward: gluon has 0.500, manual 0.250.",
    ]


def test_a_page_of_the_heaviest_terms_sums_the_others_up() -> None:
    blocks = report(explain_at(agreeing(), LSTM_WHERE), top=2).split("\n\n")
    assert "\n\n".join([*blocks[:5], *blocks[-4:]]) + "\n" == golden("heaviest_terms.txt")


def test_a_long_name_widens_the_last_of_its_columns() -> None:
    name = "/far/away/a_name_that_is_longer_than_its_own_three_columns.py"
    result = tidy_result(("gluon", name), cell="rnn_tanh", hidden_size=2)
    above, header, first, *_ = report(explain_at(result, LSTM_WHERE)).split("\n\n")[3].splitlines()[1:]
    assert above.split() == ["gluon", "a_name_that_is_longer_than_its_own_three_columns.py"]
    assert header == "               weight  × input  = product     sum  × input  = product" + " " * 30 + "sum"
    assert len(first) == len(header) == len(above)


def test_all_terms_are_listed_up_to_the_limit_and_the_heaviest_beyond() -> None:
    for inputs in (SHOWN_TERMS - 2, SHOWN_TERMS - 1):
        result = tidy_result(cell="rnn_tanh", hidden_size=2, input_size=inputs)
        text = report(explain_at(result, LSTM_WHERE))
        assert sum(line.startswith(("  x[", "  h0[")) for line in text.splitlines()) == SHOWN_TERMS
        assert ("1 more" in text) == (inputs == SHOWN_TERMS - 1)


_NUMBER = re.compile(r"(?<![\w\[])-?\d+\.\d+(?:e[+-]?\d+)?|(?<![\w.\[])-?\d+e[+-]?\d+")
_FUNCTIONS = {
    "sigmoid": lambda v: 1.0 / (1.0 + exp(-v)),
    "tanh": tanh,
    "relu": lambda v: max(v, 0.0),
    "__builtins__": {},
}


def rounding(text: str) -> float:
    """Half a unit of a printed number's last digit."""
    digits, _, exponent = text.partition("e")
    return 0.5001 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def same(value: float, printed: str, uncertain: float) -> bool:
    return abs(value - float(printed)) <= uncertain + rounding(printed) + 1e-12


def check_table(rows: list[list[str]], scaled: bool) -> None:
    """Each row is a name and its numbers: weight, input, product, sum of a term; product, sum of a bias; or a total.

    Of a candidate that a gate scales, the scaled product is between a product and the sum up to it. The terms that are
    summed in one row have no separate product there.
    """
    products: list[str] = []
    before = "0.000"
    rests = False
    for name, *figures in rows[:-1]:
        if len(figures) == 1:
            if not rests:
                assert same(sum(map(float, products)), figures[0], sum(map(rounding, products))), (name, products)
            products, rests = [], False
            continue
        summed = scaled and name.endswith((" more", " terms"))
        rests = rests or summed
        added = figures[-2]
        *factors, product = figures[:-2] if scaled and not summed else figures[:-1]
        if len(factors) == 2:
            weight, read = factors
            uncertain = rounding(weight) * (abs(float(read)) + rounding(read)) + abs(float(weight)) * rounding(read)
            assert same(float(weight) * float(read), product, uncertain), name
        assert same(float(before) + float(added), figures[-1], rounding(before) + rounding(added)), name
        products.append(product)
        before = figures[-1]
    assert same(float(before), rows[-1][1], rounding(before))


def check_equation(line: str) -> None:
    """A line such as "0.244 = 0.556 · 0.722 + 0.593 · (-0.265)   engine"."""
    value, _, expression = line.rpartition("   ")[0].strip().partition(" = ")
    printed = _NUMBER.findall(expression)
    steepest = 2.0 * max(1.0, *(abs(float(number)) for number in printed))
    by_hand = eval(expression.replace("·", "*"), dict(_FUNCTIONS))
    assert same(by_hand, value, steepest * sum(map(rounding, printed))), line


@given(explained(), st.sampled_from((None, 1, 3)))
def test_the_printed_terms_add_up_to_the_printed_value(case: tuple[Inputs, Trace, Location], top: int | None) -> None:
    arithmetic = arithmetic_of(case)
    text = report(Explanation(Place.at("h", case[2]), {arithmetic.engine: arithmetic}, {}), top)
    blocks = [block.splitlines() for block in text.split("\n\n")]
    marks = dict.fromkeys(arithmetic.recomputed, ", recomputed")
    titles = [f"{gate.name}, {gate.title}{marks.get(gate.name, '')}" for gate in arithmetic.gates]
    tables = [block for block in blocks if block[0] in titles]
    assert [block[0] for block in tables] == titles
    for block in tables:
        scaled = block[0].startswith("n,")
        assert block[2].split() == ["weight", "×", "input", "=", "product", *(("×", "r") if scaled else ()), "sum"]
        check_table([re.split(r"\s{2,}", line.strip()) for line in block[3:]], scaled)
    lines = [block[1] for block in blocks if " = " in block[0] and block[-1].endswith(f"   {arithmetic.engine}")]
    assert len(lines) == len(titles) + {"lstm": 2, "gru": 1}.get(arithmetic.cell.name, 0)
    for line in lines:
        check_equation(line)
    values = [block[-3].split()[-1] for block in blocks if block[-1].startswith("  allowed for")]
    assert values == [lines[-1].split(" = ")[0].strip()]


WHERE = Location(0, 0, 2, 1, 0)


def logistic(v: float) -> float:
    return 1.0 / (1.0 + exp(-v))


def gate(symbol: str, title: str, activation: str, row: list[float], x: float, h: float, reset: float = 1.0) -> Any:
    """Of one unit that reads one feature; `row` has W_i2h, W_h2h, b_i2h, b_h2h."""
    a, b = row[0] * x + row[2], row[1] * h + row[3]
    total = a + reset * b
    return {
        "name": symbol,
        "activation": activation,
        "terms": [
            {"kind": "i2h", "index": 0, "weight": row[0], "input": x, "product": row[0] * x},
            {"kind": "h2h", "index": 0, "weight": row[1], "input": h, "product": row[1] * h},
        ],
        "i2h_bias": row[2],
        "h2h_bias": row[3],
        "sum": total,
        "value": logistic(total) if activation == "sigmoid" else tanh(total),
        "title": title,
        "u": a,
        "v": b,
        **({"reset": reset} if symbol == "n" else {}),
    }


def rows_of(result: Any) -> list[list[float]]:
    p = result.inputs.parameters.layer(0, 0)
    return np.column_stack([p.i2h_weight[:, 0], p.h2h_weight[:, 0], p.i2h_bias, p.h2h_bias]).tolist()


def test_a_gru_has_its_reset_gate_at_the_candidate_and_each_engines_stored_value() -> None:
    result = tidy_result(cell="gru", input_size=1, hidden_size=1)
    own, other = result.traces.values()
    h = breakdown_at(result.inputs, own, WHERE).by_name["h"].value
    own.hidden[WHERE.index], other.hidden[WHERE.index] = h, h + 0.5
    found = to_json(explain_at(result, WHERE))
    x, h = result.inputs.sequence[2, 1, 0], own.hidden[0, 0, 1, 1, 0]
    r_row, z_row, n_row = rows_of(result)
    r, z = (gate(s, f"{t} gate", "sigmoid", row, x, h) for s, t, row in (("r", "reset", r_row), ("z", "update", z_row)))
    n = gate("n", "candidate", "tanh", n_row, x, h, r["value"])
    gates = [r, z, n]
    value = (1 - z["value"]) * n["value"] + z["value"] * h
    assert found.pop("gates") == [Near(expected) for expected in gates]
    engines = found.pop("engines")
    assert found == {
        "name": "h[t=2, u=0]",
        "where": {"layer": 0, "direction": "forward", "timestep": 2, "sample": 1, "unit": 0},
        "value": {"gluon": Near(value), "manual": Near(value + 0.5)},
        "formula": "r, z = sigmoid(u + v); n = tanh(u_n + r · v_n); h = (1 - z) · n + z · h[t-1]",
        "previous": {"timestep": 1, "h": h},
        "reference": "gluon",
        "partings": {
            "manual": {
                "step": "stored",
                "name": "the stored h",
                "gate": None,
                "kind": None,
                "index": None,
                "reference": Near(value),
                "candidate": Near(value + 0.5),
            }
        },
        "sentences": found["sentences"],
    }
    assert len(found["sentences"]) == 2
    for name, off in (("gluon", 0.0), ("manual", 0.5)):
        engine = engines[name]
        texts = engine.pop("equations")
        assert [set(text) for text in texts] == [{"symbols", "numbers"}] * 4
        assert texts[3]["symbols"] == "h = (1 - z) · n + z · h[t-1]"
        assert texts[3]["numbers"].startswith(f"{value:.3f} = (1 - {z['value']:.3f}) · ")
        bound = engine.pop("bound")
        assert 0.0 < bound < 1e-14
        assert engine == {
            "gates": [Near(expected) for expected in gates],
            "previous": {"timestep": 1, "h": h},
            "next": {"h": Near(value)},
            "stored": Near(value + off),
            "difference": Near(off),
            "ratio": Near(off / bound, 1e-3),
            "right": off == 0.0,
            "recomputed": ["r", "z", "n"],
        }


class Near:
    """Equal to what has the same keys, texts and, nearly, the same numbers."""

    def __init__(self, expected: Any, rel: float = 1e-12) -> None:
        self.expected, self.rel = expected, rel

    def __eq__(self, other: object) -> bool:
        return _alike(self.expected, other, self.rel)

    def __repr__(self) -> str:
        return f"near {self.expected!r}"

    __hash__ = None


def _alike(expected: Any, found: Any, rel: float) -> bool:
    if isinstance(expected, dict):
        same = isinstance(found, dict) and expected.keys() == found.keys()
        return same and all(_alike(value, found[key], rel) for key, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(found) and all(_alike(a, b, rel) for a, b in zip(expected, found, strict=True))
    if isinstance(expected, float):
        return bool(np.isclose(expected, found, rtol=rel, atol=1e-14))
    return bool(expected == found)


def test_nonfinite_and_unrecorded_values_are_marked() -> None:
    result = tidy_result(cell="rnn_tanh", hidden_size=2)
    own = breakdown_at(result.inputs, result["gluon"], WHERE)
    divergence = Divergence("input", "x[t=2, i=1]", nan, -inf, None, "i2h", 1)
    unread = {"torch": Unread(""), "onnx": Unread("", stored=-inf), "keras": Unread("", stored=0.5)}
    breakdowns = {"gluon": changed(own, "h", stored=inf), "manual": own}
    found = to_json(Explanation(Place.at("h", WHERE), breakdowns, {"manual": divergence}, unread))
    assert found["value"] == {
        "gluon": "Infinity",
        "manual": own.outcomes[-1].stored,
        "torch": None,
        "onnx": "-Infinity",
        "keras": 0.5,
    }
    assert found["partings"]["manual"] == {
        "step": "input",
        "name": "x[t=2, i=1]",
        "gate": None,
        "kind": "i2h",
        "index": 1,
        "reference": "NaN",
        "candidate": "-Infinity",
    }
    assert found["engines"]["gluon"]["difference"] == "Infinity"
    assert "names" not in found
