"""Adding recordings to the engines."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from tests.gui.panels.conftest import CONFIG


@pytest.fixture
def candidates(panel):
    return panel.field("compare.candidates").editor


@pytest.fixture(autouse=True)
def _active(panel, qtbot) -> None:
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)


@pytest.fixture
def archive(tmp_path: Path):
    """Makes an archive with the hidden states of these engines, or of none that has a name."""

    def archive(*engines: str) -> str:
        np.savez(tmp_path / "golden.npz", **{f"{name}.hidden" if name else "hidden": np.ones(1) for name in engines})
        return str(tmp_path / "golden.npz")

    return archive


def test_a_chosen_file_is_compared_and_called_by_its_name(qtbot, panel, candidates, archive) -> None:
    path = archive("")
    QTest.mouseClick(candidates.add, Qt.MouseButton.LeftButton)
    (dialog,) = candidates.add.findChildren(QFileDialog)
    assert dialog.nameFilters()[0] == "Recorded outputs (*.npz)"
    with qtbot.waitSignal(panel.config_edited) as edited:
        dialog.fileSelected.emit(path)
    dialog.reject()
    panel.activateWindow()
    assert edited.args[0].compare.candidates == ("manual", f"recording:{path}")
    box = candidates.boxes[f"recording:{path}"]
    assert (box.text(), box.isChecked()) == ("golden.npz", True)
    assert path in box.toolTip()


def test_of_several_engines_in_a_file_the_user_chooses(panel, candidates, archive) -> None:
    path = archive("torch", "bug:no-h2h-bias")
    candidates.add.choose(path)
    assert panel.config == CONFIG
    names = [f"recording:{path}#torch", f"recording:{path}#bug:no-h2h-bias"]
    assert [candidates.boxes[name].isChecked() for name in names] == [False, False]
    assert candidates.boxes[names[0]].hasFocus()
    QTest.keyClick(candidates.boxes[names[1]], Qt.Key.Key_Space)
    assert panel.config.compare.candidates == ("manual", names[1])


def test_a_recording_can_become_the_reference(panel, candidates, archive, choose) -> None:
    path = archive("")
    candidates.add.choose(path)
    choose("compare.reference", f"recording:{path}")
    assert panel.field("compare.reference").editor.combo.currentText() == "golden.npz"
    assert panel.config.compare.reference == f"recording:{path}"
    assert f"recording:{path}" not in candidates.boxes


def test_an_unchecked_recording_stays_in_the_list_and_is_not_added_twice(panel, candidates, archive) -> None:
    path = archive("")
    candidates.add.choose(path)
    QTest.keyClick(candidates.boxes[f"recording:{path}"], Qt.Key.Key_Space)
    assert panel.config == CONFIG
    for _ in range(2):
        candidates.add.choose(path)
        assert panel.config.compare.candidates == ("manual", f"recording:{path}")


def test_a_file_that_cannot_be_read_is_added_for_the_run_to_refuse(panel, candidates, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    path.write_text("no archive")
    candidates.add.choose(str(path))
    assert panel.config.compare.candidates == ("manual", f"recording:{path}")


def test_the_button_is_after_the_engines(panel, candidates) -> None:
    assert candidates.controls[-1] is candidates.add
    assert candidates.add.y() > max(box.y() for box in candidates.boxes.values())
