"""What a screen reader says without a move of the keyboard's focus."""

import pytest
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QToolBar

from rnnviz.core.masks import VERDICT, Mask
from rnnviz.core.trace_index import Location
from rnnviz.text.verdict_text import verdict_sentence

NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 3, "bidirectional": True}
POLITENESS = QAccessible.AnnouncementPoliteness


@pytest.fixture
def said(monkeypatch):
    """The texts that are announced, with their politeness. A screen reader is in use."""
    texts: list[tuple[str, POLITENESS]] = []

    def hear(event):
        if isinstance(event, QAccessibleAnnouncementEvent):
            texts.append((event.message(), event.politeness()))

    monkeypatch.setattr(QAccessible, "updateAccessibility", hear)
    monkeypatch.setattr(QAccessible, "isActive", lambda: True)
    return texts


def test_the_selected_value_is_announced_once_when_the_keys_rest(qtbot, window, run_config, said):
    run_config(NETWORK, sequence={"timesteps": 6})
    qtbot.waitUntil(lambda: bool(said))
    said.clear()
    for _ in range(3):
        window.actions_["timestep_next"].trigger()
    qtbot.waitUntil(lambda: bool(said))
    qtbot.waitUntil(lambda: bool(said))
    value = window.session.result["manual"].hidden[window.session.location.index]
    # The audit of a run may end late.
    ((text, politeness),) = (heard for heard in said if "layer 0 forward" in heard[0])
    assert politeness is POLITENESS.Polite
    assert all(words in text for words in ("layer 0 forward", "t = 3", "unit 0", f"{abs(value):.3f}"))


def test_a_value_that_a_question_asks_for_is_not_announced(qtbot, window, said):
    qtbot.waitUntil(lambda: not window.runner.busy and not window.announcer.pending)
    said.clear()
    window.session.set_masked((Mask("h"), Mask(VERDICT)))
    window.session.set_location(Location(unit=1))
    qtbot.waitUntil(lambda: bool(said))
    assert said[0][0].endswith("h = ?")
    window.session.set_masked(())


def test_the_verdict_of_a_run_and_a_mismatch_are_announced(qtbot, window, run_config, said):
    run_config(NETWORK, compare={"reference": "manual", "candidates": ["bug:no-h2h-bias"]})
    session = window.session
    # Also of the audit, which comes after the comparison.
    qtbot.waitUntil(lambda: str(verdict_sentence(session.result, session.candidate)) in [text for text, _ in said])
    said.clear()
    first = session.result.comparison(session.candidate).first_mismatch.where
    session.set_location(first)
    session.set_engine(session.candidate)
    qtbot.waitUntil(lambda: bool(said))
    assert "differs" in said[-1][0]


def test_errors_interrupt_and_messages_wait(qtbot, window, said):
    qtbot.waitUntil(lambda: not window.announcer.pending)
    said.clear()
    window.control.error_changed.emit("Set network.hidden_size to 1 or more.")
    window.show_message("Copied.")
    assert said == [("Set network.hidden_size to 1 or more.", POLITENESS.Assertive), ("Copied.", POLITENESS.Polite)]
    window.control.error_changed.emit(None)
    assert len(said) == 2


def test_nothing_is_announced_during_playback_or_without_a_screen_reader(qtbot, window, said, monkeypatch):
    window.player.toggle()
    window.session.set_location(Location(unit=1))
    QTest.qWait(400)
    assert said == []
    window.player.pause()
    qtbot.waitUntil(lambda: bool(said))
    said.clear()
    monkeypatch.setattr(QAccessible, "isActive", lambda: False)
    window.show_message("Copied again.")
    assert said == []


def test_the_palette_announces_the_row_that_is_selected_in_the_end_alone(window, said):
    palette = window.palette_
    palette.setFocus()
    said.clear()
    QTest.keyClicks(palette, "pdf")
    spoken = [text for text, _ in said]
    palette.close_sheet()
    assert len(spoken) == len("pdf")
    assert spoken[-1].startswith("Picture")


def test_the_verdict_and_its_rows_are_named_by_their_texts(window, run_config):
    run_config(NETWORK, compare={"reference": "manual", "candidates": ["bug:no-h2h-bias"]})
    bar = window.verdict
    names = {label.accessibleName() for label in bar.findChildren(QLabel)}
    sentence, *rows = bar.text.splitlines()
    assert {sentence, "\n".join(rows)} <= names
    assert window.findChild(QToolBar, "bar 0").windowTitle() == "Verdict"
