"""The Arithmetic tab for gradients: the switch, the trail to the loss, weights, and bars."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPointF, Qt

from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace import trace_in_memory
from rnnviz.core.trace_index import Lane, Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.factories import make_result, result_of
from tests.gui.views.arithmetic.seen import card, column, row

WHERE = Location(0, 0, 1, 1, 2)


def with_gradients(cell: str = "lstm", **edits: float) -> RunResult:
    """A result of two engines with the gradients of `manual`; `edits` change one gradient of the second."""
    config = make_result(("torch", "manual"), cell=cell, num_layers=2, timesteps=3).config
    inputs = load_inputs(replace(config, backward=replace(config.backward, enabled=True, loss="normal")))
    engine = ManualEngine()
    names = (*inputs.network.kind.state_symbols, *engine.gradients(inputs.network))
    traces = {}
    for name in ("torch", "manual"):
        trace = trace_in_memory(name, inputs.network, inputs.places, names)
        engine.run(inputs, trace, lambda _: None)
        engine.run_backward(inputs, trace, lambda _: None)
        traces[name] = trace
    for symbol, value in edits.items():
        traces["manual"][f"grad.{symbol}"][WHERE.index] = value
    return result_of(inputs, traces)


@pytest.fixture
def show_gradient(qtbot, view):
    def show(result, place=None):
        view.show_result(result, "manual")
        view.show_location(WHERE)
        view.show_history((Place.at("h", WHERE), (place or Place.at("h", WHERE)).gradient), 1)
        qtbot.waitUntil(lambda: view.complete and view.page is not None)
        return result

    return show


def test_the_switch_leads_to_the_gradient_and_back(qtbot, view, show):
    show()
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.mouseClick(view.kind.gradient, Qt.MouseButton.LeftButton)
    (place,) = asked.args
    assert (place.array, place.of.array) == ("grad.h", "h")
    view.show_history((place.of, place), 1)
    assert view.kind.gradient.isChecked()
    assert "Shift+G" in view.copy_text(), "the run has no backward pass"
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.mouseClick(view.kind.value, Qt.MouseButton.LeftButton)
    assert asked.args == [place.of]


def test_terms_of_a_gradient_lead_to_later_gradients_and_its_weights(qtbot, view, show_gradient):
    show_gradient(with_gradients())
    assert [own.content.lines[0].result.text for own in view.cards.cards[:7]] == [
        *("grad.out", "grad.h", "grad.c", "grad.o", "grad.g", "grad.f", "grad.i")
    ]
    names = ["output", "hidden value", "cell state", "output gate"]
    assert [own.content.name for own in view.cards.cards[:4]] == names
    with qtbot.waitSignal(view.place_requested) as asked:
        view.table.follow(row(view, "grad.out"))
    assert asked.args == [Place.at("grad.out", WHERE)]
    at = row(view, "grad.o[t=2, u=1]")
    with qtbot.waitSignal(view.place_requested) as asked:
        view.table.follow(at)
    assert asked.args == [Place.at("grad.o", WHERE.moved(timestep=2, unit=1))]
    view.table.setCurrentIndex(view.table.term_model.index(at, 0))
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.keyClick(view.table, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert asked.args == [parameter_place(Lane(0), "h2h_weight", (3 * 4 + 1, 2)).gradient]
    # A value in an equation leads to its own arithmetic, and a gradient of the next step to that step.
    cell = card(view, "grad.c")
    sources = [cell.content.sources[k] for k in cell.links]
    assert sources[:3] == [
        Place.at("grad.c", WHERE.moved(timestep=2)),
        Place.at("f", WHERE.moved(timestep=2)),
        Place.at("grad.h", WHERE),
    ]
    view.show_location(WHERE.moved(unit=0))
    assert view.place == Place.at("grad.h", WHERE.moved(unit=0)), "the selection keeps the kind"
    qtbot.waitUntil(lambda: view.complete)
    view.choose_line("grad.c")
    view.show_location(WHERE)
    qtbot.waitUntil(lambda: view.complete)
    assert view.page.term_table.line == "grad.c", "and the line"
    assert view.copy_text().startswith("grad.h[t=1, u=2] of layer 0, forward, sample 1: LSTM\n")


def test_a_weight_of_the_forward_pass_leads_to_its_gradient_over_time(qtbot, view, show_gradient):
    result = show_gradient(with_gradients("rnn_tanh"))
    view.show_history((Place.at("h", WHERE),), 0)
    qtbot.waitUntil(lambda: view.complete)
    index = view.table.term_model.index(row(view, "x[t=1, i=0]"), column(view, "weight"))
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=view.table.visualRect(index).center())
    place = parameter_place(Lane(0), "i2h_weight", (2, 0)).gradient
    assert asked.args == [place]
    view.show_history((Place.at("h", WHERE), place), 1)
    qtbot.waitUntil(lambda: view.complete)
    bars = view.panes.bars
    assert bars.isVisible()
    assert bars.bars.values.shape == (2, 3)
    expected = result.reference["grad.parameters.l0_i2h_weight"][2, 0]
    assert bars.bars.values[0].sum() == pytest.approx(expected, rel=1e-5)
    point = QPointF(bars.width() * 0.9, bars.height() / 2)
    assert bars.bar_at(point) == 2
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=point.toPoint())
    assert asked.args[0].timestep == 2
    bars.setFocus()
    qtbot.keyClick(bars, Qt.Key.Key_Home)
    assert "t=0" in bars.accessibleName()


def test_a_gradient_that_its_terms_do_not_give_is_marked(view, show_gradient):
    show_gradient(with_gradients(f=0.5))
    assert view.note.parts
    assert view.page.divergence.gate == "grad.f"
    assert card(view, "stored grad.f").content.parts
    assert view.page.divergence.step == "stored_line"


def test_the_trail_ends_in_the_loss(view, show_gradient):
    show_gradient(with_gradients("gru"))
    top = Location(1, 0, 2, 0, 1)
    view.show_history((Place.at("h", WHERE), Place.at("loss.out", top)), 1)
    assert view.ends
    assert view.end.text.startswith("d_out[t=2, u=1] = ")
    view.show_history((Place.at("h", WHERE), Place("grad.input", (1, 0, 2))), 1)
    assert not view.ends
    # A result without the parameter's number starts anew at the selection.
    view.show_history((Place.at("h", WHERE), parameter_place(Lane(1), "i2h_weight", (11, 3)).gradient), 1)
    assert view.page is not None
    view.show_result(with_gradients("rnn_tanh"), "manual")
    assert view.place == Place.at("grad.h", top)
