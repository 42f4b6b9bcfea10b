"""Files that are compared: a model with the output of other code, and two checkpoints of one network."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox
from safetensors.numpy import load_file, save_file

from rnnviz.core.config import Config
from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.dialogs import FilesDialog
from rnnviz.gui.commands.manual_run import run_manual
from rnnviz.gui.first_screen.picture import SAMPLE
from rnnviz.io.config_toml import load_config, save_config
from tests.engines.port.test_command import PORT

pytestmark = pytest.mark.slow

MODEL = resource_path(*SAMPLE)
NETWORK = {"cell": "lstm", "input_size": 8, "hidden_size": 6, "num_layers": 2}


@pytest.fixture
def recording(tmp_path):
    """The hidden states of a config that uses the sample's weights, as a port without errors gives them."""
    config = Config.from_mapping({"network": NETWORK, "parameters": {"path": str(MODEL)}})
    save_config(config, tmp_path / "port.toml")
    _, trace = run_manual(config, lambda _fraction: None)
    np.savez(tmp_path / "port.npz", hidden=trace.hidden)
    return tmp_path / "port.npz"


def fill(qtbot, window, *paths):
    """Write the paths into the dialog that is open, and press OK."""
    dialog = qtbot.shown(window, FilesDialog)
    for field, path in zip(dialog.fields, paths, strict=True):
        field.setText(str(path))
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    assert ok.isEnabled()
    with qtbot.finished(window):
        qtbot.mouseClick(ok, Qt.MouseButton.LeftButton)
    qtbot.idle(window)


def test_a_port_of_a_config_is_checked_with_the_input_of_the_config(window, qtbot, recording):
    window.actions_["check_port"].trigger()
    fill(qtbot, window, recording.with_suffix(".toml"), recording, "")
    result = window.session.result
    assert f"recording:{recording}" in result.traces
    assert window.session.candidate == f"recording:{recording}"
    assert result.verdict == "agree"
    assert window.document.path == recording.with_suffix(".toml")
    assert not window.document.history.can_undo


@pytest.mark.parametrize("axes", ["NTI", "TNI"])
def test_a_port_of_a_model_is_checked_with_the_input_that_it_read(window, qtbot, tmp_path, axes):
    x = np.random.default_rng(1).normal(size=(5, 2, 8) if axes == "TNI" else (2, 5, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    sequence = {"source": "file", "path": str(tmp_path / "x.npy"), "axes": axes}
    state = {"source": "zeros"}
    config = Config.from_mapping(
        {"network": NETWORK, "parameters": {"path": str(MODEL)}, "sequence": sequence, "initial_state": state}
    )
    _, trace = run_manual(config, lambda _fraction: None)
    np.savez(tmp_path / "port.npz", hidden=trace.hidden)
    window.actions_["check_port"].trigger()
    dialog = qtbot.shown(window, FilesDialog)
    dialog.fields[0].setText(str(MODEL))
    dialog.fields[1].setText(str(tmp_path / "port.npz"))
    # A model file has no input.
    assert not dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    fill(qtbot, window, MODEL, tmp_path / "port.npz", tmp_path / "x.npy")
    assert window.session.result.verdict == "agree"
    assert window.session.candidate == f"recording:{tmp_path / 'port.npz'}"
    assert window.session.result.reference.hidden.shape == (2, 1, 5, 2, 6)


def test_a_program_is_asked_for_and_run(window, qtbot, tmp_path):
    network = {"cell": "gru", "input_size": 3, "hidden_size": 4, "num_layers": 2}
    tables = {"network": network, "sequence": {"timesteps": 6}, "initial_state": {"source": "uniform"}}
    save_config(Config.from_mapping(tables), tmp_path / "gru.toml")
    command = f"{sys.executable} {PORT} no-bias"
    window.comparisons.check_port(tmp_path / "gru.toml", Path(command))
    box = qtbot.shown(window, QMessageBox)
    assert command in box.informativeText() + box.text()
    run = next(button for button in box.buttons() if button.text() == "&Run code")
    with qtbot.finished(window):
        qtbot.mouseClick(run, Qt.MouseButton.LeftButton)
    qtbot.idle(window)
    result = window.session.result
    assert window.session.candidate == f"exec:{command}"
    assert result.verdict == "disagree"
    (cause,) = result.judgment.causes_of(f"exec:{command}")
    assert (cause.name, cause.where.layers) == ("no-h2h-bias", (1,))


def test_a_wrong_port_of_a_model_opens_at_its_first_wrong_value(window, qtbot, recording):
    with np.load(recording) as file:
        hidden = file["hidden"]
    hidden[1, 0, 1, 2, 4] += 0.25
    np.savez(recording, hidden=hidden)
    np.save(recording.with_suffix(".npy"), run_manual(load_config(recording.with_suffix(".toml")), print)[0].sequence)
    window.comparisons.check_port(MODEL, recording, recording.with_suffix(".npy"))
    name = f"recording:{recording}"
    qtbot.waitUntil(lambda: window.session.candidate == name and window.session.color_by == "difference")
    assert window.session.engine == name
    assert window.session.location.index == (1, 0, 1, 2, 4)


def test_two_checkpoints_are_compared_on_the_input_of_the_first_one(window, qtbot, tmp_path):
    weights = load_file(str(MODEL))
    weights["bias_hh_l1"] = weights["bias_hh_l1"] + 0.25
    later = tmp_path / "later.safetensors"
    save_file(weights, str(later))
    window.comparisons.compare(MODEL, later)
    qtbot.waitUntil(lambda: any("later" in name for name in window.session.config.compare.engines))
    qtbot.idle(window)
    result = window.session.result
    [engine] = [name for name in result.traces if "later" in name]
    assert engine.startswith(f"model:{later}")
    assert window.session.candidate == engine
    # Nobody is wrong for having other weights.
    assert result.comparison_verdict(result.comparison(engine)) == "drift"
    comparison = result.comparison(engine)
    # The lower layer is the same, the upper one is not.
    assert comparison.first_mismatch.where.layer == 1
    assert np.array_equal(result[engine].hidden[0], result.reference.hidden[0])


@pytest.mark.parametrize("later", [0.0, 0.5])
def test_inputs_of_two_files_that_differ_are_said_first(window, qtbot, tmp_path, later):
    paths = []
    for name, more in (("a", 0.0), ("b", later)):
        x = np.ones((1, 5, 8), np.float32)
        x[0, 3] += more
        np.save(tmp_path / f"{name}.npy", x)
        tables = {"network": NETWORK, "sequence": {"source": "file", "path": str(tmp_path / f"{name}.npy")}}
        save_config(Config.from_mapping(tables), tmp_path / f"{name}.toml")
        paths.append(tmp_path / f"{name}.toml")
    with qtbot.waitSignal(window.comparisons.message) as said:
        window.comparisons.compare(*paths)
    assert said.args[0].startswith("Their inputs differ, first at t = 3." if later else "Compared with b.toml")
    qtbot.waitUntil(lambda: any("b.toml" in name for name in window.session.config.compare.engines))
    qtbot.idle(window)


def test_two_networks_of_other_sizes_are_refused_in_a_sentence(window, qtbot, tmp_path):
    save_config(Config.from_mapping({"network": {**NETWORK, "hidden_size": 5}}), tmp_path / "other.toml")
    with qtbot.finished(window):
        window.comparisons.compare(MODEL, tmp_path / "other.toml")
    assert "8 → 6" in qtbot.acknowledge(window)
    assert not any("other" in name for name in window.session.config.compare.engines)


def test_files_are_added_to_a_dropped_model_once_it_is_read(window, qtbot, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 8), np.float32))
    with qtbot.finished(window):
        window.files.drop([MODEL, tmp_path / "x.npy"])
    qtbot.idle(window)
    assert window.session.config.network.hidden_size == 6
    assert window.session.config.sequence.path == str(tmp_path / "x.npy")
