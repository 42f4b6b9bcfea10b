"""Files that are compared: a model with the output of other code, and two checkpoints of one network."""

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from safetensors.numpy import load_file, save_file

from rnnviz.core.config import Config
from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.manual_run import run_manual
from rnnviz.gui.first_screen.picture import SAMPLE
from rnnviz.io.config_toml import save_config

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


def test_a_port_is_checked_by_two_questions(window, qtbot, recording):
    window.actions_["check_port"].trigger()
    qtbot.choose_file(window, recording.with_suffix(".toml"))
    qtbot.waitUntil(lambda: any("output" in d.windowTitle() for d in window.findChildren(QFileDialog) if d.isVisible()))
    with qtbot.finished(window):
        qtbot.choose_file(window, recording)
    qtbot.idle(window)
    result = window.session.result
    assert f"recording:{recording}" in result.traces
    assert window.session.candidate == f"recording:{recording}"
    assert result.verdict == "agree"
    assert window.document.path == recording.with_suffix(".toml")
    assert not window.document.history.can_undo


def test_two_checkpoints_are_compared_on_the_input_of_the_first_one(window, qtbot, tmp_path):
    weights = load_file(str(MODEL))
    weights["bias_hh_l1"] = weights["bias_hh_l1"] + 0.25
    later = tmp_path / "later.safetensors"
    save_file(weights, str(later))
    window.comparisons.compare(MODEL, later)
    qtbot.waitUntil(lambda: any("later" in name for name in window.session.config.compare.engines))
    qtbot.idle(window)
    result = window.session.result
    [recorded] = [name for name in result.traces if "later" in name]
    assert window.session.candidate == recorded
    comparison = result.comparison(recorded)
    # The lower layer is the same, the upper one is not.
    assert comparison.first_mismatch.where.layer == 1
    assert np.array_equal(result[recorded].hidden[0], result.reference.hidden[0])


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
