"""Going to a value by its indices."""

from typing import Any

from rnnviz.core.trace_index import Location
from rnnviz.gui.commands.selection import GoToDialog
from rnnviz.gui.main_window import MainWindow


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
