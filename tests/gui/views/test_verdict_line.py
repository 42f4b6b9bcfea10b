"""The verdict strip: what it says in each state, where its links lead, and that it keeps its height."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QToolButton

from rnnviz.analysis.audit import audit
from rnnviz.analysis.result import Judgement, RunResult
from rnnviz.gui.look.theme import THEMES
from rnnviz.gui.views.verdict_line import VerdictLine
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace
from tests.made_results import made_result

PLACE = Location(0, 1, 3, 1, 2)
PHRASES = {"no-h2h-bias": "the h2h bias were left out", "h2h-transposed": "the h2h weight were transposed"}


@pytest.fixture
def line(qtbot) -> VerdictLine:
    view = VerdictLine()
    qtbot.addWidget(view)
    view.resize(1400, view.sizeHint().height())
    view.show()
    return view


@pytest.fixture
def mismatching() -> RunResult:
    def edit(trace: Trace) -> None:
        trace.hidden[PLACE.index] += np.float32(0.25)

    return made_result(edits={"manual": edit}, bidirectional=True)


def judged(result: RunResult, *, coverage: float = 1.0, blind: bool = False, cure: bool = True) -> RunResult:
    """Audited in full, whatever `coverage` says; blind or not by decree."""
    audits = {name: audit(result.inputs, trace, full=True) for name, trace in result.traces.items()}
    audits = {name: replace(a, audited=round(coverage * a.elements)) for name, a in audits.items()}
    diagnoses = {name: (("no-h2h-bias",),) for name, found in audits.items() if found.wrong}
    remedy = replace(result.config, parameters=replace(result.config.parameters, bias="zeros"))
    names = ("h2h-transposed", "no-h2h-bias") if blind else ()
    return replace(result, judgement=Judgement(audits, diagnoses, names, remedy if blind and cure else None, PHRASES))


def drifting() -> RunResult:
    def edit(trace: Trace) -> None:
        trace.hidden[PLACE.index] += np.float32(1e-7)

    return made_result(
        edits={"manual": edit}, bidirectional=True, num_layers=2, compare_with={"atol": 0.0, "rtol": 0.0}
    )


def sentence_label(line: VerdictLine) -> QLabel:
    return next(w for w in line.findChildren(QLabel) if "href" in w.text())


def button(line: VerdictLine, name: str) -> QToolButton:
    return next(b for b in line.findChildren(QToolButton) if b.accessibleName() == name)


def shown(line: VerdictLine) -> str:
    """Every text that can be seen."""
    return "\n".join(label.text() for label in line.findChildren(QLabel) if label.isVisible())


def test_an_empty_strip_says_what_to_do(line: VerdictLine) -> None:
    assert line.says == "empty"
    assert "Press F5" in shown(line)


def test_agreement_is_said_in_words_with_the_figures_behind_it(line: VerdictLine) -> None:
    line.show_result(made_result(), "manual")
    assert line.says == "agree"
    assert line.text == "gluon and manual agree: all 40 values are equal"
    assert "Tolerance 1e-5 + 1.3e-6 · |gluon|" in shown(line)
    assert "smallest passing atol" in line.toolTip()
    assert line.text in line.accessibleName()
    assert not button(line, "next").isVisible()


def test_the_place_in_the_sentence_is_a_link(qtbot, line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    label = next(w for w in line.findChildren(QLabel) if "href" in w.text())
    assert "layer 0, backward" in label.text()
    with qtbot.waitSignal(line.location_requested) as asked:
        label.linkActivated.emit("0")
    assert asked.args == [PLACE]


def test_a_link_can_be_followed_by_the_keyboard(qtbot, line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    label = next(w for w in line.findChildren(QLabel) if "href" in w.text())
    line.activateWindow()
    qtbot.waitUntil(line.isActiveWindow)
    label.setFocus()
    label.grab()  # a label knows its links once it has been drawn
    qtbot.keyClick(label, Qt.Key.Key_Tab)
    with qtbot.waitSignal(line.location_requested) as asked:
        qtbot.keyClick(label, Qt.Key.Key_Return)
    assert asked.args == [PLACE]


def test_the_buttons_lead_from_mismatch_to_mismatch(qtbot, line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    with qtbot.waitSignal(line.location_requested) as asked:
        qtbot.mouseClick(button(line, "first"), Qt.MouseButton.LeftButton)
    assert asked.args == [PLACE]
    with qtbot.waitSignal(line.next_requested):
        qtbot.mouseClick(button(line, "next"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(line.previous_requested):
        qtbot.mouseClick(button(line, "previous"), Qt.MouseButton.LeftButton)


def test_a_stale_picture_is_said_to_be_of_an_earlier_config(line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    line.show_stale(True)
    assert line.says == "stale"
    assert "An earlier configuration" in line.text
    assert "manual differs from gluon" in line.text
    assert "Press F5 to run it" in shown(line)
    line.show_stale(False)
    assert line.says == "mismatch"


def test_a_run_that_goes_on_says_what_it_does_and_what_is_shown_meanwhile(line: VerdictLine) -> None:
    line.show_running("reading the inputs")
    assert line.says == "running"
    assert line.text == "Running: reading the inputs"
    line.show_result(made_result(), "manual")
    line.show_running("computing with gluon")
    assert line.says == "running"
    assert "Shown: ✔ gluon and manual agree" in shown(line)
    line.show_running(None)
    assert line.says == "agree"


def test_an_error_leaves_the_last_verdict_in_sight_and_can_be_dismissed(qtbot, line: VerdictLine) -> None:
    line.show_result(made_result(), "manual")
    line.show_running("computing with gluon")
    line.show_error("The process that computes ended.")
    assert line.says == "error"
    assert line.text == "The process that computes ended."
    assert "The last result is still shown: ✔ gluon and manual agree" in shown(line)
    qtbot.mouseClick(button(line, "dismiss"), Qt.MouseButton.LeftButton)
    assert line.says == "agree"


def test_another_result_ends_the_message_of_failure(line: VerdictLine) -> None:
    line.show_error("The process that computes ended.")
    line.show_result(made_result(), "manual")
    assert line.says == "agree"


@pytest.mark.parametrize("width", [1800, 1000, 700, 420])
@pytest.mark.parametrize(
    "state",
    [
        lambda line, result: None,
        lambda line, result: line.show_result(result, "manual"),
        lambda line, result: (line.show_result(result, "manual"), line.show_stale(True)),
        lambda line, result: (line.show_result(result, "manual"), line.show_error("The disk is full. " * 12)),
    ],
    ids=["empty", "mismatch", "stale", "error"],
)
def test_the_strip_keeps_its_height_and_its_text_stays_inside(
    line: VerdictLine, mismatching: RunResult, width: int, state: Callable[[VerdictLine, RunResult], object]
) -> None:
    height = line.sizeHint().height()
    line.resize(width, height)
    state(line, mismatching)
    assert line.sizeHint().height() == height
    assert line.minimumSizeHint().width() <= 420
    text = next(w for w in line.findChildren(QLabel) if w.isVisible() and w.textFormat() == Qt.TextFormat.RichText)
    needed = text.heightForWidth(text.width()) if text.wordWrap() else text.sizeHint().height()
    assert needed <= height
    assert text.wordWrap() or text.sizeHint().width() <= text.width() + 1


def test_a_narrow_strip_drops_the_notes_before_the_place(line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    assert "At the first difference" in shown(line)
    line.resize(700, line.height())
    assert "At the first difference" not in shown(line)
    assert 'href="0"' in shown(line)


def test_the_audit_names_the_wrong_side_and_what_it_looks_like(
    qtbot, line: VerdictLine, mismatching: RunResult
) -> None:
    line.show_result(judged(mismatching), "manual")
    assert line.says == "mismatch"
    assert line.text == f"manual is wrong from {PLACE}, as if the h2h bias were left out"
    assert "gluon is right at every step." in shown(line)
    with qtbot.waitSignal(line.location_requested) as asked:
        sentence_label(line).linkActivated.emit("0")
    assert asked.args == [PLACE]
    assert button(line, "next").isVisible()


def test_a_result_that_is_being_audited_is_shown_with_its_links(line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    line.show_running("auditing gluon")
    assert line.says == "auditing"
    assert line.text.startswith("manual differs from gluon from layer 0, backward")
    assert line.text.endswith("auditing…")
    assert "Auditing gluon: whether every step is right" in shown(line)
    assert button(line, "next").isVisible()
    line.show_result(judged(mismatching), "manual")
    line.show_running(None)
    assert line.says == "mismatch"
    line.show_running("computing with gluon")
    assert line.says == "running"


def test_drift_is_explained_in_a_clause(line: VerdictLine) -> None:
    line.show_result(judged(drifting()), "manual")
    assert line.says == "drift"
    assert "every step of both is right, and their rounding has grown on the way" in line.text
    assert button(line, "next").isVisible()


def test_a_sampled_audit_tells_its_coverage_and_offers_the_rest(qtbot, line: VerdictLine) -> None:
    line.show_result(judged(made_result(batch_size=50), coverage=0.38), "manual")
    assert line.says == "agree"
    assert "38 % of the values audited" in shown(line)
    assert "38 % of the values have been audited" in button(line, "Audit everything").toolTip()
    with qtbot.waitSignal(line.full_audit_requested):
        qtbot.mouseClick(button(line, "Audit everything"), Qt.MouseButton.LeftButton)
    line.show_result(judged(made_result()), "manual")
    assert not button(line, "Audit everything").isVisible()


def test_a_blind_agreement_looks_and_reads_otherwise_than_one_that_proves_something(line: VerdictLine) -> None:
    line.show_result(judged(made_result(num_layers=2)), "manual")
    proven, icon = line.text, line.findChild(QLabel).pixmap().toImage()
    line.show_result(judged(made_result(num_layers=2), blind=True), "manual")
    assert line.says == "blind"
    assert line.text == "gluon and manual agree, but this run could not reveal 2 known mistakes"
    assert proven.startswith("gluon and manual agree: ")
    assert line.findChild(QLabel).pixmap().toImage() != icon


def test_the_mistakes_that_stayed_hidden_are_told_on_hover_and_lead_on(qtbot, line: VerdictLine) -> None:
    line.show_result(judged(made_result(), blind=True), "manual")
    label = sentence_label(line)
    label.linkHovered.emit("0")
    assert label.toolTip().splitlines() == [
        "h2h-transposed: as if the h2h weight were transposed",
        "no-h2h-bias: as if the h2h bias were left out",
    ]
    label.linkHovered.emit("")
    assert label.toolTip() == ""
    with qtbot.waitSignal(line.blind_spots_requested):
        label.linkActivated.emit("0")
    assert "h2h-transposed, no-h2h-bias" in line.toolTip()


def test_the_smallest_change_that_would_reveal_more_is_a_button(qtbot, line: VerdictLine) -> None:
    result = judged(made_result(), blind=True)
    line.show_result(result, "manual")
    remedy = button(line, "Use zero biases")
    assert remedy.text() == "Use zero biases"
    with qtbot.waitSignal(line.remedy_requested) as asked:
        qtbot.mouseClick(remedy, Qt.MouseButton.LeftButton)
    assert result.judgement is not None
    assert asked.args == [result.judgement.remedy]
    line.show_result(judged(made_result(), blind=True, cure=False), "manual")
    assert not remedy.isVisible()
    assert "could not reveal 2 known mistakes" in line.text


def test_the_actions_go_while_the_verdict_is_not_of_the_present_config(line: VerdictLine) -> None:
    line.show_result(judged(made_result(), blind=True, coverage=0.5), "manual")
    line.show_stale(True)
    assert not button(line, "Use zero biases").isVisible()
    assert not button(line, "Audit everything").isVisible()


@pytest.mark.parametrize("width", [1800, 1000, 700])
def test_with_everything_to_say_the_strip_keeps_its_height_and_its_words_inside(line: VerdictLine, width: int) -> None:
    height = line.sizeHint().height()
    line.resize(width, height)
    line.show_result(judged(drifting(), blind=True, coverage=0.5), "manual")
    assert line.sizeHint().height() == height
    assert line.minimumSizeHint().width() <= 700
    text = sentence_label(line)
    assert "<b>manual drifts from gluon</b>" in text.text()
    assert text.heightForWidth(text.width()) <= height if text.wordWrap() else text.sizeHint().width() <= text.width()
    for action in (button(line, "Audit everything"), button(line, "Use zero biases")):
        assert action.isVisible()
        assert action.width() >= action.sizeHint().width()
    short = button(line, "Audit everything").text() == "Audit all"
    assert short == (width == 700)


def test_engine_names_are_text_and_not_markup(line: VerdictLine) -> None:
    result = made_result(("gluon", "<b>&mine.py"))
    line.show_result(result, "<b>&mine.py")
    assert line.text.startswith("gluon and <b>&mine.py agree")
    assert "&lt;b&gt;&amp;mine.py" in shown(line)


def test_what_is_copied_is_the_verdict_with_its_notes(line: VerdictLine, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    assert line.copy_text().startswith("✘ manual differs from gluon")
    assert "smallest passing atol" in line.copy_text()


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_each_state_has_the_themes_surface(line: VerdictLine, mismatching: RunResult, theme) -> None:
    line.apply_theme(theme)

    def surface() -> str:
        return line.grab().toImage().pixelColor(line.width() // 2, 4).name()

    assert surface() == theme.raised
    line.show_result(made_result(), "manual")
    assert surface() == theme.right_surface
    line.show_result(mismatching, "manual")
    assert surface() == theme.wrong_surface
    line.show_stale(True)
    assert surface() == theme.doubtful_surface
    line.show_stale(False)
    line.show_result(judged(made_result(), blind=True), "manual")
    assert surface() == theme.doubtful_surface
    line.show_result(made_result(), "manual")
    line.show_running("auditing gluon")
    assert surface() == theme.raised
