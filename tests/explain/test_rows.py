"""A ledger's rows one by one, with every figure computed here from eighths."""

from dataclasses import astuple, replace
from math import inf, nan, tanh

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Divergence
from rnnviz.explain.step_breakdown import StepBreakdown, explain
from rnnviz.explain.term_table import SHOWN_TERMS, TermRow, TermTable, TermValues, ledger
from tests.explain.arithmetics import tidy_result

WHERE = Location(0, 1, 3, 1, 0)
"""The first step of the backward direction: it reads x[3], h0 and c0."""


def arithmetics(cell: str, where: Location = WHERE, **network: object) -> list[StepBreakdown]:
    """Of two engines, of which the second has another input."""
    result = tidy_result(cell=cell, hidden_size=2, bidirectional=True, **network)
    own = explain(result.inputs, result["gluon"], where)
    gates = tuple(
        replace(gate, pre=replace(gate.pre, u=replace(gate.pre.u, inputs=gate.pre.u.inputs * 2))) for gate in own.gates
    )
    return [own, replace(own, engine="manual", gates=gates)]


def expected(each: list[StepBreakdown], symbol: str) -> list[TermRow]:
    """The rows of a gate in the order of evaluation, of which the first engine's reset gate scales the second half."""
    gates = [arithmetic.by_symbol[symbol] for arithmetic in each]
    sums, rows = [0.0, 0.0], []

    def row(kind, name, numbers, source=None) -> None:
        figures = []
        for k, (factor, read, product, added) in enumerate(numbers):
            start, sums[k] = sums[k], sums[k] + added
            figures.append(TermValues(factor, read, product, added, start, sums[k]))
        rows.append(TermRow(kind, name, tuple(figures), source))

    subscript = "_n" if symbol == "n" else ""
    for half, side, kind in (("u", [g.pre.u for g in gates], "i2h"), ("v", [g.pre.v for g in gates], "h2h")):
        for index in range(len(side[0].products)):
            source = Place("input", (3, 1, index)) if half == "u" else Place("h0", (1, 1, index))
            name = f"x[t=3, i={index}]" if half == "u" else f"h0[u={index}]"
            numbers = [
                (s.weights[index], s.inputs[index], s.products[index], s.factor * s.products[index]) for s in side
            ]
            row("term", name, numbers, source)
        row("bias", f"b_{kind}", [(None, None, s.bias, s.factor * s.bias) for s in side])
        total = [TermValues(product=float(sum(s.products) + s.bias)) for s in side]
        rows.append(TermRow("part", half + subscript, tuple(total)))
    name = "u_n + r · v_n" if symbol == "n" else "u + v"
    rows.append(TermRow("total", name, tuple(TermValues(product=g.pre.sum, stop=g.pre.sum) for g in gates)))
    return rows


def same(found: tuple[TermRow, ...], rows: list[TermRow]) -> None:
    assert [(r.kind, r.name, r.source, r.parts) for r in found] == [(r.kind, r.name, r.source, r.parts) for r in rows]
    for one, other in zip(found, rows, strict=True):
        for ours, theirs in zip(one.figures, other.figures, strict=True):
            assert astuple(ours) == tuple(x if x is None else pytest.approx(x, abs=1e-12) for x in astuple(theirs))


@pytest.mark.parametrize(("cell", "symbol", "terms"), [("rnn_relu", "h", 5), ("lstm", "g", 5), ("gru", "n", 5)])
def test_a_gates_ledger_has_each_engines_figures_in_every_row(cell: str, symbol: str, terms: int) -> None:
    each = arithmetics(cell)
    found = ledger(each, symbol)
    same(found.rows, expected(each, symbol))
    alone = ledger(each[:1], symbol)
    same(alone.rows, expected(each[:1], symbol))
    assert alone.scaled == found.scaled
    assert (found.line, found.terms, found.shared, found.scaled) == (symbol, terms, True, symbol == "n")


def summed(rows: list[TermRow]) -> list[float]:
    return [sum(row.figures[k].added or 0.0 for row in rows) for k in range(2)]


@pytest.mark.parametrize("top", [0, 1, 2, 4])
def test_by_weight_the_heaviest_terms_of_the_first_engine_are_first_and_the_rest_is_one_row(top: int) -> None:
    each = arithmetics("gru")
    terms = [row for row in expected(each, "n") if row.kind == "term"]
    ranked = sorted(terms, key=lambda row: -abs(row.figures[0].added or 0.0))
    found = ledger(each, "n", "weight", top).rows
    assert [row.name for row in found] == [
        *(row.name for row in ranked[:top]),
        f"{5 - top} {'more' if top else 'terms'}",
        *("b_i2h", "b_h2h", "u_n + r · v_n"),
    ]
    for k, value in enumerate(summed(ranked[top:])):
        own = found[top].figures[k]
        assert (own.factor, own.input, own.product) == (None, None, None)
        assert own.added == pytest.approx(value)
        assert own.stop == pytest.approx(own.start + value)
    assert found[top].kind == "rest"
    assert found[-2].figures[1].stop == pytest.approx(found[-1].figures[1].stop)


def test_in_order_each_half_sums_the_terms_left_out() -> None:
    each = arithmetics("gru")
    rows = expected(each, "n")
    heaviest = max(rows[:3] + rows[5:7], key=lambda row: abs(row.figures[0].added or 0.0))
    found = {row.name: row for row in ledger(each, "n", "index", 1).rows}
    x_left, h_left = ([row for row in half if row is not heaviest] for half in (rows[:3], rows[5:7]))
    names = [f"{len(left)} {'more' if len(left) < size else 'terms'}" for left, size in ((x_left, 3), (h_left, 2))]
    for name, left in zip(names, (x_left, h_left), strict=True):
        for k, value in enumerate(summed(left)):
            assert found[name].figures[k].added == pytest.approx(value)


def names(found: TermTable) -> list[str]:
    return [row.name for row in found.rows]


def test_a_line_of_few_terms_lists_all_and_of_one_more_the_heaviest() -> None:
    few, many = (arithmetics("rnn_tanh", input_size=SHOWN_TERMS - 2 + more) for more in (0, 1))
    assert sum(row.kind == "term" for row in ledger(few, "h").rows) == SHOWN_TERMS
    assert "1 more" not in names(ledger(few, "h"))
    assert sum(row.kind == "term" for row in ledger(many, "h").rows) == SHOWN_TERMS
    assert "1 more" in names(ledger(many, "h"))
    assert sum(row.kind == "term" for row in ledger(many, "h", top=99).rows) == SHOWN_TERMS + 1


@pytest.mark.parametrize(
    ("kind", "index", "name"), [("i2h", 2, "x[t=3, i=2]"), ("h2h", 1, "h0[u=1]"), ("h2h", 0, "h0[u=0]")]
)
def test_the_term_of_a_divergence_is_listed_and_marked(kind: str, index: int, name: str) -> None:
    parting = Divergence("input", name, 0.0, 1.0, None, kind, index)
    for order in ("index", "weight"):
        for top in (None, 5, 3, 1):
            found = ledger(arithmetics("lstm"), "f", order, top, parting)
            assert [row.name for row in found.rows if row.parts] == [name]
            assert sum(row.kind == "term" for row in found.rows) == (top or 5)
    two = names(ledger(arithmetics("lstm"), "f", "weight", 2))[:2]
    listed = names(ledger(arithmetics("lstm"), "f", "weight", 2, parting))[:2]
    assert listed == (two if name in two else [name, two[0]])


def test_the_line_of_a_divergence_is_marked_at_its_total_and_no_other() -> None:
    each = arithmetics("lstm")
    in_f, in_c, in_h, before = (
        Divergence("gate", "f", 0.0, 1.0, "f"),
        Divergence("c", "c", 0.0, 1.0),
        Divergence("h", "h", 0.0, 1.0),
        Divergence("previous", "c[t-1]", 0.0, 1.0),
    )
    for parting, line, marked in (
        (in_f, "f", ["u + v"]), (in_f, "i", []), (in_c, "c", ["c"]), (in_c, "h", []), (in_h, "h", ["h"]),
        (before, "c", ["f · c[t-1]"]), (before, "h", []),
    ):  # fmt: skip
        assert [row.name for row in ledger(each, line, parting=parting).rows if row.parts] == marked


def test_a_cell_state_is_the_kept_plus_the_new_part() -> None:
    own, other = each = arithmetics("lstm")
    v = {symbol: gate.value for symbol, gate in own.by_symbol.items()}
    kept, new = v["f"] * own.previous.c, v["i"] * v["g"]
    found = ledger(each, "c")
    keep = TermValues(v["f"], own.previous.c, kept, kept, 0.0, kept)
    make = TermValues(v["i"], v["g"], new, new, kept, kept + new)
    whole = TermValues(product=own.c, stop=own.c)
    rows = [
        TermRow("term", "f · c[t-1]", (keep, keep), Place("c0", (1, 1, 0))),
        TermRow("term", "i · g", (make, make), Place.at("g", WHERE)),
        TermRow("total", "c", (whole, whole)),
    ]
    same(found.rows, rows)
    assert (found.line, found.terms, found.shared, found.scaled) == ("c", 2, False, False)
    squashed = tanh(own.c)
    out = TermValues(v["o"], squashed, v["o"] * squashed, v["o"] * squashed, 0.0, v["o"] * squashed)
    last = [TermValues(product=h, stop=h) for h in (own.h, 7.0)]
    same(
        ledger([own, replace(other, h=7.0)], "h").rows,
        [TermRow("term", "o · tanh(c)", (out, out), Place.at("c", WHERE)), TermRow("total", "h", tuple(last))],
    )


def test_a_grus_hidden_value_is_the_new_plus_the_kept_part() -> None:
    each = arithmetics("gru", WHERE.moved(timestep=2))
    own = each[0]
    v = {symbol: gate.value for symbol, gate in own.by_symbol.items()}
    new, kept = (1.0 - v["z"]) * v["n"], v["z"] * own.previous.h
    make = TermValues(1.0 - v["z"], v["n"], new, new, 0.0, new)
    keep = TermValues(v["z"], own.previous.h, kept, kept, new, new + kept)
    whole = TermValues(product=own.h, stop=own.h)
    here = WHERE.moved(timestep=2)
    same(
        ledger(each, "h").rows,
        [
            TermRow("term", "(1 - z) · n", (make, make), Place.at("n", here)),
            TermRow("term", "z · h[t-1]", (keep, keep), Place.at("h", WHERE)),
            TermRow("total", "h", (whole, whole)),
        ],
    )


@pytest.mark.parametrize(("cell", "line"), [("rnn_tanh", "c"), ("gru", "c"), ("gru", "i"), ("lstm", "r")])
def test_a_line_that_the_cell_does_not_have_is_refused(cell: str, line: str) -> None:
    with pytest.raises(KeyError, match=rf"^'{line} is not a line of the cell {cell}'$"):
        ledger(arithmetics(cell), line)


def test_numbers_that_are_none_are_added_up_without_a_warning() -> None:
    each = arithmetics("lstm")
    wild = replace(each[0], previous=replace(each[0].previous, c=inf), c=nan)
    assert np.isinf(ledger([wild], "c").rows[-2].figures[0].stop or 0.0)
