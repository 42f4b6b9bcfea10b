"""Model files in the window: opened, dropped, chosen among several; what cannot be run says why."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QMessageBox, QProgressDialog, QPushButton, QWidget

from rnnviz.gui.commands.file_commands import is_model
from rnnviz.gui.commands.model_commands import ModelDialog
from rnnviz.io.model_formats.model_file import Entry
from tests.gui.commands.readings import read_half_for_ever
from tests.gui.conftest import visible_of
from tests.io.model_formats.sources import in_torch_names, network, weights_of
from tests.leaks import children

Open = QDialogButtonBox.StandardButton.Open


@pytest.fixture
def several(tmp_path):
    """An entry that cannot be run, an LSTM, and an RNN whose activation no one knows."""
    path = tmp_path / "several.npz"
    lstm, rnn = weights_of(network("lstm", 2, True)), weights_of(network("rnn_relu", 1, False))
    broken = {"broken.weight_hh_l0": np.ones((7, 2), np.float32)}
    np.savez(path, **broken, **in_torch_names(lstm, "encoder."), **in_torch_names(rnn, "rnn."))
    return path


def choose(dialog, name):
    dialog.list.choose([entry.name for entry in dialog.list.table_model.rows].index(name))


@pytest.mark.slow
def test_a_file_s_only_network_is_run_at_once(qtbot, window, tmp_path):
    path, weights = tmp_path / "one.npz", weights_of(network("gru", 2, False))
    np.savez(path, **in_torch_names(weights, "m."))
    with qtbot.finished(window):
        window.files.open(path)
    result = window.session.result
    assert result.config.network == network("gru", 2, False)
    assert (result.config.parameters.path, result.config.parameters.entry) == (str(path), "m")
    np.testing.assert_array_equal(result.inputs.parameters["l1_h2h_weight"], weights["l1_h2h_weight"])
    assert window.windowTitle() == "one.npz: m[*]"
    assert not window.document.history.can_undo


@pytest.mark.slow
def test_one_of_several_is_chosen_by_keyboard(qtbot, window, several):
    window.files.drop([several])
    chooser = qtbot.shown(window, ModelDialog)
    assert chooser.entry.name == "encoder"
    assert chooser.buttons.button(Open).isEnabled()
    assert not chooser.cell.isVisible()
    assert chooser.list.verticalScrollBar().maximum() == 0
    with qtbot.finished(window):
        qtbot.keyClick(chooser.list, Qt.Key.Key_Return)
    assert window.session.result.config.network == network("lstm", 2, True)


@pytest.mark.slow
def test_an_entry_that_cannot_run_has_a_reason_and_is_not_opened(qtbot, window, several):
    before = window.session.config
    window.files.open(several)
    chooser = qtbot.shown(window, ModelDialog)
    choose(chooser, "broken")
    assert chooser.note.text().startswith("Cannot run: broken.weight_hh_l0 has the shape (7, 2)")
    assert not chooser.buttons.button(Open).isEnabled()
    chooser.accept()
    assert chooser.isVisible()
    chooser.reject()
    assert window.session.config == before


@pytest.mark.slow
def test_the_activation_must_be_chosen_where_the_file_does_not_specify_it(qtbot, window, several):
    window.files.open(several)
    chooser = qtbot.shown(window, ModelDialog)
    choose(chooser, "rnn")
    assert chooser.cell.isVisible()
    assert not chooser.buttons.button(Open).isEnabled()
    chooser.cell.setCurrentIndex(chooser.cell.findData("rnn_tanh"))
    with qtbot.finished(window):
        qtbot.mouseClick(chooser.buttons.button(Open), Qt.MouseButton.LeftButton)
    assert window.session.result.config.network == network("rnn_tanh", 1, False)


@pytest.fixture
def chooser(qtbot):
    """Opens the chooser on entries that no reader made, and keeps what was chosen."""
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()

    def chooser(*entries):
        chosen: list[tuple[str, str | None, str | None]] = []
        dialog = ModelDialog(parent, "m.h5", entries, lambda entry, *choices: chosen.append((entry.name, *choices)))
        dialog.open()
        return dialog, chosen

    return chooser


def test_facts_missing_in_the_file_must_be_chosen_before_it_is_opened(chooser):
    whole = Entry("enc", "lstm", 3, 4, 1, False, "float32", biases=True, initial_state="stored")
    undecided = replace(whole, name="dec", cell=None, cells=("lstm", "gru"), initial_state="computed")
    dialog, chosen = chooser(whole, undecided)
    assert dialog.buttons.button(Open).isEnabled()
    assert not dialog.cell.isVisible()
    assert not dialog.initial_state.isVisible()
    choose(dialog, "dec")
    for choice, value in ((dialog.cell, "gru"), (dialog.initial_state, "uniform")):
        assert choice.isVisible()
        assert not dialog.buttons.button(Open).isEnabled()
        dialog.accept()
        assert chosen == []
        choice.setCurrentIndex(choice.findData(value))
    assert dialog.buttons.button(Open).isEnabled()
    dialog.accept()
    assert chosen == [("dec", "gru", "uniform")]


def test_an_initial_state_may_be_read_from_a_file(qtbot, chooser, tmp_path):
    np.savez(tmp_path / "s.npz", h=np.ones((1, 2, 4)))
    dialog, chosen = chooser(Entry("dec", "gru", 3, 4, 1, False, "float32", initial_state="input"))
    last = dialog.initial_state.count() - 1
    dialog.initial_state.setCurrentIndex(last)
    dialog.initial_state.activated.emit(last)
    assert not dialog.buttons.button(Open).isEnabled()
    (files,) = dialog.findChildren(QFileDialog)
    files.fileSelected.emit(str(tmp_path / "s.npz"))
    files.close()
    assert dialog.initial_state.currentText() == "s.npz"
    dialog.accept()
    assert chosen == [("dec", None, str(tmp_path / "s.npz"))]


@pytest.mark.slow
def test_a_file_that_takes_its_time_shows_how_far_it_is_and_stops(qtbot, window, tmp_path, monkeypatch):
    monkeypatch.setattr("rnnviz.io.model_formats.load.entries_of", read_half_for_ever)
    before, path, processes = window.session.config, tmp_path / "w.pt", children()
    window.files.open(path)
    qtbot.waitUntil(lambda: any(d.value() == 50 for d in window.findChildren(QProgressDialog)))
    (waiting,) = window.findChildren(QProgressDialog)
    qtbot.waitUntil(waiting.isVisible)
    assert (waiting.labelText(), waiting.maximum()) == ("Reading w.pt", 100)
    (stop,) = waiting.findChildren(QPushButton)
    assert stop.text() == "Stop"
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: children() == processes)
    qtbot.waitUntil(lambda: not window.findChildren(QProgressDialog))
    assert window.session.config == before
    assert not visible_of(window, QMessageBox)


def test_names_in_an_archive_distinguish_a_model_from_weights_for_the_network(tmp_path):
    weights = weights_of(network("gru", 1, False))
    for name, arrays, model in (
        ("torch", in_torch_names(weights), True),
        ("prefixed", {f"m_{name}": array for name, array in weights.items()}, True),
        ("gluon", weights, False),
        ("run", {f"parameters.{name}": array for name, array in weights.items()}, False),
        ("state", {"h": np.ones((1, 2, 3))}, False),
        ("other", {"dense": np.ones(3)}, False),
    ):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert is_model(tmp_path / f"{name}.npz") == model, name
    assert is_model(tmp_path)
    assert is_model(tmp_path / "w.safetensors")
    assert not is_model(tmp_path / "x.npy")
