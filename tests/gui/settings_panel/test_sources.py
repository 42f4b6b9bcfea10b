"""The fields that a source brings along, takes away, or decides by itself; equations and shapes of the network."""

import re
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QToolButton

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.gui.settings_panel.summary import demand_words, equation_rows, output_words, parameter_rows, state_words
from tests.gui.settings_panel.conftest import CONFIG


def shown(panel, section: str) -> set[str]:
    """The keys of a section whose fields can be seen."""
    keys = [key for key in panel.fields if key.startswith(f"{section}.")]
    return {key.partition(".")[2] for key in keys if panel.field(key).editor.widget.isVisible()}


def test_a_sequence_shows_the_fields_that_its_source_and_the_ending_of_its_file_read(panel, choose, type_into):
    always = {"source", "batch_size", "timesteps", "labels", "lengths"}
    for source, keys in (
        ("normal", {"seed"}),
        ("uniform", {"seed"}),
        ("impulse", set()),
        ("sine", set()),
        ("text", {"text", "texts", "tokens", "vocabulary"}),
        ("file", {"path", "paths"}),
    ):
        choose("sequence.source", source)
        assert shown(panel, "sequence") == always | keys, source
    for path, keys in (
        ("/x.npy", {"axes"}),
        ("/x.NPZ", {"array", "axes"}),
        ("/x.csv", set()),
        ("/x.wav", {"frame"}),
        ("/x.txt", {"tokens", "vocabulary", "sample_labels"}),
        ("/x", set()),
    ):
        type_into("sequence.path", path)
        assert shown(panel, "sequence") == always | {"path", "paths"} | keys, path
        assert panel.errors == {}


def test_the_parameters_show_a_scale_only_where_something_is_drawn_with_it(panel, choose):
    always = {"initializer", "bias", "seed"}
    assert shown(panel, "parameters") == {*always, "scale"}
    for initializer, more in (("xavier", set()), ("orthogonal", set()), ("normal", {"scale"}), ("uniform", {"scale"})):
        choose("parameters.initializer", initializer)
        choose("parameters.bias", "zeros")
        assert shown(panel, "parameters") == always | more


def test_a_source_without_its_path_asks_for_it_in_the_words_of_the_command_line(panel, choose, type_into):
    choose("sequence.source", "file")
    with pytest.raises(ConfigError) as said:
        replace(CONFIG, sequence=replace(CONFIG.sequence, source="file")).checked()
    assert panel.errors == {"sequence.path": str(said.value)}
    assert panel.config.sequence.source == "sine"
    type_into("sequence.path", "/data/x.npy")
    assert panel.errors == {}
    assert panel.config.sequence.source == "file"
    assert panel.config.sequence.path == "/data/x.npy"


def test_a_file_decides_batch_size_and_time_steps_and_the_shapes_show_it(panel, choose, type_into):
    choose("sequence.source", "file")
    type_into("sequence.path", "/data/x.npy")
    for key in ("sequence.batch_size", "sequence.timesteps"):
        editor = panel.field(key).editor
        assert not editor.widget.isEnabled()
        assert editor.line.text() == "from the file"
        assert "The file defines" in editor.widget.toolTip()
    assert panel.summary.values["out"].text == "(N,\u00a0T,\u00a010)"
    choose("sequence.source", "normal")
    assert panel.field("sequence.batch_size").editor.line.text() == "16"
    assert panel.field("sequence.batch_size").editor.widget.isEnabled()


def test_a_text_decides_all_three_sizes_until_the_source_changes(panel, choose, type_into):
    choose("sequence.source", "text")
    type_into("sequence.text", "hello")
    config = panel.config
    assert (config.network.input_size, config.sequence.batch_size, config.sequence.timesteps) == (4, 1, 5)
    assert panel.field("network.input_size").editor.line.text() == "4 (alphabet)"
    assert not panel.field("network.input_size").editor.widget.isEnabled()
    type_into("network.hidden_size", "3")
    choose("sequence.source", "normal")
    assert panel.field("network.input_size").editor.line.text() == "5"
    assert (panel.config.network.input_size, panel.config.sequence.timesteps) == (5, 2)


def test_a_source_chosen_from_the_list_has_a_default_and_leads_to_its_field(qtbot, panel, choose):
    combo = panel.field("sequence.source").editor.combo
    panel.activateWindow()
    for source, key in (("text", "sequence.text"), ("file", "sequence.path")):
        combo.setFocus()
        combo.setCurrentIndex(combo.findData(source))
        combo.activated.emit(combo.currentIndex())
        assert panel.field(key).editor.line is QApplication.focusWidget()
    choose("sequence.source", "text")
    assert panel.errors == {}
    assert panel.config.sequence.text == "hello world"
    choose("sequence.source", "normal")
    combo.setFocus()
    choose("sequence.source", "file")
    assert combo is QApplication.focusWidget()


def test_relative_paths_and_the_home_folder_become_absolute(panel, choose, type_into, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    choose("initial_state.source", "file")
    type_into("initial_state.path", "h.npz")
    assert panel.config.initial_state.path == str(tmp_path / "h.npz")
    type_into("initial_state.path", "~/h.npz")
    assert panel.config.initial_state.path == str(tmp_path / "home" / "h.npz")


def test_a_dropped_file_becomes_the_path(panel, qtbot, choose, tmp_path):
    choose("parameters.initializer", "file")
    line = panel.field("parameters.path").editor.line
    qtbot.drop(line, tmp_path / "w.npz")
    assert panel.config.parameters.path == str(tmp_path / "w.npz")


def test_a_file_chosen_in_the_dialog_becomes_the_path(panel, qtbot, choose, tmp_path):
    choose("sequence.source", "file")
    editor = panel.field("sequence.path").editor
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    QTest.mouseClick(editor.button, Qt.MouseButton.LeftButton)
    dialog = editor.widget.findChild(QFileDialog)
    assert "*.npy *.npz *.csv *.wav" in dialog.nameFilters()[0]
    assert not dialog.findChild(QToolButton, "newFolderButton").isEnabled(), "it renames, makes and deletes nothing"
    dialog.fileSelected.emit(str(tmp_path / "x.csv"))
    dialog.reject()
    assert panel.config.sequence.path == str(tmp_path / "x.csv")
    qtbot.waitUntil(lambda: editor.widget.findChild(QFileDialog) is None)


def test_seams_are_shown_where_the_config_has_some(panel, type_into):
    sequence = {"timesteps": 10, "seams": [3, 5]}
    network = {"cell": "gru", "input_size": 3, "hidden_size": 4}
    panel.show_config(Config.from_mapping({"network": network, "sequence": sequence}))
    assert panel.field("sequence.seams").editor.line.text() == "3, 5"
    type_into("sequence.seams", "3, 10")
    assert list(panel.errors) == ["sequence.seams"]
    type_into("sequence.seams", "")
    assert panel.config.sequence.seams is None
    assert "seams" not in shown(panel, "sequence")


def test_several_texts_or_files_replace_one_and_bring_their_lengths(panel, choose, type_into):
    choose("sequence.source", "text")
    type_into("sequence.lengths", "3")
    type_into("sequence.texts", "to be | or")
    assert panel.config.sequence.texts == ("to be", "or")
    assert (panel.config.sequence.text, panel.config.sequence.lengths) == (None, None)
    assert panel.field("sequence.lengths").editor.line.cursorPosition() == 0
    assert panel.field("network.input_size").editor.line.text() == "6 (alphabet)"
    assert "text" not in shown(panel, "sequence")
    type_into("sequence.sample_labels", "/a.txt | /b.txt")
    assert panel.config.sequence.sample_labels == ("/a.txt", "/b.txt")
    assert "labels" not in shown(panel, "sequence")
    type_into("sequence.sample_labels", "/a.txt")
    assert list(panel.errors) == ["sequence.sample_labels"]
    type_into("sequence.sample_labels", "")
    type_into("sequence.texts", "to be | ")
    assert list(panel.errors) == ["sequence.texts"]
    type_into("sequence.texts", "")
    assert panel.config.sequence.text == "hello world"
    choose("sequence.source", "file")
    type_into("sequence.paths", "/a.wav | /b.wav")
    assert panel.config.sequence.paths == ("/a.wav", "/b.wav")
    assert "frame" in shown(panel, "sequence")


def test_an_empty_choice_or_number_shows_its_default_and_is_not_in_the_config(panel, choose, type_into):
    choose("sequence.source", "file")
    type_into("sequence.path", "/x.npz")
    axes = panel.field("sequence.axes").editor.combo
    assert (axes.currentIndex(), axes.placeholderText()) == (-1, "NTI by default")
    choose("sequence.axes", "TNI")
    assert panel.config.sequence.axes == "TNI"
    type_into("sequence.path", "/x.wav")
    assert (panel.config.sequence.axes, panel.config.sequence.frame) == (None, None)
    assert panel.field("sequence.frame").editor.line.placeholderText() == "input size"
    type_into("sequence.frame", "160")
    assert panel.config.sequence.frame == 160
    type_into("sequence.frame", "half")
    assert 'sequence.frame = "half" is not allowed' in panel.errors["sequence.frame"]
    type_into("sequence.frame", "")
    assert (panel.errors, panel.config.sequence.frame) == ({}, None)


def test_a_vocabulary_shows_its_fields_and_leaves_the_input_size_to_the_run(panel, choose, type_into):
    choose("sequence.source", "text")
    type_into("sequence.text", "the cat sat on the mat")
    choose("sequence.tokens", "words")
    assert panel.field("sequence.timesteps").editor.line.text() == "6 (words)"
    assert panel.field("network.input_size").editor.line.text() == "5 (distinct words)"
    type_into("sequence.vocabulary", "/v.txt")
    assert {"unknown", "embedding", "embedding_path"} <= shown(panel, "sequence")
    line = panel.field("network.input_size").editor.line
    assert line.text() == "from vocabulary"
    assert panel.summary.values["parameters"].text == "120 + 10·I"
    assert dict(parameter_rows(panel.config))["l0_i2h_weight"] == "(10, I)"
    type_into("sequence.unknown", "<unk>")
    type_into("sequence.embedding", "embed.weight")
    assert "parameters.path" in panel.errors["sequence.embedding"]
    type_into("sequence.embedding_path", "/e.npz")
    assert panel.field("network.input_size").editor.line.text() == "from embedding"
    assert panel.errors == {}
    sequence = panel.config.sequence
    assert (sequence.vocabulary, sequence.unknown, sequence.tokens) == ("/v.txt", "<unk>", "words")
    assert (sequence.embedding, sequence.embedding_path) == ("embed.weight", "/e.npz")
    choose("sequence.source", "normal")
    assert panel.config == CONFIG


def config(**network) -> Config:
    return replace(CONFIG, network=replace(CONFIG.network, **network))


def said(panel, name: str) -> str:
    return panel.summary.values[name].text.replace("\u00a0", " ")


def test_the_summary_follows_every_edit(panel, qtbot, choose, type_into):
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


def test_a_large_run_shows_its_demand_and_a_small_one_does_not(panel, type_into):
    assert not panel.summary.values["resources"].isVisible()
    type_into("sequence.timesteps", "1000000")
    assert panel.summary.values["resources"].isVisible()
    assert "of memory" in said(panel, "resources")
    assert "of disk" in said(panel, "resources")


def test_a_run_that_is_too_large_for_this_machine_is_announced(panel, type_into, monkeypatch):
    monkeypatch.setattr("rnnviz.gui.settings_panel.summary.available_memory", lambda: 10**9)
    type_into("sequence.timesteps", "100000")
    assert not panel.summary.warning.isVisible()
    type_into("sequence.timesteps", "10000000")
    assert panel.summary.warning.isVisible()
    assert "1.0 GB" in panel.summary.warning.text


def test_the_shapes_of_the_parameters_unfold(panel, qtbot, type_into):
    assert not panel.summary.shapes.isVisible()
    panel.summary.unfold.click()
    assert panel.summary.shapes.isVisible()
    assert "l0_i2h_weight (10, 5)" in panel.summary.shapes.accessibleName()
    type_into("network.num_layers", "2")
    assert "l1_h2h_weight (10, 10)" in panel.summary.shapes.accessibleName()
    panel.summary.unfold.click()
    assert not panel.summary.shapes.isVisible()


def test_sizes_known_only_from_a_file_are_letters():
    from_file = Config.from_mapping({**config(cell="gru").to_mapping(), "sequence": {"path": "x.npy"}})
    assert output_words(from_file) == "(N, T, 10)"
    assert state_words(from_file) == "(1, N, 10)"
    assert demand_words(from_file) == ""


@pytest.mark.parametrize("cell", CELLS.values(), ids=lambda cell: cell.name)
def test_the_equations_are_the_cells_own_with_subscripts(cell):
    rows = equation_rows(cell)
    assert len(rows) == len(equations_of_all_units(cell)) + 2
    for (left, right), equation in zip(rows, equations_of_all_units(cell), strict=False):
        plain = re.sub(r"<sub>t−1</sub>", "[t-1]", f"{left} = {right}")
        plain = re.sub(r"<sub>t</sub>|</?i>", "", plain)
        plain = re.sub(r"<sub>(\w+)</sub>", r"_\1", plain).replace("−", "-")
        assert plain == equation
