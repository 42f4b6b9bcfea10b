"""The window shows all numbers of the four notebook networks, under the same names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core import number_format
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings_panel.widgets import NoWheelComboBox
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.gui.views.output_map_list import LaneRow, PlaceRow
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.lessons.content import read_lesson
from rnnviz.lessons.index import lesson_entries
from tests.gui.shown import passage
from tests.profiles import nightly_except

_NETWORK = {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10}
_SHAPES = {"h2h_weight": "(10, 10)", "h2h_bias": "(10,)", "i2h_weight": "(10, 5)", "i2h_bias": "(10,)"}

Steps = dict[str, tuple[str, str, str, str]]
"""The computed steps, in order: name -> lane's prefix, what it reads, the state before, where it is shown."""

SECTIONS: dict[str, tuple[dict[str, Any], int, Steps, list[str]]] = {
    "vanilla-t1": (
        {},
        1,
        {"res": ("l0", "dat[0][0]", "initial_state[0][0][0]", "0 0 0")},
        ["out[0][0] == state[0][0][0]", "res", "out[0][0]", "state[0][0][0]"],
    ),
    "vanilla-t2": (
        {},
        2,
        {
            "out_t1": ("l0", "dat[0][0]", "initial_state[0][0][0]", "0 0 0"),
            "out_t2": ("l0", "dat[0][1]", "out_t1", "0 0 1"),
        },
        ["out[0][1]", "state[0][0][0]", "out_t1", "out[0][0]", "out_t2", "out[0][1] == state[0][0][0]"],
    ),
    "bidirectional": (
        {"bidirectional": True},
        2,
        {
            "out_t1_l": ("l0", "dat[0][0]", "initial_state[0][0][0]", "0 0 0"),
            "out_t2_r": ("r0", "dat[0][1]", "initial_state[0][1][0]", "0 1 1"),
            "out_t1_r": ("r0", "dat[0][0]", "out_t2_r", "0 1 0"),
            "out_t2_l": ("l0", "dat[0][1]", "out_t1_l", "0 0 1"),
        },
        [
            *("out[0][0]", "out_t1_l", "out_t2_r", "out_t1_r", "out_t2_l", "out[0][1]"),
            *("out[0][0] is out_t1_l, out_t1_r", "out[0][1] is out_t2_l, out_t2_r"),
            *("state[0][0][0] is out_t2_l", "state[0][1][0] is out_t1_r"),
        ],
    ),
    "stacking": (
        {"num_layers": 2},
        2,
        {
            "out_0_t1": ("l0", "dat[0][0]", "initial_state[0][0][0]", "0 0 0"),
            "out_1_t1": ("l1", "out_0_t1", "initial_state[0][1][0]", "1 0 0"),
            "out_0_t2": ("l0", "dat[0][1]", "out_0_t1", "0 0 1"),
            "out_1_t2": ("l1", "out_0_t2", "out_1_t1", "1 0 1"),
        },
        [
            *("out[0][0]", "out[0][1]", "state[0][0][0]", "state[0][1][0]"),
            *("out_0_t1", "out_1_t1", "out_0_t2", "out_1_t2"),
            *("state[0][0][0] is out_0_t2", "state[0][1][0] is out_1_t2", "out[0][1] == state[0][1][0]"),
        ],
    ),
}
"""Each network, its time steps, its computed steps and its printed names; "is" marks a line below its equal."""


class Seen:
    """The numbers that the window shows by the name under which it shows them."""

    def __init__(self, window: MainWindow) -> None:
        self._session = window.session
        self._map = next(view for view in window.views if isinstance(view, OutputMap))
        self._table = next(view for view in window.views if isinstance(view, VectorTable))

    def column(self, where: Location, column: int) -> list[str]:
        """A column of the vector at a place: 1 is Gluon's, 2 the manual engine's."""
        self._session.set_location(where)
        model = self._table.model
        return [model.index(unit, column).data() for unit in range(model.rowCount())]

    def named(self, name: str) -> list[str]:
        """The vector that the map of out and state calls so."""
        if name.startswith("state"):
            row = next(row for row in self._map.rows.rows if isinstance(row, PlaceRow) and row.place.text == name)
            values = self._map.rows.values(row)
            assert values is not None
            return [number_format.short(value) for value in values]
        top = self._session.result.shape[0] - 1
        self._session.set_location(Location(top, 0, int(name[-2])))
        (out, *_) = self._map.chart.rows
        assert out.name == name
        return [text for part in out.parts for text in self.column(part.where, 1)]

    def equal(self, out: str, state: str) -> bool:
        """Whether a lane's two places are below each other, joined and marked as equal."""
        for place, row in enumerate(self._map.rows.rows):
            if isinstance(row, LaneRow):
                said = self._map.rows.index(place).data()
                texts = [r.place.text for r in self._map.rows.rows[place + 1 : place + 3] if isinstance(r, PlaceRow)]
                if texts == [out, state]:
                    return bool(said.endswith(f"{out}: copies equal"))
        return False


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


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    return shared_window


@pytest.mark.slow
def test_every_line_that_is_printed_is_found_by_its_name(window: MainWindow, run_config: Callable[..., None]) -> None:
    lessons = {lesson.name[3:]: lesson for lesson in (read_lesson(entry.path) for entry in lesson_entries())}
    for section, (network, timesteps, steps, printed) in SECTIONS.items():
        run_config({**_NETWORK, **network}, sequence={"timesteps": timesteps})
        result = window.session.result
        assert result is not None
        seen, values = Seen(window), computed_steps(result.inputs, steps)
        arrays = {"out": result.reference.output_in("NTC"), "state": [result.reference.state_h], "__builtins__": {}}
        told = " ".join(step.prose for step in lessons[section].steps)
        for line in printed:
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


@pytest.mark.slow
@pytest.mark.parametrize("directions", nightly_except(["l", "lr"], "lr"))
def test_the_parameters_are_called_as_gluon_calls_them(
    window: MainWindow, run_config: Callable[..., None], directions: str
) -> None:
    run_config({**_NETWORK, "bidirectional": directions == "lr"}, sequence={"timesteps": 2})
    if not window.panel.summary.shapes.isVisible():
        window.panel.summary.unfold.click()
    shown = window.panel.summary.shapes.accessibleName().split("; ")
    assert sorted(shown) == sorted(f"{d}0_{kind} {shape}" for d in directions for kind, shape in _SHAPES.items())
    assert window.panel.summary.shapes.isVisible()
    dtype = next(box for box in window.panel.findChildren(NoWheelComboBox) if box.accessibleName() == "Network: dtype")
    assert dtype.currentText() == "float32"


@pytest.mark.slow
def test_the_inputs_of_a_step_have_the_names_of_the_notebook(
    window: MainWindow, run_config: Callable[..., None]
) -> None:
    run_config({**_NETWORK, "bidirectional": True}, sequence={"timesteps": 2})
    table = next(view for view in window.views if isinstance(view, VectorTable))
    window.session.set_location(Location(0, 1, 1))
    table.choose("input")
    assert passage(table).startswith("the input x = dat[0][1]")
    table.choose("h0")
    assert passage(table).startswith("initial_state[0][1][0]")
