"""The question for a file to be written."""

from PySide6.QtWidgets import QWidget

from rnnviz.gui.commands.dialogs import ask_new_file
from rnnviz.gui.export.weights import FILTERS


def test_the_ending_follows_the_chosen_filter(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ask_new_file(parent, "Export", FILTERS, "params", "w.params", lambda path: None)
    assert dialog.defaultSuffix() == "params"
    endings = {}
    for named in dialog.nameFilters():
        dialog.filterSelected.emit(named)
        endings[named.partition(" ")[0]] = dialog.defaultSuffix()
    assert endings == {"Gluon": "params", "PyTorch": "safetensors", "ONNX": "onnx", "numpy": "npz"}
    dialog.reject()
