"""Printed terms can be added on paper: every printed sum and value follows from the lines above."""

import re
from math import exp, tanh

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Explanation
from rnnviz.explain.report import report
from tests.explain.arithmetics import arithmetic_of, explained

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
    text = report(Explanation(case[2], {arithmetic.engine: arithmetic}, {}), top)
    blocks = [block.splitlines() for block in text.split("\n\n")]
    titles = [f"{gate.symbol}, {gate.gate.name}" for gate in arithmetic.gates]
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
