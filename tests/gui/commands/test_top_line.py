"""The top line: the document, the settings in one line, the sample where there are several, Run and Stop."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

import rnnviz
from rnnviz.core.config import Config, ParameterSource, SequenceSource
from rnnviz.gui.commands.top_line import SettingsLine, settings_words
from tests.cases import cases

BASE = {"network": {"cell": "lstm", "input_size": 8, "hidden_size": 6}, "sequence": {"timesteps": 16, "batch_size": 1}}


@pytest.mark.parametrize(("section", "values", "key", "text"), cases(__file__)["short-texts"])
def test_a_setting_has_a_short_text(section, values, key, text):
    config = Config.from_mapping({**BASE, section: {**BASE.get(section, {}), **values}})
    assert settings_words(config)[key] == text


def test_settings_that_say_nothing_are_left_out():
    words = settings_words(Config.from_mapping(BASE))
    assert "sequence.batch_size" not in words
    assert "parameters.path" not in words


def test_the_last_settings_leave_where_there_is_no_room(qtbot):
    line = SettingsLine()
    line.show_config(Config.from_mapping(BASE))
    qtbot.on_screen(line, 900, 30)
    chips = [button for button in line.findChildren(QToolButton) if button is not line.unfold]
    assert all(chip.isVisible() for chip in chips)
    line.setFixedWidth(200)
    QTest.qWait(0)
    shown = [chip.isVisible() for chip in chips]
    assert shown == sorted(shown, reverse=True)
    assert shown[0]
    assert not shown[-1]
    assert line.unfold.isVisible()
    asked = []
    line.field_requested.connect(asked.append)
    chips[0].click()
    line.unfold.click()
    assert asked == ["network.cell", ""]


def test_a_sequence_of_files_has_its_name_and_its_sizes_once_it_ran(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((3, 5, 8), np.float32))
    given = Config.from_mapping({**BASE, "sequence": {"source": "file", "path": str(path)}})
    assert settings_words(given)["sequence.path"] == "x.npy"
    result = rnnviz.run(given)
    assert settings_words(given, result)["sequence.path"] == "x.npy, T = 5, N = 3"
    other = replace(given, sequence=replace(given.sequence, path="y.npy"))
    assert settings_words(other, result)["sequence.path"] == "y.npy"


def test_a_checkpoint_says_its_step_and_that_it_reads_test_samples():
    sequence = SequenceSource("file", 4, 16, path="sequence.npy", axes="TNI")
    parameters = ParameterSource("file", path="weights-0001200.npz")
    words = settings_words(replace(Config.from_mapping(BASE), sequence=sequence, parameters=parameters))
    assert words["sequence.path"] == "test samples"
    assert words["parameters.path"] == "checkpoint of step 1,200"
