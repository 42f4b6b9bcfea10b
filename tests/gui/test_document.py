"""Undo and redo: one step for each change, whatever made it, and a name for it in the menu."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.schema import declarations
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Limit, Session
from rnnviz.gui.document import Document, EditOrigin, Revision, UndoHistory
from rnnviz.io.config_toml import save_config
from rnnviz.quantities.units import Query
from tests.factories import make_result

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
CONFIG = Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 10}})
KEYS = [(section, key) for section, kind in SECTIONS.items() for key in declarations(kind)]
OTHER = {
    "int": 7,
    "float": 0.25,
    "text": "a & b",
    "path": "/somewhere/x.npy",
    "names": ("torch", "onnx"),
    "paths": ("/somewhere/x.csv", "/somewhere/y.csv"),
    "texts": ("a & b", "c"),
    "counts": (1, 3),
    "indices": (0, 0, 1, 0, 2),
    "activations": ("relu", "tanh"),
}


def with_key(section: str, key: str) -> Config:
    """The config with another value for one key."""
    table, config_field = getattr(CONFIG, section), declarations(SECTIONS[section])[key]
    present = getattr(table, key)
    value = not present if config_field.kind == "bool" else OTHER.get(config_field.kind)
    if config_field.kind == "choice":
        value = next(choice for choice in config_field.choices if choice != present)
    if (section, key) == ("compare", "reference"):
        value = "torch"
    assert value != present
    return replace(CONFIG, **{section: replace(table, **{key: value})})


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[f"{section}.{key}" for section, key in KEYS])
def test_a_change_of_any_key_is_undone_and_redone_as_one_step_with_its_name(section, key):
    session = Session(CONFIG)
    document = Document(session, "first")
    changed = with_key(section, key)
    document.edit(changed)
    words = key.replace("_", " ")
    assert words in document.history.undone
    assert " → " in document.history.undone
    assert document.history.redone == ""
    document.undo()
    assert session.config == CONFIG
    assert document.history.undone == ""
    assert words in document.history.redone
    document.redo()
    assert session.config == changed


def test_a_change_of_the_color_range_is_undone_and_redone():
    session = Session(CONFIG)
    document = Document(session, "first")
    fixed, wide = Limit("fixed", -0.5, 0.5), Limit("fixed", -2.0, 2.0)
    # As a session that was opened: no change of the user.
    session.set_limit(fixed)
    document.edit(with_key("sequence", "seed"))
    session.set_limit(wide)
    document.keep_range(fixed)
    assert document.history.undone == "color range"
    assert not document.history.can_redo
    document.undo()
    assert session.limit == fixed
    assert session.config == with_key("sequence", "seed")
    document.undo()
    assert (session.limit, session.config) == (fixed, CONFIG)
    document.redo()
    document.redo()
    assert session.limit == wide
    document.take(CONFIG, "second")
    assert session.limit == Limit()
    document.undo()
    assert session.limit == wide


@pytest.mark.parametrize("ran_between", [False, True])
def test_undo_of_an_opened_file_restores_the_view_and_redo_that_of_the_file(ran_between):
    here, there = make_result(num_layers=2), make_result(("manual", "torch"), timesteps=3)
    session = Session(here.config)
    document = Document(session, "first")
    session.set_result(here)
    place = Location(1, 0, 4, 1, 2)
    session.set_location(place)
    session.set_engine("manual")
    session.set_color_by("h")
    session.set_limit(Limit("fixed", -2.0, 2.0))
    query = Query("manual", 1, 0, 1, range(1, 3))
    session.set_range(query)
    view = session.state.choices
    document.take(there.config, "second")
    assert session.location == Location()
    if ran_between:
        session.set_result(there)
        session.set_location(Location(timestep=2))
    document.undo()
    if ran_between:
        # A result of the other config, which arrives late, uses up nothing.
        session.set_result(there)
        assert session.location.within(there.shape) == session.location
        session.set_result(here)
    assert session.state.choices == view
    assert (session.location, session.engine, session.state.selected_range) == (place, "manual", query)
    assert session.limit == Limit("fixed", -2.0, 2.0)
    document.redo()
    session.set_result(there)
    assert session.location == Location(timestep=2 if ran_between else 0)
    assert (session.engine, session.limit) == (there.reference.engine, Limit())


def test_undo_of_an_edit_leaves_the_selection_alone():
    result = make_result()
    session = Session(result.config)
    document = Document(session, "first")
    document.take(result.config, "second")
    document.edit(replace(result.config, compare=replace(result.config.compare, rtol=0.5)))
    session.set_result(result)
    session.set_location(Location(timestep=2))
    document.undo()
    assert session.location == Location(timestep=2)


def test_keys_of_several_sections_include_the_section():
    history = UndoHistory(Revision(CONFIG, EditOrigin("first")))
    history.push(Revision(with_key("sequence", "seed"), EditOrigin("first")))
    assert history.undone == "sequence seed 0 → 7"
    history.push(Revision(CONFIG, EditOrigin("first")))
    history.push(Revision(with_key("network", "hidden_size"), EditOrigin("first")))
    assert history.undone == "hidden size 10 → 7"


def test_turns_of_a_spin_box_are_one_step_named_by_its_ends():
    history = UndoHistory(Revision(CONFIG, EditOrigin("first")), clock=lambda: 0.0)
    for size in (11, 12, 13):
        network = replace(CONFIG.network, hidden_size=size)
        history.push(Revision(replace(CONFIG, network=network), EditOrigin("first")))
    assert history.undone == "hidden size 10 → 13"
    history.undo()
    assert not history.can_undo


def test_the_menu_names_the_undone_and_redone_change(window, press):
    window.document.edit(replace(CONFIG, network=replace(CONFIG.network, hidden_size=12)), "the first")
    window.document.edit(with_key("network", "hidden_size"))
    undo, redo = window.actions_["undo"], window.actions_["redo"]
    assert undo.text() == "&Undo hidden size 12 → 7"
    press(Qt.Key.Key_Z, CONTROL)
    assert redo.text() == "&Redo hidden size 12 → 7"
    assert undo.text() == "&Undo the first"
    press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert window.session.config.network.hidden_size == 7
    assert not redo.isEnabled()
    assert redo.text() == "&Redo"


@pytest.mark.slow
def test_lessons_files_remedies_and_drops_are_one_step_each_with_a_name(window, tmp_path: Path):
    document = window.document
    path = tmp_path / "m&m.toml"
    save_config(CONFIG, path)
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "mine.py").write_text("def step(x, state, p):\n    return state\n")
    window.files.drop([tmp_path / "x.csv", tmp_path / "mine.py", path])
    assert document.history.undone == "opening m&m.toml"
    assert window.session.config.sequence.path == str(tmp_path / "x.csv")
    assert str(tmp_path / "mine.py") in window.session.config.compare.candidates
    assert "m&&m" in window.actions_["undo"].text()
    document.undo()
    window.files.drop([tmp_path / "x.csv"])
    assert document.history.undone == "dropping x.csv"
    document.undo()
    window.verdict.remedy_requested.emit(replace(CONFIG, sequence=replace(CONFIG.sequence, timesteps=9)))
    assert "9 time steps" in document.history.undone
    document.undo()
    window.results.compute_bug("bug:h2h-transposed")
    assert document.history.undone == "comparing with bug:h2h-transposed"
    document.undo()
    assert not document.history.can_undo


def test_a_choice_made_while_an_undone_file_waits_for_its_result_is_kept():
    here, there = make_result(), make_result(("manual", "torch"), timesteps=5)
    session = Session(here.config)
    document = Document(session, "first")
    session.set_result(here)
    session.set_location(Location(timestep=4, unit=1))
    session.set_engine("manual")
    document.take(there.config, "second")
    session.set_result(there)
    document.undo()
    session.set_location(Location(timestep=2, unit=3))
    session.set_color_by("error_ratio")
    session.set_result(here)
    assert session.location == Location(timestep=2, unit=3)
    assert (session.color_by, session.engine) == ("error_ratio", "manual")


def test_an_edit_that_is_typed_back_is_no_step():
    history = UndoHistory(Revision(CONFIG, EditOrigin("first")), clock=lambda: 0.0)
    history.push(Revision(with_key("sequence", "seed"), EditOrigin("first")))
    edited = history.present.config
    undone = []
    for size in (12, 10, 13):
        network = replace(edited.network, hidden_size=size)
        history.push(Revision(replace(edited, network=network), EditOrigin("first")))
        undone.append(history.undone)
    assert undone == ["hidden size 10 → 12", "sequence seed 0 → 7", "hidden size 10 → 13"]
    history.undo()
    assert history.present.config == edited


def test_undo_in_a_field_reverts_the_setting_and_first_its_invalid_text(window):
    box = window.panel.field("network.hidden_size").editor.widget
    box.setFocus()
    before = window.session.config.network.hidden_size
    QTest.keyClick(box, Qt.Key.Key_Up)
    assert window.session.config.network.hidden_size == before + 1
    QTest.keyClicks(box, "x")
    assert window.panel.errors
    QTest.keyClick(box, Qt.Key.Key_Z, CONTROL)
    assert window.panel.errors == {}
    assert window.session.config.network.hidden_size == before + 1
    QTest.keyClick(box, Qt.Key.Key_Z, CONTROL)
    assert (window.session.config.network.hidden_size, box.text()) == (before, str(before))
    QTest.keyClick(box, Qt.Key.Key_Z, CONTROL | SHIFT)
    assert (window.session.config.network.hidden_size, box.text()) == (before + 1, str(before + 1))
    window.document.undo()


def test_later_states_of_a_config_are_one_undo_entry_and_saved():
    session = Session(CONFIG)
    document = Document(session, "first")
    document.take(with_key("parameters", "seed"), "step 1")
    session.set_location(Location(0, 0, 0, 0, 1))
    document.follow(with_key("parameters", "scale"), "step 2")
    assert session.config == with_key("parameters", "scale")
    assert (document.origin.title, document.modified) == ("step 2", False)
    document.undo()
    assert session.config == CONFIG
    assert document.origin.title == "first"
