"""Choosing the engines."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from rnnviz.core.config import Config
from tests.factories import make_result
from tests.gui.settings_panel.conftest import CONFIG, ENGINES


@pytest.fixture
def candidates(panel):
    return panel.field("compare.candidates").editor


def check(candidates, name: str) -> None:
    QTest.keyClick(candidates.boxes[name], Qt.Key.Key_Space)


def test_engines_that_cannot_run_here_are_disabled_with_the_reason(panel, candidates):
    assert not candidates.boxes["torch"].isEnabled()
    assert candidates.boxes["torch"].toolTip() == ENGINES["torch"]
    assert candidates.boxes["torch"].accessibleDescription() == ENGINES["torch"]
    assert candidates.boxes["onnx"].isEnabled()
    combo = panel.field("compare.reference").editor.combo
    torch = combo.findData("torch")
    assert not combo.model().item(torch).isEnabled()
    assert combo.itemData(torch, Qt.ItemDataRole.ToolTipRole) == ENGINES["torch"]


def test_engines_are_added_in_the_order_in_which_they_are_checked(panel, candidates):
    check(candidates, "onnx")
    assert panel.config.compare.candidates == ("manual", "onnx")
    check(candidates, "manual")
    check(candidates, "manual")
    assert panel.config.compare.candidates == ("onnx", "manual")


def test_without_a_checked_candidate_the_reference_runs_alone(panel, candidates):
    check(candidates, "manual")
    assert panel.errors == {}
    assert panel.config.compare.candidates == ()


def checked(candidates) -> set[str]:
    return {name for name, box in candidates.boxes.items() if box.isChecked()}


def test_another_default_candidate_is_checked_for_another_network(panel, candidates, monkeypatch, choose):
    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None if name == "mxnet" else object())
    panel.show_config(Config(CONFIG.network))
    assert checked(candidates) == {"onnx"}
    choose("network.dtype", "float64")
    assert checked(candidates) == {"torch"}


def test_a_candidate_that_becomes_the_reference_changes_places_with_it(panel, candidates, choose):
    assert set(candidates.boxes) == {"manual", "onnx", "torch"}
    choose("compare.reference", "manual")
    assert panel.config.compare.engines == ("manual", "gluon")
    assert set(candidates.boxes) == {"gluon", "onnx", "torch"}
    assert panel.errors == {}


def test_unknown_engine_names_are_preserved(panel, candidates):
    compare = replace(CONFIG.compare, reference="./mine.py", candidates=("bug:no-h2h-bias", "gluon", "later"))
    config = replace(CONFIG, compare=compare)
    panel.show_config(config)
    panel.set_engines(ENGINES)
    assert panel.config == config
    check(candidates, "gluon")
    assert panel.config.compare.engines == ("./mine.py", "bug:no-h2h-bias", "later")
    assert panel.field("compare.reference").editor.combo.currentText() == "mine.py"
    check(candidates, "later")
    check(candidates, "later")
    assert panel.config.compare.candidates == ("bug:no-h2h-bias", "later")


def test_a_chosen_engine_that_cannot_run_here_has_a_note_and_can_be_unchecked(panel, qtbot, candidates):
    panel.show_config(replace(CONFIG, compare=replace(CONFIG.compare, candidates=("manual", "torch"))))
    note = panel.field("compare.candidates").note
    assert note.isVisible()
    assert note.text == ENGINES["torch"]
    assert panel.errors == {}
    check(candidates, "torch")
    assert panel.config == CONFIG
    assert not note.isVisible()
    assert not candidates.boxes["torch"].isEnabled()


def test_engines_can_be_listed_again_with_other_reasons(panel, candidates):
    panel.set_engines({**ENGINES, "onnx": "It computes in float32 only.", "torch": None})
    assert not candidates.boxes["onnx"].isEnabled()
    assert candidates.boxes["torch"].isEnabled()
    assert panel.config == CONFIG


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float32", "1.3e-06", "1e-05"), ("float64", "1e-07", "1e-07")])
def test_empty_tolerances_show_the_defaults_of_the_dtype(panel, choose, dtype, rtol, atol):
    choose("network.dtype", dtype)
    texts = [panel.field(f"compare.{key}").editor.line.placeholderText() for key in ("rtol", "atol")]
    assert texts == [f"{rtol} ({dtype})", f"{atol} ({dtype})"]
    assert panel.config.compare.rtol is None


@pytest.fixture(autouse=True)
def _active(panel, qtbot):
    qtbot.activate(panel)


@pytest.fixture
def archive(tmp_path):
    """Makes an archive with the hidden states of these engines, or of none that has a name."""

    def archive(*engines):
        np.savez(tmp_path / "golden.npz", **{f"{name}.hidden" if name else "hidden": np.ones(1) for name in engines})
        return str(tmp_path / "golden.npz")

    return archive


def test_a_chosen_file_is_compared_and_called_by_its_name(qtbot, panel, candidates, archive):
    path = archive("")
    QTest.mouseClick(candidates.add, Qt.MouseButton.LeftButton)
    (dialog,) = candidates.add.findChildren(QFileDialog)
    assert dialog.nameFilters()[0] == "Recorded outputs (*.npz *.npy *.csv *.rnnviz)"
    with qtbot.waitSignal(panel.config_edited) as edited:
        dialog.fileSelected.emit(path)
    dialog.reject()
    panel.activateWindow()
    assert edited.args[0].compare.candidates == ("manual", f"recording:{path}")
    box = candidates.boxes[f"recording:{path}"]
    assert (box.text(), box.isChecked()) == ("golden.npz", True)
    assert path in box.toolTip()


def test_of_several_engines_in_a_file_the_user_chooses(panel, candidates, archive):
    path = archive("torch", "bug:no-h2h-bias")
    candidates.add.choose(path)
    assert panel.config == CONFIG
    names = [f"recording:{path}#torch", f"recording:{path}#bug:no-h2h-bias"]
    assert [candidates.boxes[name].isChecked() for name in names] == [False, False]
    assert candidates.boxes[names[0]].hasFocus()
    QTest.keyClick(candidates.boxes[names[1]], Qt.Key.Key_Space)
    assert panel.config.compare.candidates == ("manual", names[1])


def test_a_recording_can_become_the_reference(panel, candidates, archive, choose):
    path = archive("")
    candidates.add.choose(path)
    choose("compare.reference", f"recording:{path}")
    assert panel.field("compare.reference").editor.combo.currentText() == "golden.npz"
    assert panel.config.compare.reference == f"recording:{path}"
    assert f"recording:{path}" not in candidates.boxes


def test_a_file_that_cannot_be_read_is_added_for_the_run_to_refuse(panel, candidates, tmp_path):
    path = tmp_path / "golden.npz"
    path.write_text("no archive")
    candidates.add.choose(str(path))
    assert panel.config.compare.candidates == ("manual", f"recording:{path}")


def test_empty_tolerances_of_half_precision_show_its_defaults(panel):
    made = make_result(("manual", "onnx"))
    traces = {**made.traces, "manual": replace(made["manual"], computed_in="bfloat16")}
    panel.show_config(made.config)
    panel.show_result(replace(made, traces=traces))
    lines = [panel.field(f"compare.{key}").editor.line for key in ("rtol", "atol")]
    assert [line.placeholderText() for line in lines] == ["0.016 (bfloat16)", "0.008 (bfloat16)"]
    panel.show_config(made.config.with_engines(("gluon", "manual")))
    assert lines[0].placeholderText().endswith("(float32)")
