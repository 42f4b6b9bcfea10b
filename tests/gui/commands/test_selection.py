"""The selected value: of a new result, and by its indices."""

from typing import Any

import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.selection import GoToDialog
from rnnviz.gui.main_window import MainWindow
from rnnviz.verify.result import RunResult
from tests.factories import make_result


@pytest.mark.slow
def test_ctrl_g_selects_a_value_by_its_indices(window: MainWindow, run_config: Any, press: Any) -> None:
    run_config(
        {"cell": "gru", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True},
        sequence={"timesteps": 6, "batch_size": 2, "lengths": [4, 6]},
    )
    window.session.set_location(Location(0, 0, 2, 1, 3))
    window.actions_["go_to"].trigger()
    dialog = window.findChild(GoToDialog)
    assert {name: (box.value(), box.maximum()) for name, box in dialog.indices.items()} == {
        "layer": (0, 1),
        "timestep": (2, 5),
        "sample": (1, 1),
        "unit": (3, 3),
    }
    assert all(box.accessibleName() and box.toolTip() for box in (*dialog.indices.values(), dialog.direction))
    for name, value in (("layer", 1), ("timestep", 5), ("sample", 0), ("unit", 2)):
        dialog.indices[name].setValue(value)
    # Sample 0 has 4 time steps.
    assert dialog.indices["timestep"].maximum() == 3
    dialog.direction.setCurrentIndex(1)
    dialog.accept()
    assert window.session.location == Location(1, 1, 3, 0, 2)


def spoiled(**made: Any) -> RunResult:
    """A result whose last engine is wrong at one value."""

    def spoil(trace: Trace) -> None:
        trace.hidden[0, 0, 3, 1, 2] += 0.5

    return make_result(("gluon", "manual", "torch"), edits={"torch": spoil}, **made)


def test_a_failing_run_opens_on_the_wrong_engine_at_its_first_wrong_value() -> None:
    result = spoiled()
    session = Session(result.config)
    session.set_result(result)
    assert (session.engine, session.candidate, session.location) == ("torch", "torch", Location(0, 0, 3, 1, 2))
    # A selection stays, until another config is opened.
    session.set_location(Location(0, 0, 1, 0, 0))
    session.set_result(spoiled(timesteps=6))
    assert session.location == Location(0, 0, 1, 0, 0)
    session.replace(session.state.with_first_view())
    session.set_result(spoiled(timesteps=7))
    assert session.location == Location(0, 0, 3, 1, 2)
