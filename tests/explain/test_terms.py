"""Term tables with every figure computed here, and the first number in which two engines diverge."""

from dataclasses import astuple, replace
from math import inf, nan, tanh
from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import divergence_sentence
from rnnviz.explain.lines import Breakdown, EquationLine, Line, Part, Scalar, Token, Way
from rnnviz.explain.terms import (
    Divergence,
    TermRow,
    TermTable,
    TermValues,
    first_divergence,
    first_divergent_row,
    largest_terms,
)
from tests.explain.arithmetics import breakdown_at, changed, half, table_of, tidy_result, values_of

WHERE = Location(0, 1, 3, 1, 0)
"""The first step of the backward direction: it reads x[3], h0 and c0."""


def part(way: Way, factors: list[float], values: list[float], bias: float, scale: float = 1.0) -> Part:
    numbers = np.array(factors), np.array(values)
    total = float(np.cumsum([*(numbers[0] * numbers[1]), bias])[-1])
    return Part(way, "", *numbers, total, str, lambda k: None, bias=Scalar("b", bias, Place("h0", (0,))), scale=scale)


def line(*parts: Part) -> Line:
    return Line("i", "gate", EquationLine((Token("i", 0.0),)), parts, 0.0, "", argument=0.0)


A, B = part("i2h", [2.0, -1.0, 0.5], [0.5, 4.0, 1.0], 0.25), part("h2h", [3.0, 1.0], [-1.0, 8.0], -2.0, 0.5)


def test_a_part_is_its_products_its_bias_and_its_scale():
    assert (A.products.tolist(), B.products.tolist()) == ([1.0, -4.0, 0.5], [-3.0, 8.0])
    assert (A.added.tolist(), B.added.tolist()) == ([1.0, -4.0, 0.5], [-1.5, 4.0])
    assert (A.total, B.total, len(line(A, B))) == (-2.25, 3.0, 5)


def test_terms_that_weigh_most_come_first_and_numbers_that_are_none_before_them():
    # Of two equal weights the one that is evaluated first is first.
    assert line(A, B).by_weight().tolist() == [1, 4, 3, 0, 2]
    alike = part("i2h", [1.0, -1.0] * 50, [1.0] * 100, 0.0)
    assert line(alike, alike).by_weight().tolist() == list(range(200))
    wild = replace(A, values=np.array([inf, nan, 1.0]))
    assert line(wild, B).by_weight().tolist() == [0, 1, 4, 3, 2]


def pair(cell: str, where: Location = WHERE, **network: object) -> list[Breakdown]:
    """Two engines, of which the second has another input."""
    result = tidy_result(cell=cell, hidden_size=2, bidirectional=True, **network)
    own = breakdown_at(result.inputs, result["gluon"], where)
    other = replace(own, engine="manual")
    for gate in own.gates:
        parts = [replace(p, values=p.values * 2) if p.way == "i2h" else p for p in gate.parts]
        other = changed(other, gate.name, parts=tuple(parts))
    return [own, other]


def expected(each: list[Breakdown], symbol: str) -> list[TermRow]:
    """The rows of a gate in the order of evaluation, of which the first engine's reset gate scales the second half."""
    gates = [breakdown.by_name[symbol] for breakdown in each]
    sums, rows = [0.0, 0.0], []

    def row(kind: Any, name: str, numbers: list[Any], source: Any = None) -> None:
        figures = []
        for k, (factor, read, product, added) in enumerate(numbers):
            start, sums[k] = sums[k], sums[k] + added
            figures.append(TermValues(factor, read, product, added, start, sums[k]))
        rows.append(TermRow(kind, name, tuple(figures), source))

    for name, way in (("u", "i2h"), ("v", "h2h")):
        side = [half(gate, way) for gate in gates]
        biases = [own.bias.value for own in side if own.bias is not None]
        for k in range(len(side[0].factors)):
            source = Place("input", (3, 1, k)) if name == "u" else Place("h0", (1, 1, k))
            products = [own.factors[k] * own.values[k] for own in side]
            numbers = [
                (own.factors[k], own.values[k], product, own.scale * product)
                for own, product in zip(side, products, strict=True)
            ]
            row("term", f"x[t=3, i={k}]" if name == "u" else f"h0[u={k}]", numbers, source)
        row("bias", f"b_{way}", [(None, None, b, own.scale * b) for own, b in zip(side, biases, strict=True)])
        total = [TermValues(product=own.total) for own in side]
        rows.append(TermRow("part", f"{name}_n" if symbol == "n" else name, tuple(total)))
    name = "u_n + r · v_n" if symbol == "n" else "u + v"
    rows.append(TermRow("total", name, tuple(TermValues(product=g.argument, stop=g.argument) for g in gates)))
    return rows


def same(found: tuple[TermRow, ...], rows: list[TermRow]) -> None:
    assert [(r.kind, r.name, r.source) for r in found] == [(r.kind, r.name, r.source) for r in rows]
    assert not any(row.diverges for row in found)
    for one, other in zip(found, rows, strict=True):
        for ours, theirs in zip(one.figures, other.figures, strict=True):
            assert astuple(ours) == tuple(x if x is None else pytest.approx(x, abs=1e-12) for x in astuple(theirs))


@pytest.mark.parametrize(("cell", "symbol"), [("rnn_relu", "h"), ("lstm", "g"), ("gru", "n")])
def test_the_table_of_a_gate_has_each_engines_figures_in_every_row(cell, symbol):
    each = pair(cell)
    found = table_of(each, symbol)
    same(found.rows, expected(each, symbol))
    same(table_of(each[:1], symbol).rows, expected(each[:1], symbol))
    assert (found.line, found.terms, found.shared, found.scaled) == (symbol, 5, True, symbol == "n")


def summed(rows: list[TermRow]) -> list[float]:
    return [sum(row.figures[k].added or 0.0 for row in rows) for k in range(2)]


@pytest.mark.parametrize("top", [0, 1, 2, 4])
def test_by_weight_the_heaviest_terms_of_the_first_engine_are_first_and_the_rest_is_one_row(top):
    each = pair("gru")
    terms = [row for row in expected(each, "n") if row.kind == "term"]
    ranked = sorted(terms, key=lambda row: -abs(row.figures[0].added or 0.0))
    found = table_of(each, "n", "weight", top).rows
    assert [row.name for row in found] == [
        *(row.name for row in ranked[:top]),
        f"{5 - top} {'more' if top else 'terms'}",
        *("b_i2h", "b_h2h", "u_n + r · v_n"),
    ]
    assert found[top].kind == "rest"
    for k, value in enumerate(summed(ranked[top:])):
        own = found[top].figures[k]
        assert (own.factor, own.input, own.product) == (None, None, None)
        assert own.added == pytest.approx(value)
        assert own.stop == pytest.approx(own.start + value)


def names(found: TermTable) -> list[str]:
    return [row.name for row in found.rows]


@pytest.mark.parametrize(
    ("kind", "index", "name"), [("i2h", 2, "x[t=3, i=2]"), ("h2h", 1, "h0[u=1]"), ("h2h", 0, "h0[u=0]")]
)
def test_the_term_of_a_divergence_is_listed_and_marked(kind, index, name):
    divergence = Divergence("input", name, 0.0, 1.0, "", kind, index)
    for order in ("index", "weight"):
        for top in (None, 5, 3, 1):
            found = table_of(pair("lstm"), "f", order, top, divergence)
            assert [row.name for row in found.rows if row.diverges] == [name]
            assert sum(row.kind == "term" for row in found.rows) == (top or 5)
    two = names(table_of(pair("lstm"), "f", "weight", 2))[:2]
    listed = names(table_of(pair("lstm"), "f", "weight", 2, divergence))[:2]
    assert listed == (two if name in two else [name, two[0]])


def test_the_line_of_a_divergence_is_marked_at_its_total_and_no_other():
    each = pair("lstm")
    in_f, in_c, in_h, before = (
        Divergence("gate", "f", 0.0, 1.0, "f"),
        Divergence("c", "c", 0.0, 1.0, "c"),
        Divergence("h", "h", 0.0, 1.0, "h"),
        Divergence("previous", "c[t-1]", 0.0, 1.0, "c"),
    )
    for divergence, line, marked in (
        (in_f, "f", ["u + v"]), (in_f, "i", []), (in_c, "c", ["c"]), (in_c, "h", []), (in_h, "h", ["h"]),
        (before, "c", ["f · c[t-1]"]), (before, "h", []),
    ):  # fmt: skip
        assert [row.name for row in table_of(each, line, divergence=divergence).rows if row.diverges] == marked


def test_a_state_is_the_sum_of_its_products():
    own, other = each = pair("lstm")
    v = values_of(own)
    kept, new = v["f"] * v["c[t-1]"], v["i"] * v["g"]
    keep = TermValues(v["f"], v["c[t-1]"], kept, kept, 0.0, kept)
    make = TermValues(v["i"], v["g"], new, new, kept, kept + new)
    whole = TermValues(product=v["c"], stop=v["c"])
    found = table_of(each, "c", "weight", 1)
    same(
        found.rows,
        [
            TermRow("term", "f · c[t-1]", (keep, keep), Place("c0", (1, 1, 0))),
            TermRow("term", "i · g", (make, make), Place.at("g", WHERE)),
            TermRow("total", "c", (whole, whole)),
        ],
    )
    assert (found.line, found.terms, found.shared, found.scaled) == ("c", 2, False, False)
    squashed = tanh(v["c"])
    out = TermValues(v["o"], squashed, v["o"] * squashed, v["o"] * squashed, 0.0, v["o"] * squashed)
    last = [TermValues(product=h, stop=h) for h in (v["h"], 7.0)]
    same(
        table_of([own, changed(other, "h", value=7.0)], "h").rows,
        [TermRow("term", "o · tanh(c)", (out, out), Place.at("c", WHERE)), TermRow("total", "h", tuple(last))],
    )


# The first row in which running sums diverge


def moved_pair(cell: str, unit: int, by: float) -> tuple[Breakdown, Breakdown]:
    """Two engines, of which the second has another h[t-1] in one unit."""
    result, where = tidy_result(cell=cell, hidden_size=4), Location(0, 0, 2, 1, 0)
    result["manual"].hidden[0, 0, 1, 1, unit] += by
    return (breakdown_at(result.inputs, result["gluon"], where), breakdown_at(result.inputs, result["manual"], where))


def first_row(each: tuple[Breakdown, Breakdown], name: str, rtol: float, atol: float, order: str = "index") -> Any:
    divergence = first_divergence(*each, rtol, atol)
    found = table_of(each, name, order, divergence=divergence)
    row = first_divergent_row(found, each[0], 1, divergence)
    return None if row is None else found.rows[row].name


@pytest.mark.slow
@pytest.mark.parametrize("order", ["index", "weight"])
@pytest.mark.parametrize("by", [0.25, -inf, nan])
@pytest.mark.parametrize(("cell", "name"), [("rnn_tanh", "h"), ("lstm", "f"), ("gru", "z")])
def test_sums_diverge_at_the_first_input_that_differs(cell, name, by, order):
    for unit in range(4):
        assert first_row(moved_pair(cell, unit, by), name, 1e-5, 1e-6, order) == f"h[t=1, u={unit}]"


def test_lines_before_the_divergence_have_no_diverging_sums():
    result, where = tidy_result(cell="lstm", hidden_size=4), Location(0, 0, 2, 1, 0)
    cell = np.array(result["manual"].cell)
    cell[0, 0, 1, 1, 0] += 0.5
    traces = result["gluon"], result["manual"].with_arrays({"c": cell})
    own, other = (breakdown_at(result.inputs, trace, where) for trace in traces)
    told = {name: first_row((own, other), name, 1e-5, 1e-6) for name in ("i", "f", "g", "o", "c", "h")}
    assert told == {"i": None, "f": None, "g": None, "o": None, "c": "f · c[t-1]", "h": "o · tanh(c)"}
    assert first_row((own, changed(own, "h", stored=9.0)), "h", 1e-5, 1e-6) is None
    assert first_row((own, own), "c", 1e-5, 1e-6) is None


# The first number that differs

AT = Location(1, 0, 2, 1, 1)


def agreeing(cell: str = "lstm") -> Breakdown:
    """An engine that stores what the equations give."""
    result = tidy_result(cell=cell, hidden_size=2, num_layers=2, bidirectional=True)
    own = breakdown_at(result.inputs, result["gluon"], AT)
    return changed(own, "h", stored=own.by_name["h"].value)


OURS = agreeing()
V = values_of(OURS)
X, H = (vector.values for vector in OURS.read)
SUM_OF_F = OURS.by_name["f"].argument or nan


def reading(own: Breakdown, place: int, *moved: int) -> Breakdown:
    """The breakdown with other numbers in x (0) or h[t-1] (1)."""
    read = list(own.read)
    values = read[place].values.copy()
    values[list(moved)] += 0.5
    read[place] = replace(read[place], values=values)
    return replace(own, read=tuple(read))


def before(own: Breakdown, value: float) -> Breakdown:
    """The breakdown with another c[t-1]."""
    previous = [replace(state, value=value) if state.symbol == "c" else state for state in own.previous]
    return replace(own, previous=tuple(previous))


CASES: list[tuple[Breakdown, Divergence]] = [
    (
        reading(reading(OURS, 1, 0), 0, 2, 3),
        Divergence("input", "h[t=2, u=0] of layer 0, backward", float(X[2]), float(X[2] + 0.5), "", "i2h", 2),
    ),
    (
        reading(changed(OURS, "i", argument=9.0), 1, 1),
        Divergence("input", "h[t=1, u=1] of layer 1, forward", float(H[1]), float(H[1] + 0.5), "", "h2h", 1),
    ),
    (
        changed(changed(OURS, "f", argument=9.0), "g", value=9.0),
        Divergence("sum", "the pre-activation of f", SUM_OF_F, 9.0, "f"),
    ),
    (before(changed(OURS, "g", value=9.0), 7.0), Divergence("gate", "g", V["g"], 9.0, "g")),
    (changed(before(OURS, 7.0), "c", value=8.0), Divergence("previous", "c[t-1]", V["c[t-1]"], 7.0, "c")),
    (changed(changed(OURS, "c", value=8.0), "h", value=9.0), Divergence("c", "c", V["c"], 8.0, "c")),
    (changed(OURS, "h", value=9.0, stored=10.0), Divergence("h", "h", V["h"], 9.0, "h")),
    (changed(OURS, "h", stored=10.0), Divergence("stored", "the stored h", V["h"], 10.0, "h")),
    (changed(OURS, "h", stored=nan), Divergence("stored", "the stored h", V["h"], nan, "h")),
]


@pytest.mark.parametrize(("theirs", "expected"), CASES, ids=range(len(CASES)))
def test_engines_diverge_at_the_first_of_the_numbers_that_differ(theirs, expected):
    found = first_divergence(OURS, theirs, 1e-9, 2e-9)
    assert repr(found) == repr(expected)
    assert found is not None
    assert (found.rtol, found.atol) == (1e-9, 2e-9)


def test_equal_numbers_do_not_diverge_even_if_none_is_finite():
    assert first_divergence(OURS, OURS, 0.0, 0.0) is None
    for value in (inf, nan):
        strange = changed(OURS, "h", value=value, stored=value)
        assert first_divergence(strange, strange, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("rtol", "atol", "diverges"),
    [(0.0, 0.25, False), (0.0, 0.2499, True), (0.5, 0.0, False), (0.4999, 0.0, True), (0.25, 0.125, False)],
)
def test_the_tolerance_is_relative_to_the_reference(rtol, atol, diverges):
    ours, theirs = (changed(OURS, "h", value=value, stored=value) for value in (0.5, 0.75))
    assert (first_divergence(ours, theirs, rtol, atol) is not None) is diverges


def test_within_the_tolerance_engines_diverge_only_where_one_of_them_is_wrong():
    own = OURS.by_name["h"].own
    assert own is not None
    far, near = V["h"] + 20 * own.bound, V["h"] + 4 * own.bound
    for ours, theirs, diverges in ((V["h"], far, True), (far, V["h"], True), (V["h"], near, False), (far, far, False)):
        found = first_divergence(changed(OURS, "h", stored=ours), changed(OURS, "h", stored=theirs), 0.0, 1.0)
        assert found == (Divergence("stored", "the stored h", ours, theirs, "h") if diverges else None)


@pytest.mark.parametrize(
    ("divergence", "words"),
    [
        (None, "No divergence: gluon and mine.py agree on every line (within tolerance)."),
        (
            Divergence("stored", "the stored h", 0.25, 0.5, "h"),
            "The arithmetic agrees, but the stored h differs: gluon has 0.250, mine.py 0.500.",
        ),
        (
            Divergence("input", "x[t=1, i=0]", 0.25, 0.2500001),
            "First divergence before this step, at x[t=1, i=0]: gluon has 0.2500000, mine.py 0.2500001.",
        ),
        (
            Divergence("sum", "the pre-activation of i", 0.25, nan),
            "First divergence at the pre-activation of i: gluon has 0.250, mine.py NaN.",
        ),
    ],
)
def test_a_divergence_is_one_sentence(divergence, words):
    assert divergence_sentence("gluon", "mine.py", divergence) == words


@pytest.mark.parametrize(("cell", "top"), [("lstm", 3), ("gru", 5), ("rnn_tanh", 100)])
def test_the_largest_terms_and_the_rest_add_up_to_the_argument(cell, top):
    result = tidy_result(cell=cell, hidden_size=4)
    for line in breakdown_at(result.inputs, result["gluon"], Location(0, 0, 2, 1, 1)).gates:
        largest = largest_terms(line, top)
        added = [row.figures[0].added for row in largest.rows]
        sizes = np.abs(added)
        assert (sizes[:-1] >= sizes[1:]).all()
        assert len(added) == min(top, largest.count)
        for shown in range(len(added) + 1):
            assert sum(added[:shown]) + largest.rest(shown) == pytest.approx(line.argument)
