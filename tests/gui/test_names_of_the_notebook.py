"""What a notebook that recomputes a layer by hand prints stands in the window under the same names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnviz.analysis import numbers
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.panels.shapes import parameter_rows
from rnnviz.gui.views.state_map import StateMap
from rnnviz.gui.views.state_rows import PlaceRow
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.model.location import Location

_NETWORK = {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10}
SECTIONS: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "vanilla, T = 1": ({}, 1, ["out[0][0]", "state[0][0][0]"]),
    "vanilla, T = 2": ({}, 2, ["out[0][0]", "out[0][1]", "state[0][0][0]"]),
    "bidirectional": ({"bidirectional": True}, 2, ["out[0][0]", "out[0][1]", "state[0][0][0]", "state[0][1][0]"]),
    "stacking": ({"num_layers": 2}, 2, ["out[0][0]", "out[0][1]", "state[0][0][0]", "state[0][1][0]"]),
}


def _view(window: MainWindow, kind: type) -> Any:
    return next(view for view in window.views if isinstance(view, kind))


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.slow
def test_every_printed_vector_is_found_by_its_name(
    window: MainWindow, run_config: Callable[..., None], section: str
) -> None:
    network, timesteps, printed = SECTIONS[section]
    run_config({**_NETWORK, **network}, sequence={"timesteps": timesteps})
    result = window.session.result
    assert result is not None
    trace = result.reference
    arrays = {"out": trace.output_in("NTC"), "state": [trace.state_h], "__builtins__": {}}
    state_map, table = _view(window, StateMap), _view(window, VectorTable)
    for name in printed:
        values = np.asarray(eval(name, arrays))
        if name.startswith("state"):
            row = next(row for row in state_map.rows.rows if isinstance(row, PlaceRow) and row.place.text == name)
            assert np.array_equal(state_map.rows.values(row), values)
            continue
        window.session.set_location(Location(result.shape[0] - 1, 0, int(name[-2])))
        (out, *_) = state_map.chart.rows
        assert out.name == name
        found: list[str] = []
        for part in out.parts:
            window.session.set_location(part.where)
            found += [table.model.index(unit, 1).data() for unit in range(10)]
        assert found == [numbers.short(value) for value in values]


def test_the_parameters_are_called_as_gluon_calls_them(window: MainWindow, run_config: Callable[..., None]) -> None:
    run_config({**_NETWORK, "bidirectional": True}, sequence={"timesteps": 2})
    assert parameter_rows(window.session.config) == [
        (f"{direction}0_{name}", shape)
        for direction in "lr"
        for name, shape in (
            ("i2h_weight", "(10, 5)"),
            ("h2h_weight", "(10, 10)"),
            ("i2h_bias", "(10,)"),
            ("h2h_bias", "(10,)"),
        )
    ]
    table = _view(window, VectorTable)
    window.session.set_location(Location(0, 1, 1))
    table.choose("input")
    assert table.passage.startswith("the input x = dat[0][1]")
    table.choose("h0")
    assert table.passage.startswith("initial_state[0][1][0]")
