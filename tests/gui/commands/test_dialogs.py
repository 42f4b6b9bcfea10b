"""The questions for files: their folder, and the ending of a file to be written."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Network
from rnnviz.gui.commands.dialogs import (
    CONFIGS,
    RecentFiles,
    ask_file,
    ask_new_file,
    openable_files,
    suffix_of,
)
from rnnviz.gui.export.exporter import weight_files
from rnnviz.training.character_model import shipped_model


def test_the_ending_follows_the_chosen_filter(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    network = Network("lstm", 2, 3)
    dialog = ask_new_file(parent, "Export", weight_files(network), "safetensors", "w.safetensors", lambda path: None)
    assert dialog.defaultSuffix() == "safetensors"
    endings = {}
    for named in dialog.nameFilters():
        dialog.filterSelected.emit(named)
        endings[named.partition(" ")[0]] = dialog.defaultSuffix()
    assert endings == {"Gluon": "params", "PyTorch": "safetensors", "ONNX": "onnx", "numpy": "npz"}
    dialog.reject()


@pytest.mark.parametrize(
    ("source", "network", "suffix"),
    [
        (None, Network("lstm", 2, 3), "safetensors"),
        ("a/model.PT", Network("lstm", 2, 3), "safetensors"),
        ("model.onnx", Network("lstm", 2, 3), "onnx"),
        ("model.onnx", Network("lstm", 2, 3, dtype="float64"), "safetensors"),
        ("model.params", Network("gru", 2, 3), "params"),
        ("model.h5", Network("gru_reset_before", 2, 3), "npz"),
    ],
)
def test_weights_have_the_format_of_their_file_or_one_that_can_hold_them(source, network, suffix):
    assert suffix_of(weight_files(network, source)) == suffix


def test_a_dialog_starts_in_the_folder_of_the_user_and_never_in_that_of_the_program(qtbot, settings, tmp_path):
    recent = RecentFiles(settings)
    assert recent.folder("configs") == str(Path.home())
    recent.add(shipped_model())
    recent.use_folder("models", shipped_model())
    assert recent.folder("models") == str(Path.home())
    (tmp_path / "a.toml").touch()
    recent.add(tmp_path / "a.toml")
    assert recent.folder("models") == str(tmp_path)


def test_a_dialog_starts_where_the_last_file_of_its_kind_was(qtbot, settings, tmp_path):
    parent, pane = QWidget(), QWidget()
    pane.setParent(parent)
    qtbot.addWidget(parent)
    recent = RecentFiles(settings, parent)

    def folder(filters, answer=None):
        dialog = ask_file(pane, "Open", filters, lambda path: None)
        here = Path(dialog.directory().absolutePath())
        if answer is not None:
            dialog.fileSelected.emit(str(answer))
        dialog.reject()
        return here

    configs, models, other = (tmp_path / name for name in ("configs", "models", "other"))
    for path in (configs, models, other):
        path.mkdir()
    (other / "a.toml").touch()
    recent.add(other / "a.toml")
    assert folder(CONFIGS, configs / "b.toml") == other
    assert folder("Models (*.onnx)", models / "c.onnx") == other
    assert folder(CONFIGS) == folder(openable_files()) == configs
    assert folder("Models (*.onnx)") == models
    # A folder that is gone.
    models.rmdir()
    assert folder("Models (*.onnx)") == other
