"""The questions for files: their folder, and the ending of a file to be written."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget

from rnnviz.gui.commands.dialogs import (
    CONFIGS,
    RecentFiles,
    ask_file,
    ask_new_file,
    model_files,
    openable_files,
    show_error_dialog,
)
from rnnviz.gui.export.exporter import weight_files


def test_the_ending_follows_the_chosen_filter(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ask_new_file(parent, "Export", weight_files(), "params", "w.params", lambda path: None)
    assert dialog.defaultSuffix() == "params"
    endings = {}
    for named in dialog.nameFilters():
        dialog.filterSelected.emit(named)
        endings[named.partition(" ")[0]] = dialog.defaultSuffix()
    assert endings == {"Gluon": "params", "PyTorch": "safetensors", "ONNX": "onnx", "numpy": "npz"}
    dialog.reject()


def test_a_dialog_starts_where_the_last_file_of_its_kind_was(qtbot, settings, tmp_path):
    parent, pane = QWidget(), QWidget()
    pane.setParent(parent)
    qtbot.addWidget(parent)
    recent = RecentFiles(settings, parent)

    def folder(filters: str, answer: Path | None = None) -> Path:
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
    assert folder(model_files(), models / "c.onnx") == other
    assert folder(CONFIGS) == folder(openable_files()) == configs
    assert folder(model_files()) == models
    # A folder that is gone.
    models.rmdir()
    assert folder(model_files()) == other


def test_an_error_in_the_background_leaves_the_keyboard_to_a_user_who_types(qtbot):
    parent = QWidget()
    typed, button = QLineEdit(parent), QPushButton(parent)
    qtbot.addWidget(parent)
    parent.show()
    parent.activateWindow()
    qtbot.waitUntil(parent.isActiveWindow)
    for control, modal in ((typed, False), (button, True)):
        control.setFocus()
        box = show_error_dialog(parent, "The sweep ended early", "No space is left.", in_background=True)
        assert box.isModal() is modal
        assert box.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating) is not modal
        box.reject()
        parent.activateWindow()
        qtbot.waitUntil(parent.isActiveWindow)
