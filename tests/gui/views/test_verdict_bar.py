"""The verdict strip: what it says in each state, where its links lead, and that it keeps its height."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.execution.events import Stage, StageKind
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.result import RunResult
from tests.factories import make_result, with_judgment
from tests.gui.shown import details
from tests.gui.views.verdicts import PLACE, button, evaluated, shown


def test_agreement_is_written_with_its_figures(line: VerdictBar) -> None:
    line.show_result(make_result(), "manual")
    assert line.state == "agree"
    assert line.text == "gluon and manual agree: all 40 values are equal"
    assert "1.3e\N{MINUS SIGN}6 · |gluon|" in shown(line)
    assert verdict_sentence(make_result(), "manual").notes[-1] in line.toolTip()
    assert line.text in line.accessibleName()
    assert not button(line, "next").isVisible()


def test_the_place_in_the_sentence_is_a_link(qtbot, line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    label = next(w for w in line.findChildren(QLabel) if "href" in w.text())
    assert "layer 0, backward" in label.text()
    with qtbot.waitSignal(line.location_requested) as asked:
        label.linkActivated.emit("0")
    assert asked.args == [PLACE]


def test_the_buttons_lead_from_mismatch_to_mismatch(qtbot, line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    with qtbot.waitSignal(line.location_requested) as asked:
        qtbot.mouseClick(button(line, "first"), Qt.MouseButton.LeftButton)
    assert asked.args == [PLACE]
    with qtbot.waitSignal(line.next_requested):
        qtbot.mouseClick(button(line, "next"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(line.previous_requested):
        qtbot.mouseClick(button(line, "previous"), Qt.MouseButton.LeftButton)


def test_a_stale_result_is_labeled_out_of_date(line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    line.show_stale(True)
    assert line.state == "stale"
    assert line.text.startswith("Out of date")
    assert "manual differs from gluon" in line.text
    assert "F5" in shown(line)
    line.show_stale(False)
    assert line.state == "disagree"


def test_a_running_run_shows_its_stage_and_the_shown_result(line: VerdictBar) -> None:
    line.show_running(Stage(StageKind.READING_INPUTS))
    assert line.state == "running"
    assert line.text == "Running: reading the inputs"
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    assert line.state == "running"
    assert "Previous run: ✔ gluon and manual agree" in shown(line)
    line.show_running(None)
    assert line.state == "agree"


def test_an_error_leaves_the_last_verdict_visible_and_can_be_dismissed(qtbot, line: VerdictBar) -> None:
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    line.show_error("The worker process ended.")
    assert line.state == "error"
    assert line.text == "The worker process ended."
    assert "Previous run: ✔ gluon and manual agree" in shown(line)
    qtbot.mouseClick(button(line, "dismiss"), Qt.MouseButton.LeftButton)
    assert line.state == "agree"


def test_an_error_of_an_engine_says_what_to_do(qtbot, line: VerdictBar) -> None:
    others = make_result().config
    line.show_error("torch failed: RuntimeError: no.")
    line.show_failed_engine("torch", others)
    assert "F5" in shown(line)
    with qtbot.waitSignal(line.remedy_requested) as asked:
        qtbot.mouseClick(line.without_button, Qt.MouseButton.LeftButton)
    assert asked.args == [others]
    line.show_failed_engine("./mine.py", None)
    assert "Ctrl+E" in shown(line)
    assert line.without_button.isHidden()
    line.show_error("The disk is full.")
    assert "Ctrl+E" not in shown(line)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda line: line.show_stale(True), "Out of date: ✔ gluon"),
        (lambda line: line.show_error("It failed."), "It failed.\nPrevious run: ✔ gluon"),
        (lambda line: line.show_running(Stage(StageKind.COMPUTING, "gluon")), "Running"),
    ],
    ids=["stale", "error", "running"],
)
def test_the_verdict_of_an_earlier_run_is_copied_and_drawn_as_such(
    line: VerdictBar, change: Callable[[VerdictBar], None], first: str
) -> None:
    line.show_result(make_result(), "manual")
    change(line)
    assert line.copy_text().startswith(first)
    copy = line.duplicate()
    copy.show_result(make_result(), "manual")
    assert copy.state == "stale"
    copy.close()


def test_engine_names_are_text_and_not_markup(line: VerdictBar) -> None:
    result = make_result(("gluon", "<b>&mine.py"))
    line.show_result(result, "<b>&mine.py")
    assert line.text.startswith("<b>&mine.py agrees with gluon")
    assert "&lt;b&gt;&amp;mine.py" in shown(line)


def test_copying_copies_the_verdict_with_its_notes(line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    assert line.copy_text().startswith("✘ manual differs from gluon")
    assert all(note in line.copy_text() for note in verdict_sentence(mismatching, "manual").notes)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_each_state_has_the_themes_surface(line: VerdictBar, mismatching: RunResult, theme) -> None:
    line.apply_theme(theme)

    def surface() -> str:
        return line.grab().toImage().pixelColor(line.width() // 2, 4).name()

    assert surface() == theme.raised
    line.show_result(make_result(), "manual")
    assert surface() == theme.right_surface
    line.show_result(mismatching, "manual")
    assert surface() == theme.wrong_surface
    line.show_stale(True)
    assert surface() == theme.doubtful_surface
    line.show_stale(False)
    line.show_result(evaluated(make_result(), blind=True), "manual")
    assert surface() == theme.doubtful_surface
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.AUDITING, "gluon"))
    assert surface() == theme.raised


def test_the_worse_verdict_of_both_passes_is_shown(line: VerdictBar) -> None:
    def edit(trace: Trace) -> None:
        trace["grad.h"][0, 0, 2, 1, 3] += 0.5

    line.show_result(make_result(gradients=("gluon", "manual")), "manual")
    assert line.state == "agree"
    assert "Gradients" in line.copy_text()
    line.toggle_details()
    assert "Details of gradients" in details(line)
    line.toggle_details()
    line.show_result(make_result(gradients=("gluon", "manual"), edits={"manual": edit}), "manual")
    assert line.state == "disagree"
    assert "radients" in line.text
    asked: list[Location] = []
    line.location_requested.connect(asked.append)
    line._go_to_first()
    assert asked == [Location(0, 0, 2, 1, 3)]

    def edit_both(trace: Trace) -> None:
        edit(trace)
        trace.hidden[0, 0, 1, 0, 0] += 0.5

    line.show_result(make_result(gradients=("gluon", "manual"), edits={"manual": edit_both}), "manual")
    for array in ("h", "grad.h"):
        line.follow_array(array)
        line._go_to_first()
    assert asked[1:] == [Location(0, 0, 1, 0, 0), Location(0, 0, 2, 1, 3)]
    line.show_result(make_result(gradients=("gluon",)), "manual")
    assert line.state == "agree"
    assert "gluon and manual agree" in line.text


def test_undetectable_bugs_of_the_backward_pass_have_a_remedy(qtbot, line: VerdictBar) -> None:
    result = make_result(gradients=("gluon", "manual"))
    cure = replace(result.config, backward=replace(result.config.backward, loss="normal"))
    result = with_judgment(result, remedy=cure)
    assert result.judgment is not None
    assert result.judgment.backward is not None
    backward = replace(result.judgment.backward, undetectable=("truncated-at-one-step",))
    line.show_result(replace(result, judgment=replace(result.judgment, backward=backward)), "manual")
    assert line.state == "blind"
    with qtbot.waitSignal(line.remedy_requested) as asked:
        qtbot.mouseClick(line._remedy, Qt.MouseButton.LeftButton)
    assert asked.args == [cure]
