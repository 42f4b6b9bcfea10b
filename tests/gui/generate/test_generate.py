"""The Generate window: steps, prefixes, and the text in the lanes of the main window."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from rnnviz.core.config import Network
from rnnviz.core.resources import resource_path
from rnnviz.gui.generate.bars import MOST, bars_of
from rnnviz.lessons.index import lessons
from rnnviz.training.character_model import Generator, load_character_model, save_character_model, shipped_model
from tests.training.tasks import character_arrays

pytestmark = pytest.mark.slow

CHARACTERS = "\n .Tacehnorst"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of random weights: its text has no words."""
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    network = Network("lstm", input_size=len(CHARACTERS), hidden_size=6)
    save_character_model(path, network, character_arrays(network), CHARACTERS)
    return path


@pytest.fixture
def opened(qtbot, window, model):
    window.generating.open(model)
    opened = window.generating.panel
    # The panel may have been used before.
    opened.prefix.setText("The ")
    opened.temperature.setValue(0.5)
    opened.length.setValue(200)
    window.generating.open(model)
    qtbot.waitUntil(lambda: not opened.busy)
    yield opened
    window.generating.close()
    window.main_layout.docks.close("Generate")


def test_the_sample_model_is_back_with_one_button(qtbot, window, opened):
    assert opened.sample_button.isVisible()
    opened.sample_button.setFocus()
    QTest.keyClick(opened.sample_button, Qt.Key.Key_Space)
    assert opened.generator.model.path == shipped_model()
    assert not opened.sample_button.isVisible()
    opened.stop()
    window.control.cancel()


def expected(model: Path, prefix: str, length: int, temperature: float = 0.5) -> str:
    generator = Generator(load_character_model(model), prefix, temperature=temperature)
    generator.generate(length)
    return generator.text


def test_steps_and_generated_text_are_those_of_the_generator(qtbot, opened, model):
    assert opened.text.toPlainText() == "The "
    [marked] = [bar for bar in opened.bars.bars if bar.mark]
    QTest.keyClick(opened.text, Qt.Key.Key_F10)
    assert opened.text.toPlainText() == expected(model, "The ", 1) == f"The {marked.character}"
    opened.length.setValue(50)
    opened.run_action.trigger()
    qtbot.waitUntil(lambda: not opened.busy)
    assert opened.text.toPlainText() == expected(model, "The ", 51)
    opened.show_place(5)
    assert [bar.character for bar in opened.bars.bars if bar.mark] == [opened.generator.text[5]]
    opened.clear_action.trigger()
    opened.temperature.setValue(0.0)
    opened.generate(20)
    qtbot.waitUntil(lambda: not opened.busy)
    assert opened.text.toPlainText() == expected(model, "The ", 20, temperature=0.0)
    assert opened.bars.bars[0].probability == 1.0
    opened.generate(4000)
    assert not opened.step_action.isEnabled()
    QTest.keyClick(opened.text, Qt.Key.Key_Escape)
    assert not opened.busy
    assert 24 < len(opened.generator.text) < 4024
    assert opened.step_action.isEnabled()


def test_another_prefix_is_compared_with_the_one_before(qtbot, window, opened, model):
    opened.generate(20)
    qtbot.waitUntil(lambda: not opened.busy)
    opened.prefix.setText("on ")
    QTest.keyClick(opened.prefix, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not opened.busy)
    assert opened.earlier.isVisible()
    assert opened.earlier.toPlainText() == expected(model, "The ", 20)
    assert opened.text.toPlainText() == expected(model, "on ", 20)
    after = {prefix: Generator(load_character_model(model), prefix, temperature=0.5) for prefix in ("The ", "on ")}
    for bar in opened.bars.bars:
        place = CHARACTERS.index(bar.character)
        assert bar.probability == after["on "].probabilities()[place]
        assert bar.before == after["The "].probabilities()[place]
    opened.prefix.setText("")
    QTest.keyClick(opened.prefix, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not opened.busy)
    opened.clear_action.trigger()
    # Off, and on again.
    opened.lanes_action.trigger()
    opened.lanes_action.trigger()
    assert opened.error.isVisible()
    assert not opened.lanes_action.isChecked()
    opened.prefix.setText("on ")
    QTest.keyClick(opened.prefix, Qt.Key.Key_Return)
    assert not opened.error.isVisible()
    qtbot.waitUntil(lambda: not opened.busy)
    opened.prefix.setText("xyz")
    QTest.keyClick(opened.prefix, Qt.Key.Key_Return)
    assert opened.error.isVisible()
    assert opened.generator.prefix == "on "
    window.generating.open(resource_path("models", "sample-lstm.safetensors"))
    [box] = opened.window().findChildren(QMessageBox)
    assert "names no characters" in box.text()
    box.close()
    assert opened.generator.model.path == model


def test_the_lanes_follow_the_text_until_another_config_is_opened(qtbot, window, opened):
    def shown():
        result = window.session.result
        return result is not None and result.config.sequence.text == opened.generator.text

    qtbot.waitUntil(shown)
    assert opened.lanes_action.isChecked()
    opened.generate(30)
    qtbot.waitUntil(lambda: not opened.busy and shown())
    qtbot.waitUntil(lambda: window.session.location.timestep == 33)
    assert window.session.result.inputs.names.timesteps == opened.generator.text
    assert not window.document.modified
    opened.prefix.setText("on ")
    QTest.keyClick(opened.prefix, Qt.Key.Key_Return)
    # The prediction after the prefix stays.
    qtbot.waitUntil(lambda: not opened.busy and shown())
    assert (opened.count, window.session.location.timestep) == (3, 2)
    assert opened.bars.bars[0].before is not None
    window.session.set_location(window.session.location.moved(timestep=9))
    assert opened.count == 10
    probabilities = opened.generator.probabilities(10)
    assert opened.bars.bars[0].probability == probabilities.max()
    cursor = opened.text.textCursor()
    cursor.setPosition(3)
    opened.text.setTextCursor(cursor)
    assert window.session.location.timestep == 2
    qtbot.waitUntil(lambda: not window.runner.busy)
    window.document.take(lessons()[0].config, lessons()[0].title)
    window.control.cancel()
    assert not opened.lanes_action.isChecked()


def test_bars_are_the_most_probable_characters_and_the_one_that_follows():
    probabilities = np.arange(20.0) / 190
    bars = bars_of("abcdefghijklmnopqrst", probabilities, "a", drawn=True)
    assert "".join(bar.character for bar in bars) == "tsrqponmlkja"
    assert len(bars) == MOST
    assert [bool(bar.mark) for bar in bars] == [False] * 11 + [True]
