"""Equations, parameter count and shapes below the fields of the network."""

import re
from dataclasses import replace

import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Config
from rnnviz.gui.settings_panel.summary import demand_words, equation_rows, output_words, state_words
from tests.gui.settings_panel.conftest import CONFIG


def config(**network) -> Config:
    return replace(CONFIG, network=replace(CONFIG.network, **network))


def said(panel, name: str) -> str:
    return panel.summary.values[name].text.replace("\u00a0", " ")


def test_the_summary_follows_every_edit(panel, qtbot, choose, type_into) -> None:
    panel.show_config(config(num_layers=2, bidirectional=True))
    assert said(panel, "parameters") == "980"
    assert said(panel, "out") == "(16, 2, 20)"
    assert said(panel, "state") == "(4, 16, 10)"
    choose("network.cell", "lstm")
    assert said(panel, "parameters") == "3,920"
    assert said(panel, "state") == "[h, c], each (4, 16, 10)"
    choose("network.layout", "TNC")
    assert said(panel, "out") == "(2, 16, 20)"
    type_into("network.hidden_size", "0")
    assert said(panel, "parameters") == "3,920"
    type_into("network.hidden_size", "1")
    assert said(panel, "out") == "(2, 16, 2)"


def test_a_large_run_shows_its_demand_and_a_small_one_does_not(panel, type_into) -> None:
    assert not panel.summary.values["resources"].isVisible()
    type_into("sequence.timesteps", "1000000")
    assert panel.summary.values["resources"].isVisible()
    assert "of memory" in said(panel, "resources")
    assert "of disk" in said(panel, "resources")


def test_a_run_that_is_too_large_for_this_machine_is_announced(panel, type_into, monkeypatch) -> None:
    monkeypatch.setattr("rnnviz.gui.settings_panel.summary.available_memory", lambda: 10**9)
    type_into("sequence.timesteps", "100000")
    assert not panel.summary.warning.isVisible()
    type_into("sequence.timesteps", "10000000")
    assert panel.summary.warning.isVisible()
    assert "1.0 GB" in panel.summary.warning.text


def test_the_shapes_of_the_parameters_unfold(panel, qtbot, type_into) -> None:
    assert not panel.summary.shapes.isVisible()
    panel.summary.unfold.click()
    assert panel.summary.shapes.isVisible()
    assert "l0_i2h_weight (10, 5)" in panel.summary.shapes.accessibleName()
    type_into("network.num_layers", "2")
    assert "l1_h2h_weight (10, 10)" in panel.summary.shapes.accessibleName()
    panel.summary.unfold.click()
    assert not panel.summary.shapes.isVisible()


def test_sizes_known_only_from_a_file_are_letters() -> None:
    from_file = Config.from_mapping({**config(cell="gru").to_mapping(), "sequence": {"path": "x.npy"}})
    assert output_words(from_file) == "(N, T, 10)"
    assert state_words(from_file) == "(1, N, 10)"
    assert demand_words(from_file) == ""


@pytest.mark.parametrize("cell", CELLS.values(), ids=lambda cell: cell.name)
def test_the_equations_are_the_cells_own_with_subscripts(cell) -> None:
    rows = equation_rows(cell)
    assert len(rows) == len(equations_of_all_units(cell)) + 2
    for (left, right), equation in zip(rows, equations_of_all_units(cell), strict=False):
        plain = re.sub(r"<sub>t−1</sub>", "[t-1]", f"{left} = {right}")
        plain = re.sub(r"<sub>t</sub>|</?i>", "", plain)
        plain = re.sub(r"<sub>(\w+)</sub>", r"_\1", plain).replace("−", "-")
        assert plain == equation
