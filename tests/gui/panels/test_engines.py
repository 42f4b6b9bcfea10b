"""Choosing the engines."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.gui.panels.conftest import CONFIG, ENGINES


@pytest.fixture
def candidates(panel):
    return panel.field("compare.candidates").editor


def check(candidates, name: str) -> None:
    QTest.keyClick(candidates.boxes[name], Qt.Key.Key_Space)


def test_engines_that_cannot_run_here_are_disabled_with_the_reason(panel, candidates) -> None:
    assert not candidates.boxes["torch"].isEnabled()
    assert candidates.boxes["torch"].toolTip() == ENGINES["torch"]
    assert candidates.boxes["torch"].accessibleDescription() == ENGINES["torch"]
    assert candidates.boxes["onnx"].isEnabled()
    combo = panel.field("compare.reference").editor.combo
    torch = combo.findData("torch")
    assert not combo.model().item(torch).isEnabled()
    assert combo.itemData(torch, Qt.ItemDataRole.ToolTipRole) == ENGINES["torch"]


def test_engines_are_added_in_the_order_in_which_they_are_checked(panel, candidates) -> None:
    check(candidates, "onnx")
    assert panel.config.compare.candidates == ("manual", "onnx")
    check(candidates, "manual")
    check(candidates, "manual")
    assert panel.config.compare.candidates == ("onnx", "manual")


def test_no_candidate_at_all_is_wrong_at_its_field(panel, candidates) -> None:
    check(candidates, "manual")
    assert panel.errors == {"compare.candidates": "compare.candidates = [] is not allowed: name at least one engine."}
    assert panel.config == CONFIG


def test_the_reference_is_not_offered_as_a_candidate(candidates) -> None:
    assert set(candidates.boxes) == {"manual", "onnx", "torch"}


def test_a_candidate_that_becomes_the_reference_changes_places_with_it(panel, candidates, choose) -> None:
    choose("compare.reference", "manual")
    assert panel.config.compare.engines == ("manual", "gluon")
    assert set(candidates.boxes) == {"gluon", "onnx", "torch"}
    assert panel.errors == {}


def test_unknown_engine_names_are_preserved(panel, candidates) -> None:
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


def test_a_chosen_engine_that_cannot_run_here_has_a_note_and_can_be_unchecked(panel, qtbot, candidates) -> None:
    panel.show_config(replace(CONFIG, compare=replace(CONFIG.compare, candidates=("manual", "torch"))))
    note = panel.field("compare.candidates").note
    assert note.isVisible()
    assert note.text == ENGINES["torch"]
    assert panel.errors == {}
    check(candidates, "torch")
    assert panel.config == CONFIG
    assert not note.isVisible()
    assert not candidates.boxes["torch"].isEnabled()


def test_engines_can_be_listed_again_with_other_reasons(panel, candidates) -> None:
    panel.set_engines({**ENGINES, "onnx": "It computes in float32 only.", "torch": None})
    assert not candidates.boxes["onnx"].isEnabled()
    assert candidates.boxes["torch"].isEnabled()
    assert panel.config == CONFIG


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float32", "1.3e-06", "1e-05"), ("float64", "1e-07", "1e-07")])
def test_empty_tolerances_show_the_defaults_of_the_dtype(panel, choose, dtype, rtol, atol) -> None:
    choose("network.dtype", dtype)
    texts = [panel.field(f"compare.{key}").editor.line.placeholderText() for key in ("rtol", "atol")]
    assert texts == [f"{rtol} ({dtype})", f"{atol} ({dtype})"]
    assert panel.config.compare.rtol is None
