"""The panel as a whole: every edit makes a config, or says at its field why it makes none."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import declarations
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.settings_panel.fields import label
from rnnviz.gui.settings_panel.widgets import FieldMessage, FreeSpinBox
from tests.gui.settings_panel.conftest import CONFIG
from tests.strategies import any_config_mappings

KEYS = [f"{name}.{key}" for name, section in SECTIONS.items() for key in declarations(section)]


def with_key(config: Config, dotted: str, value: Any) -> Config:
    section, _, key = dotted.partition(".")
    return replace(config, **{section: replace(getattr(config, section), **{key: value})})


def test_every_declared_key_has_a_field_with_a_name_and_a_reason(panel):
    for dotted in KEYS:
        field = panel.field(dotted)
        assert field.editor.controls[0].accessibleName(), dotted
        assert dotted in field.editor.widget.toolTip()
        assert field.config_field.why in field.editor.widget.toolTip().replace("\n", " ")


@pytest.mark.parametrize(
    ("dotted", "typed", "value"),
    [
        ("network.hidden_size", " 256", 256),
        ("sequence.seed", "9223372036854775807", 2**63 - 1),
        ("parameters.scale", "1e-3", 0.001),
        ("compare.rtol", "0", 0.0),
    ],
)
def test_a_typed_value_is_in_the_config_at_once(panel, type_into, dotted, typed, value):
    edits = []
    panel.config_edited.connect(edits.append)
    type_into(dotted, typed)
    assert edits[-1] == panel.config == with_key(CONFIG, dotted, value)
    assert panel.errors == {}


@pytest.mark.parametrize(
    ("dotted", "choice"),
    [
        ("network.cell", "lstm"),
        ("network.dtype", "float64"),
        ("sequence.source", "sine"),
        ("parameters.initializer", "orthogonal"),
    ],
)
def test_a_choice_made_with_the_keyboard_is_in_the_config(panel, qtbot, choose, dotted, choice):
    with qtbot.waitSignal(panel.config_edited):
        choose(dotted, choice)
    assert panel.config == with_key(CONFIG, dotted, choice)


@pytest.mark.parametrize(
    ("dotted", "typed", "meant"),
    [
        ("network.hidden_size", "2.5", 2.5),
        ("network.hidden_size", "", ""),
        ("network.num_layers", "ten", "ten"),
        ("sequence.timesteps", "1000000001", 1_000_000_001),
        ("parameters.seed", "9223372036854775808", 2**63),
        ("parameters.scale", "nan", float("nan")),
        ("compare.rtol", "-1e-6", -1e-6),
    ],
)
def test_a_wrong_value_is_answered_at_its_field_as_on_the_command_line(panel, qtbot, type_into, dotted, typed, meant):
    section, _, key = dotted.partition(".")
    table = {**CONFIG.to_mapping(), section: {**CONFIG.to_mapping()[section], key: meant}}
    with pytest.raises(ConfigError) as said:
        Config.from_mapping(table)
    edits = []
    panel.config_edited.connect(edits.append)
    with qtbot.waitSignal(panel.config_invalid, check_params_cb=lambda k, s: (k, s) == (dotted, said.value.sentence)):
        type_into(dotted, typed)
    note = panel.field(dotted).note
    assert note.isVisible()
    assert note.text == said.value.sentence
    assert panel.field(dotted).editor.controls[0].accessibleDescription() == said.value.sentence
    assert panel.errors == {dotted: said.value.sentence}
    assert panel.config == (edits[-1] if edits else CONFIG)


def test_several_invalid_fields_have_their_errors_and_valid_ones_wait_for_them(panel, qtbot, type_into):
    type_into("network.hidden_size", "0")
    type_into("sequence.timesteps", "x")
    type_into("network.input_size", "6")
    assert set(panel.errors) == {"network.hidden_size", "sequence.timesteps"}
    assert panel.config == CONFIG
    type_into("sequence.timesteps", "4")
    with qtbot.waitSignal(panel.config_edited):
        type_into("network.hidden_size", "8")
    assert not panel.field("network.hidden_size").note.isVisible()
    assert (panel.config.network.input_size, panel.config.network.hidden_size) == (6, 8)
    assert panel.config.sequence.timesteps == 4


def test_showing_the_edited_config_does_not_disturb_typing(panel, type_into):
    panel.config_edited.connect(panel.show_config)
    type_into("parameters.scale", "1.")
    assert panel.field("parameters.scale").editor.line.text() == "1."
    type_into("network.hidden_size", "010")
    assert panel.field("network.hidden_size").editor.line.text() == "010"


def test_showing_a_config_replaces_a_wrong_entry_even_if_the_config_is_the_one_in_force(panel, type_into):
    type_into("network.hidden_size", "x")
    panel.show_config(CONFIG)
    assert panel.field("network.hidden_size").editor.line.text() == "10"
    assert panel.errors == {}


@given(any_config_mappings())
def test_a_shown_config_is_read_back_unchanged(qapp, mapping):
    config = Config.from_mapping(mapping)
    widget = ConfigPanel(CONFIG)
    widget.show_config(config)
    assert widget.config == config
    assert widget.errors == {}
    widget.close()
    widget.deleteLater()


def test_enter_in_a_field_asks_for_a_run(panel, qtbot):
    for key in ("network.hidden_size", "parameters.scale", "network.cell", "network.bidirectional"):
        control = panel.field(key).editor.controls[0]
        control.setFocus()
        with qtbot.waitSignal(panel.run_requested):
            QTest.keyClick(control, Qt.Key.Key_Return)


def test_a_revealed_field_is_focused_and_scrolled_to_with_its_error(panel, qtbot):
    panel.resize(240, 260)
    field = panel.field("compare.atol")
    assert field.editor.widget.visibleRegion().isEmpty()
    assert panel.show_error("compare.atol", "This is too strict.")
    panel.reveal_field("compare.atol")
    assert field.editor.line.hasFocus()
    qtbot.waitUntil(lambda: not field.editor.widget.visibleRegion().isEmpty())
    assert field.note.text == "This is too strict."
    qtbot.waitUntil(lambda: not field.note.visibleRegion().isEmpty())


def test_an_error_of_a_run_is_cleared_by_the_next_edit_or_by_request(panel, type_into):
    panel.show_error("network.hidden_size", "Too large.")
    type_into("network.num_layers", "2")
    assert not panel.field("network.hidden_size").note.isVisible()
    panel.show_error("network.hidden_size", "Too large.")
    panel.clear_errors()
    assert not panel.field("network.hidden_size").note.isVisible()


def test_an_error_without_a_visible_field_is_returned(panel):
    assert not panel.show_error("sequence.path", "There is no such file.")
    assert not panel.show_error("network", "Nothing of that name.")


def test_every_mnemonic_belongs_to_one_field_and_to_no_menu():
    letters = [text[text.index("&") + 1].upper() for text in map(label, KEYS) if "&" in text]
    assert len(set(letters)) == len(letters)
    assert not {"F", "E", "R", "G", "V", "H"} & set(letters)


@pytest.fixture
def box(qtbot):
    widget = FreeSpinBox(1, 1000)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.mark.parametrize(
    ("typed", "key", "left"),
    [
        ("5", Qt.Key.Key_Up, "6"),
        ("5", Qt.Key.Key_Down, "4"),
        ("5", Qt.Key.Key_PageUp, "15"),
        ("5", Qt.Key.Key_PageDown, "1"),
        ("995", Qt.Key.Key_PageUp, "1000"),
        ("1", Qt.Key.Key_Down, "1"),
        ("2000", Qt.Key.Key_Down, "1000"),
        ("word", Qt.Key.Key_Up, "1"),
        ("", Qt.Key.Key_Up, "1"),
    ],
)
def test_keys_step_within_the_limits(box, typed, key, left):
    QTest.keyClicks(box, typed)
    QTest.keyClick(box, key)
    assert box.text() == left


def test_anything_can_be_typed_and_stays_when_the_field_is_left(box, qtbot):
    with qtbot.waitSignal(box.lineEdit().textEdited):
        QTest.keyClicks(box, "-3.5 apples")
    QTest.keyClick(box, Qt.Key.Key_Return)
    box.clearFocus()
    assert box.text() == "-3.5 apples"


def test_a_note_is_read_aloud_as_its_sentence(qtbot):
    note = FieldMessage()
    qtbot.addWidget(note)
    note.show_sentence("A sentence.", note.palette().text().color())
    assert note.accessibleName() == "A sentence."
