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
from rnnviz.gui.document import Document, Revision, UndoHistory
from rnnviz.io.config_toml import save_config
from tests.factories import adding, make_result

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


def openings(document: Document, folder: Path):
    """Every way to open a document, by name."""
    path = folder / "a.toml"
    save_config(CONFIG, path)
    return {
        "lesson": lambda: document.take(CONFIG, "second"),
        "file": lambda: document.open(path),
        "session": lambda: document.take_file(CONFIG, folder / "a.rnnviz"),
        "capture": lambda: document.take_file(CONFIG, folder / "a.rnnviz", "lstm"),
        "restored": lambda: document.restore(CONFIG, "second", None, modified=True),
        "again": lambda: document.take(CONFIG, "first"),
    }


@pytest.mark.parametrize("way", ["lesson", "file", "session", "capture", "restored", "again"])
def test_an_opened_document_begins_a_history(way, tmp_path):
    session = Session(CONFIG)
    document = Document(session, "first")
    document.edit(with_key("sequence", "seed"))
    openings(document, tmp_path)[way]()
    title = document.origin.title
    for change in (document.undo, document.redo):
        change()
        assert (session.config, document.origin.title) == (CONFIG, title)
    assert (document.history.can_undo, document.history.can_redo) == (False, False)
    document.edit(with_key("parameters", "seed"))
    document.undo()
    assert (session.config, document.origin.title) == (CONFIG, title)
    assert document.modified is (way == "restored")


def test_undo_after_saving_to_another_file_leaves_the_file(tmp_path):
    session = Session(CONFIG)
    document = Document(session, "first")
    document.edit(with_key("sequence", "seed"))
    document.save(tmp_path / "a.toml")
    document.undo()
    assert document.path == tmp_path / "a.toml"
    assert document.modified


def test_a_smaller_result_keeps_the_selection_for_a_larger_one():
    large, small = make_result(timesteps=6), make_result(timesteps=2)
    session = Session(large.config)
    session.set_result(large)
    session.set_location(Location(timestep=5, unit=1))
    session.set_result(small)
    assert session.location == Location(timestep=1, unit=1)
    session.set_result(large)
    assert session.location == Location(timestep=5, unit=1)
    session.set_result(small)
    session.set_location(Location(timestep=0))
    session.set_result(large)
    assert session.location == Location(timestep=0)


def test_a_failing_run_opens_on_the_wrong_engine_at_its_first_wrong_value():
    def spoiled(timesteps):
        edits = {"torch": adding(0.5, 0, 0, 3, 1, 2)}
        return make_result(("gluon", "manual", "torch"), edits=edits, timesteps=timesteps)

    session = Session(CONFIG)
    session.set_result(spoiled(5))
    assert (session.engine, session.candidate, session.location) == ("torch", "torch", Location(0, 0, 3, 1, 2))
    # A selection stays, until another config is opened.
    session.set_location(Location(0, 0, 1, 0, 0))
    session.set_result(spoiled(6))
    assert session.location == Location(0, 0, 1, 0, 0)
    session.replace(session.state.with_first_view())
    session.set_result(spoiled(7))
    assert session.location == Location(0, 0, 3, 1, 2)


def test_turns_of_a_spin_box_are_one_step_named_by_its_ends():
    history = UndoHistory(Revision(CONFIG), clock=lambda: 0.0)
    for size in (11, 12, 13):
        network = replace(CONFIG.network, hidden_size=size)
        history.push(Revision(replace(CONFIG, network=network)))
    assert history.undone == "hidden size 10 → 13"
    history.undo()
    assert not history.can_undo


@pytest.mark.slow
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
def test_remedies_and_drops_are_one_step_each_with_a_name(bare_window, tmp_path):
    window = bare_window
    document = window.document
    path = tmp_path / "m&m.toml"
    save_config(CONFIG, path)
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "mine.py").write_text("def step(x, state, p):\n    return state\n")
    window.files.drop([tmp_path / "x.csv", tmp_path / "mine.py", path])
    assert document.history.undone == ""
    assert window.windowTitle() == "m&m.toml[*]"
    assert window.isWindowModified()
    assert window.session.config.sequence.path == str(tmp_path / "x.csv")
    assert str(tmp_path / "mine.py") in window.session.config.compare.candidates
    (tmp_path / "y.csv").write_text("1,2\n3,4\n")
    window.files.drop([tmp_path / "y.csv"])
    assert document.history.undone == "dropping y.csv"
    document.undo()
    window.verdict.remedy_requested.emit(replace(CONFIG, sequence=replace(CONFIG.sequence, timesteps=9)))
    assert "9 time steps" in document.history.undone
    document.undo()
    window.results.compute_bug("bug:h2h-transposed")
    assert document.history.undone == "comparing with bug:h2h-transposed"
    document.undo()
    assert not document.history.can_undo


@pytest.mark.slow
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
    window.control.cancel()


def test_later_states_of_a_config_are_one_undo_entry_and_saved():
    session = Session(CONFIG)
    document = Document(session, "first")
    document.take(with_key("parameters", "seed"), "step 1")
    session.set_location(Location(0, 0, 0, 0, 1))
    document.follow(with_key("parameters", "scale"), "step 2")
    assert session.config == with_key("parameters", "scale")
    assert (document.origin.title, document.modified) == ("step 2", False)
    assert not document.history.can_undo
