"""Names in the window: of its engines after every command and result, of arrays by the choice, and of the notebook."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QDialog, QMenu

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.kit.panel import ToolWindow
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.naming import use_names
from rnnviz.gui.verdict_facts import both_passes
from rnnviz.lessons.content import read_lesson
from rnnviz.lessons.index import lesson_entries
from rnnviz.reading.quantities import is_gradient
from rnnviz.reading.units import Query
from rnnviz.text.verdict_text import gradient_words, verdict_sentence
from tests.gui.conftest import visible_of
from tests.gui.views.unrolled.seen import shown_engine, swiped_to

pytestmark = pytest.mark.slow

BUG, OTHER_BUG = "bug:gates-i-f-o-g", "bug:no-h2h-bias"
DIALOGS = {"open", "open_sweep", "open_recurrence", "new_recurrence", "new_cell", "save", "save_as", "quit", "keys"} | {
    *(
        "save_session",
        "save_session_with_files",
        "guide",
        "problem",
        "about",
        "first_screen",
        "edit_code",
        "export_picture",
    ),
    "export_animation",
}


@pytest.fixture
def window(window):
    window.session.set_swiping(False)
    return window


def assert_same_engines(window: MainWindow) -> None:
    """Every view shows the engines of the state, and names those that it shows."""
    session, lanes = window.session, window.lanes
    result, candidate = session.result, session.candidate
    assert lanes.shown.result is result
    if not is_gradient(session.quantity):  # An engine without a gradient shows another one's.
        assert shown_engine(lanes) == session.engine
    assert swiped_to(lanes) == (session.swipe if session.quantity == "value" else None)
    if session.swipe is not None:
        assert lanes.head.engine.currentData() == "split"
    elif session.quantity == "value":
        assert lanes.head.engine.currentData() == session.engine
        assert display_name(str(session.engine)) in lanes.accessibleDescription()
    assert lanes.head.candidate.currentData() == candidate
    words = both_passes(verdict_sentence(result, candidate), gradient_words(result, candidate))
    assert window.verdict.words == words
    table = window.value.vector
    # A closed pane catches up when it is shown.
    if table.isVisible() and table.kind != "gradient":
        engines = [column.name for column in table.model.columns[1:3]]
        assert engines == [result.reference.engine, candidate][: len(engines)]


@pytest.fixture
def run(run_config):
    """Runs a small LSTM against known bugs."""

    def run(*candidates):
        compare = {"reference": "manual", "candidates": candidates}
        run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, sequence={"timesteps": 4}, compare=compare)

    return run


def test_an_engine_that_a_result_lacks_is_not_shown_by_a_later_one(window, run):
    run(OTHER_BUG, BUG)
    window.session.set_engine(BUG)
    assert_same_engines(window)
    run(OTHER_BUG)
    assert window.session.engine == "manual"
    assert_same_engines(window)
    run(OTHER_BUG, BUG)
    assert window.session.engine == "manual"
    assert_same_engines(window)


@pytest.mark.nightly
def test_every_command_leaves_the_same_engines_in_every_view(qtbot, window, run):
    run(OTHER_BUG, BUG)
    for engine in ("manual", BUG):
        for command in COMMANDS:
            if command.id in DIALOGS or command.id.startswith("lesson"):
                continue
            if engine in window.session.result.traces:
                window.session.set_engine(engine)
            window.actions_[command.id].trigger()
            QApplication.processEvents()
            for kind in (QDialog, QMenu, ToolWindow):
                for opened in visible_of(window, kind):
                    opened.close()
            qtbot.idle(window)
            assert_same_engines(window)
        window.player.pause()


def test_a_state_names_the_fields_that_changed_once(window):
    seen: list[frozenset[str]] = []
    result = window.session.result
    window.session.changed.connect(seen.append)
    window.session.set_swiping(True)
    window.session.set_swiping(True)
    window.session.set_swiping(False)
    window.session.set_result(None)
    window.session.set_result(result)
    window.session.changed.disconnect(seen.append)
    lost = {"result", "inputs", "candidate", "engine"}
    assert seen == [{"swipe"}, {"swipe"}, lost, lost]


def test_a_range_belongs_to_the_engine_and_sample_of_the_state(window):
    session = window.session
    before = session.state
    query = Query(str(session.engine), 0, 0, session.location.sample, range(1))
    for change in (
        lambda: session.set_engine(str(session.candidate)),
        lambda: session.set_location(session.location.moved(sample=1)),
        lambda: session.set_result(None),
    ):
        session.set_range(query)
        assert session.state.selected_range == query
        change()
        assert session.state.selected_range is None
        session.replace(before)


@pytest.fixture(autouse=True)
def gluon_afterwards(qapp):
    yield
    use_names("gluon")


def test_the_window_shows_the_names_of_the_choice_and_remembers_it(qtbot, window, run_config):
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3, "num_layers": 2})
    window.actions_["explain"].trigger()
    qtbot.waitUntil(lambda: window.value.complete and bool(window.value.arithmetic.terms.rows))

    def shown():
        names = {term.name for term in window.value.arithmetic.terms.rows}
        text = window.value.output.model.cell(0, 1).text
        return names, window.panel.reveal_shapes().shapes.accessibleName(), text

    window.findChild(QAction, "names_pytorch").trigger()
    names, shapes, place = shown()
    assert {"b_ih", "b_hh"} <= names
    assert "weight_ih_l1 (12, 3)" in shapes
    assert window.panel.summary.values["state"].accessibleName().startswith("state: (h_n, c_n)")
    layout = window.panel.field("network.layout").editor
    assert layout.combo.currentText() == "batch_first=True"
    assert place.startswith("output[0][")
    assert window.settings.names == "pytorch"
    window.findChild(QAction, "names_gluon").trigger()
    names, shapes, place = shown()
    assert {"b_i2h", "b_h2h"} <= names
    assert "l1_i2h_weight (12, 3)" in shapes
    assert place.startswith("out[0][")
    assert window.settings.names == "gluon"


_NETWORK = {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10}
_SHAPES = {"h2h_weight": "(10, 10)", "h2h_bias": "(10,)", "i2h_weight": "(10, 5)", "i2h_bias": "(10,)"}

Steps = dict[str, tuple[str, str, str, str]]
"""The computed steps, in order: name -> lane's prefix, what it reads, the state before, where it is shown."""


class Seen:
    """The numbers that the window shows by the name under which it shows them."""

    def __init__(self, window: MainWindow) -> None:
        self._session = window.session
        self._card, self._output, self._table = window.value, window.value.output, window.value.vector

    def column(self, where: Location, column: int) -> list[str]:
        """A column of the vector at a place: 1 is Gluon's, 2 the manual engine's."""
        self._session.set_location(where)
        self._card.choose("Vector")
        model = self._table.model
        return [model.index(unit, column).data() for unit in range(model.rowCount())]

    def named(self, name: str) -> list[str]:
        """The vector that code calls so: a final state, or the output at a time step."""
        if name.startswith("state"):
            row = next(row for row in self._output.model.rows if row.text == name)
            return [number_format.short(float(value)) for value in self._output.model.columns[2].exact(row).split("\t")]
        layers, directions, *_ = self._session.result.shape
        where = Location(layers - 1, 0, int(name[-2]))
        self._session.set_location(where)
        self._card.choose("Output")
        assert name in self._output.in_output.text()
        return [text for direction in range(directions) for text in self.column(where.moved(direction=direction), 1)]

    def equal(self, out: str, state: str) -> bool:
        """Whether a lane's two places are below each other, joined and marked as equal."""
        rows = self._output.model.rows
        found = next(place for place, row in enumerate(rows) if row.text == out and row.first)
        values = self._output.model.columns[2]
        return rows[found + 1].text == state and values.exact(rows[found]) == values.exact(rows[found + 1])


def computed_steps(inputs: Inputs, steps: Steps) -> dict[str, NDArray[Any]]:
    """The steps as one writes them down: relu of two products and two biases."""
    dat = inputs.sequence.swapaxes(0, 1)
    known: dict[str, Any] = {"dat": dat, "initial_state": [inputs.initial_state["h"]], "__builtins__": {}}
    for name, (prefix, read, before, _) in steps.items():
        weights = {kind: inputs.parameters[f"{prefix}_{kind}"] for kind in _SHAPES}
        from_input = np.dot(eval(read, known), weights["i2h_weight"].T) + weights["i2h_bias"]
        from_state = np.dot(weights["h2h_weight"], eval(before, known)) + weights["h2h_bias"]
        known[name] = np.maximum(from_input + from_state, 0)
    return {name: known[name] for name in steps}


def same(shown: list[str], values: NDArray[Any]) -> bool:
    """To the three decimals that are shown."""
    return bool(np.allclose(np.array(shown, np.float64), values, rtol=0, atol=6e-4))


def test_every_line_that_is_printed_is_found_by_its_name(window, run_config):
    lessons = {lesson.name[3:]: lesson for lesson in (read_lesson(entry.path) for entry in lesson_entries())}
    sections = tomllib.loads(Path(__file__).with_name("notebook_names.toml").read_text(encoding="utf-8"))
    for section, notebook in sections.items():
        steps = notebook["steps"]
        run_config({**_NETWORK, **notebook["network"]}, sequence={"timesteps": notebook["timesteps"]})
        result = window.session.result
        seen, values = Seen(window), computed_steps(result.inputs, steps)
        arrays = {"out": result.reference.output_in("NTC"), "state": [result.reference.state_h], "__builtins__": {}}
        told = " ".join(step.prose for step in lessons[section].steps)
        for line in notebook["printed"]:
            name, way, others = line, "", ""
            if " " in line:
                name, way, others = line.split(" ", 2)
            if name in steps:
                assert same(seen.column(Location(*map(int, steps[name][3].split())), 2), values[name]), line
                assert name == "res" or f"`{name}`" in told or f"{name} " in told, line
            elif way == "==":
                assert seen.equal(name, others), line
            elif way == "is":
                assert same(seen.named(name), np.concatenate([values[other] for other in others.split(", ")])), line
            else:
                assert seen.named(name) == [number_format.short(value) for value in eval(name, arrays)], line
