"""The value card: its numbers, what it says of a wrong value, where its terms lead, and what a question hides."""

import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PySide6.QtCore import Qt

from rnnviz.core import number_format
from rnnviz.core.masks import DIFFERENCE, NUMBERS, Mask
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Lane, Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.explain.lines import format_short
from rnnviz.gui.value.card import GRADIENT, OUTPUT, VALUE, VECTOR, ValueCard
from rnnviz.gui.value.rows import MASKED
from tests.explain.arithmetics import explained
from tests.factories import adding, make_result, with_judgment
from tests.gui.value.conftest import WHERE
from tests.gui.value.gradients import AT, with_gradients


def shown(value: float) -> str:
    return number_format.true_minus(format_short(float(value)))


def row(card: ValueCard, symbol: str):
    return next(row for row in card.arithmetic.equations.rows if row.symbol == symbol)


def readouts(card: ValueCard) -> list[str]:
    return [each.text for each in card.arithmetic.numbers.readouts]


def test_the_numbers_are_those_of_the_parameters_and_the_engines_own_state(qtbot, card, show):
    """The oracle: one LSTM step in plain numpy, from the arrays of the run."""
    result = show(cell="lstm")
    trace, inputs, size = result["gluon"], result.inputs, 4
    p = inputs.parameters.layer(1, 1)
    x = np.concatenate([trace.hidden[0, d, 2, 1] for d in (0, 1)]).astype(float)
    h = trace.hidden[1, 1, 3, 1].astype(float)
    for place, symbol in enumerate("ifgo"):
        at = place * size + 1
        u = float(p.i2h_weight[at].astype(float) @ x + p.i2h_bias[at])
        v = float(p.h2h_weight[at].astype(float) @ h + p.h2h_bias[at])
        value = np.tanh(u + v) if symbol == "g" else 1.0 / (1.0 + np.exp(-(u + v)))
        name = "tanh" if symbol == "g" else "σ"
        sign, part = ("−", shown(v)[1:]) if v < 0 else ("+", shown(v))
        assert row(card, symbol).value == shown(value)
        assert row(card, symbol).numbers[0] == f"{name}({shown(u)} {sign} {part})"
        card.choose_line(symbol)
        qtbot.waitUntil(lambda: card.complete)
        term = next(t for t in card.page.largest.rows if t.source == Place.at("h", WHERE.moved(timestep=3, unit=2)))
        weight = float(p.h2h_weight[at, 2])
        assert (term.figures[0].factor, term.figures[0].input) == (weight, h[2])
        assert card.arithmetic.result.text() == f"{name}({shown(u + v)}) = {shown(value)}"
    assert readouts(card) == [f"h = {shown(trace.hidden[WHERE.index])}"]
    assert card.arithmetic.numbers.status.text == "within rounding"
    assert card.heading.text() == "Layer 1 backward, t = 2, unit 1"


@pytest.mark.slow
@given(explained())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_network_can_be_shown(card, case):
    """Out of sight, where the numbers are worked out at once, as for an exported picture."""
    card.hide()
    inputs, trace, where = case
    network = {"cell": inputs.network.cell, "input_size": inputs.network.input_size, "hidden_size": trace.shape[4]}
    network |= {"num_layers": trace.shape[0], "bidirectional": trace.shape[1] == 2}
    made = make_result(timesteps=trace.shape[2], batch_size=trace.shape[3], **network)
    card.show_result(made, "manual")
    card.show_location(where)
    assert readouts(card) == [f"h = {shown(made['gluon'].hidden[where.index])}"]
    assert card.page.shown.by_name["h"].value == pytest.approx(float(made["gluon"].hidden[where.index]), abs=1e-5)
    card.show_result(None, None)


def test_terms_are_sorted_by_size_and_the_rest_is_one_line(card, show):
    show(hidden_size=40)
    sizes = [abs(term.value) for term in card.arithmetic.terms.rows]
    assert len(sizes) >= 4
    assert sizes == sorted(sizes, reverse=True)
    largest = card.page.largest
    rest = largest.total - sum(term.value for term in card.arithmetic.terms.rows)
    assert card.arithmetic.rest.text() == f"{largest.count - len(sizes)} smaller {shown(rest)}"
    card.resize(404, 1300)
    assert len(card.arithmetic.terms.rows) == 16


@pytest.mark.parametrize(("bug", "cell", "line"), [("gates-i-f-o-g", "lstm", "g"), ("reset-before-matmul", "gru", "n")])
def test_a_wrong_value_is_proved_by_the_equations_with_its_cause(qtbot, card, show, bug, cell, line):
    engine = f"bug:{bug}"
    result = with_judgment(make_result(("gluon", engine), cell=cell), diagnoses={engine: ((bug,),)})
    where = Location(timestep=0, unit=1)
    show(where, engine, result)
    stored, right = (float(result[name].hidden[where.index]) for name in (engine, "gluon"))
    assert readouts(card) == [shown(stored), shown(right), shown(stored - right)]
    page, proof = card.arithmetic, card.arithmetic.proof
    assert "gluon" in page.heading.text()
    assert [row.symbol for row in page.equations.rows] == [line.name for line in card.page.explained.reference.lines]
    assert proof.isVisible()
    assert not page.terms.isVisible()
    assert proof.equations.rows[0].symbol == line
    assert proof.equations.rows[-1].value == proof.stored.text() == shown(stored)
    assert KNOWN_BUGS[bug].fix in proof.fix.text()
    assert proof.to_write.isHidden() == (bug == "gates-i-f-o-g")
    assert "holds no gates" in page.holds.text()
    with qtbot.waitSignal(card.terms_requested):
        page.all_terms.linkActivated.emit(line)
    card.resize(404, 420)
    card.reveal()
    assert not proof.visibleRegion().isEmpty(), "the card that decides is in view"


def test_the_proof_is_in_view_when_it_comes_after_the_value(qtbot, card, show):
    engine, where = "bug:gates-i-f-o-g", Location(timestep=0, unit=1)
    result = make_result(("gluon", engine), cell="lstm")
    card.resize(404, 420)
    show(where, engine, result)
    assert not card.arithmetic.proof.isVisible()
    show(where, engine, with_judgment(result, diagnoses={engine: (("gates-i-f-o-g",),)}))
    qtbot.waitUntil(lambda: not card.arithmetic.proof.stored.visibleRegion().isEmpty())


def test_a_wrong_value_without_a_known_cause_shows_its_terms(card, show):
    result = with_judgment(make_result(edits={"manual": adding(0.25, 0, 0, 2, 1, 3)}))
    show(Location(0, 0, 2, 1, 3), result=result)
    stored = result["manual"].hidden[0, 0, 2, 1, 3]
    assert readouts(card) == [shown(stored), shown(stored - 0.25), "0.250"]
    assert card.page.comparison.wrong
    assert card.arithmetic.note.isVisible()
    assert card.arithmetic.terms.isVisible()
    assert not card.arithmetic.proof.isVisible()
    # The next step reads it, and has the value of the other engine, which is not that of its own equations.
    show(Location(0, 0, 3, 1, 3), result=result)
    computed = card.page.explained.breakdowns["manual"].by_name["h"].value
    same = result["manual"].hidden[0, 0, 3, 1, 3]
    assert readouts(card) == [shown(same), shown(computed), shown(same - computed)]
    assert card.arithmetic.equations.rows[-1].value == shown(computed)


def test_a_gate_that_an_engine_did_not_record_is_not_shown_under_its_name(card, show):
    engine = "bug:gates-i-f-o-g"
    result = with_judgment(make_result(("gluon", engine), cell="lstm"), diagnoses={engine: (("gates-i-f-o-g",),)})
    where = Location(timestep=0, unit=1)
    show(where, engine, result, place=Place.at("f", where))
    assert readouts(card) == [f"f = {shown(card.page.explained.reference.by_name['f'].value)}"]
    assert "recomputed" in card.arithmetic.numbers.status.text


@pytest.mark.parametrize("by", ["mouse", "enter"])
def test_a_term_leads_to_its_source(qtbot, card, show, by):
    show()
    terms = card.arithmetic.terms
    for at in [place for place, term in enumerate(terms.rows) if term.source is not None][:2]:
        index = terms.model().index(at, 0)
        with qtbot.waitSignal(card.place_requested) as asked:
            if by == "mouse":
                qtbot.click(terms, index)
            else:
                terms.setFocus()
                terms.setCurrentIndex(index)
                qtbot.keyClick(terms, Qt.Key.Key_Return)
        assert asked.args == [terms.rows[at].source]


def test_equations_are_chosen_by_keys_alone(qtbot, card, show):
    show(cell="lstm")
    equations = card.arithmetic.equations
    equations.setFocus()
    for symbol in "fgoch":
        with qtbot.waitSignal(card.line_requested) as asked:
            qtbot.keyClick(equations, Qt.Key.Key_Down)
        assert asked.args == [symbol]
        qtbot.waitUntil(lambda: card.complete)
        assert card.page.line.name == symbol
    with qtbot.waitSignal(card.left):
        qtbot.keyClick(equations, Qt.Key.Key_Escape)


def test_the_input_and_the_initial_state_end_a_trail(card, show):
    result = show(cell="lstm")
    for place, said in (
        (Place("input", (2, 1, 0)), f"x[t=2, i=0] = {shown(result.inputs.sequence[2, 1, 0])}"),
        (Place("c0", (3, 1, 2), Lane(1, 1)), f"c0[u=2] = {shown(result.inputs.initial_state['c'][3, 1, 2])}"),
    ):
        card.show_place(place, "")
        assert card.ends
        assert card.source.isVisible()
        assert said in card.source.text
        assert "no step computed it" in card.copy_text()
    card.show_place(Place.at("h", WHERE), "")
    assert card.arithmetic.isVisible()


def test_padding_has_a_sentence_in_place_of_numbers(card):
    card.show_result(make_result(lengths=(5, 2)), "manual")
    card.show_location(Location(timestep=2, sample=1))
    assert card.complete
    assert card.page is None
    assert card.copy_text() == card.empty.text() == "t = 2 is padding: sample 1 has 2 time steps."
    card.show_location(Location(timestep=1, sample=1))
    card.finish_pending()
    assert card.arithmetic.isVisible()


def test_each_line_of_a_projected_cell_is_reached_from_the_hidden_value(card, show):
    show(cell="lstm", hidden_size=5, projection_size=2)
    assert [row.symbol for row in card.arithmetic.equations.rows] == ["h"]
    source = Place.at("m", WHERE.moved(unit=4))
    assert source in [term.source for term in card.arithmetic.terms.rows]
    card.show_place(source, "m")
    card.finish_pending()
    assert [row.symbol for row in card.arithmetic.equations.rows] == ["i", "f", "g", "o", "c", "m"]
    assert card.heading.text() == "Layer 1 backward, t = 2, unit 4"
    assert card.page.line.name == "m"


def test_the_pages_show_the_vector_the_output_and_the_gradient(qtbot, card, show):
    result = show(AT, result=with_gradients(), candidate="manual")
    with qtbot.waitSignal(card.place_requested) as asked:
        card.choose(GRADIENT)
    assert asked.args == [Place.at("grad.h", AT)]
    card.show_place(*asked.args, "grad.h")
    qtbot.waitUntil(lambda: card.complete)
    symbols = [row.symbol for row in card.arithmetic.equations.rows]
    assert symbols == ["grad.out", "grad.h", "grad.c", "grad.o", "grad.g", "grad.f", "grad.i"]
    assert readouts(card) == [f"grad.h = {shown(result['torch']['grad.h'][AT.index])}"]
    card.choose(VECTOR)
    assert card.vector.isVisible()
    card.show_location(AT.moved(unit=0))
    assert card.vector.isVisible(), "another value keeps the page"
    card.choose(OUTPUT)
    assert card.output.isVisible()
    with qtbot.waitSignal(card.place_requested) as asked:
        card.choose(VALUE)
    assert asked.args == [Place.at("h", AT.moved(unit=0))]
    card.show_result(make_result(), "manual")
    assert card.page_name == VALUE


def test_asked_numbers_are_hidden_on_every_page_and_in_copies(qtbot, card, show):
    result = show(cell="gru", bidirectional=False, where=Location(1, 0, 2, 1, 1))
    value = shown(result["gluon"].hidden[1, 0, 2, 1, 1])
    axes = tuple(range(at, at + 1) for at in (1, 0, 2, 1, 1))
    card.show_masked((Mask("h", axes),))
    assert readouts(card) == [f"h = {MASKED}"]
    assert row(card, "h").value == MASKED
    assert row(card, "z").value != MASKED
    card.choose_line("h")
    qtbot.waitUntil(lambda: card.complete)
    assert MASKED in card.copy_text()
    card.show_masked((Mask("h", axes), Mask(NUMBERS)))
    assert row(card, "h").numbers == ()
    assert not card.arithmetic.terms.isVisible(), "before the hint"
    card.show_masked((Mask("h", axes),))
    assert card.arithmetic.terms.isVisible()
    texts = [card.arithmetic.result.text(), card.arithmetic.rest.text(), card.copy_text(), row(card, "h").tip]
    card.choose(VECTOR)
    assert [card.vector.model.cell(unit, 1).text == MASKED for unit in range(4)] == [False, True, False, False]
    texts.append(card.copy_text())
    # The next step reads it.
    card.choose(VALUE)
    card.show_location(Location(1, 0, 3, 1, 1))
    qtbot.waitUntil(lambda: card.complete)
    assert MASKED in row(card, "h").numbers[0]
    texts += [row(card, "h").numbers[0], card.copy_text()]
    assert not any(value in text.replace("-", "−") for text in texts)
    card.show_masked((Mask(DIFFERENCE),))
    assert card.arithmetic.numbers.status.text == "within rounding"
    card.show_masked(())
    assert MASKED not in "".join(readouts(card))


def test_an_asked_number_without_arithmetic_is_hidden_while_it_is_shown(card, show):
    result = show()
    place = Place("input", (2, 1, 0))
    card.show_place(place, "")
    value = number_format.full(result.inputs.sequence[place.index])[:9]
    assert value in card.copy_text()
    card.show_masked((Mask("input", (range(2, 3), range(1, 2), range(1))),))
    assert card.source.number.readouts[0].text.endswith(f"= {MASKED}")
    assert value not in card.copy_text()
    assert value not in card.source.text


def test_the_curve_of_an_asked_cell_state_is_not_drawn(card, show):
    show(cell="lstm")
    card.choose_line("h")
    card.finish_pending()
    assert card.arithmetic.curve.has_curve
    card.show_masked((Mask("c"),))
    assert not card.arithmetic.curve.has_curve
    assert card.arithmetic.curve.accessibleName() == ""


def test_a_source_does_not_keep_the_page_of_an_earlier_result(card, show):
    earlier = weakref.ref(show())
    card.show_place(Place("input", (2, 1, 0)), "")
    assert card.ends
    card.show_result(make_result(num_layers=2, bidirectional=True), "manual")
    assert card.ends
    assert earlier() is None


def test_a_nan_is_spelled_out_and_draws_no_bar(card, show):
    show(edits={"gluon": lambda trace: trace.hidden[1, 1, 3].fill(np.nan)})
    assert any(term.text == "NaN" for term in card.arithmetic.terms.rows)
    card.grab()
