"""The window with the run of a projection, whose h and c differ in size."""

from collections.abc import Callable

import pytest

from rnnviz.gui.main_window import MainWindow


@pytest.mark.slow
def test_the_views_of_a_projection(window: MainWindow, run_config: Callable[..., None], qtbot) -> None:
    run_config(
        {
            "cell": "lstm",
            "input_size": 4,
            "hidden_size": 5,
            "projection_size": 3,
            "num_layers": 2,
            "bidirectional": True,
        }
    )
    result = window.session.result
    assert result is not None
    assert result.shape[-1] == 3
    for choice in ("change", "norm", "error_ratio", "i"):
        window.session.set_color_by(choice)
        qtbot.wait(50)
    assert window.session.quantity == "value"
