"""The verdict strip in each state, before and after the audit: what it says, and where its links and buttons lead."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.execution.events import Stage, StageKind
from rnnviz.gui.naming import use_names
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.verdict_facts import verdict_facts
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.text.verdict_text import plain, verdict_sentence
from rnnviz.verify.causes import Cause, Where
from rnnviz.verify.result import RunResult
from tests.factories import adding, make_result, with_judgment
from tests.gui.shown import details, labels

PLACE = Location(0, 1, 3, 1, 2)


@pytest.fixture
def line(qtbot):
    view = VerdictBar()
    return qtbot.on_screen(view, 1400, view.sizeHint().height())


@pytest.fixture
def mismatching():
    return make_result(edits={"manual": adding(0.25, *PLACE.index)}, bidirectional=True)


def evaluated(result: RunResult, *, coverage: float = 1.0, blind: bool = False, cure: bool = True) -> RunResult:
    """Audited in full, whatever `coverage` says; blind or not by decree."""
    remedy = replace(result.config, parameters=replace(result.config.parameters, bias="zeros"))
    return with_judgment(
        result,
        coverage=coverage,
        diagnoses={name: (("no-h2h-bias",),) for name in result.traces if result.wrong(name)},
        blind=("h2h-transposed", "no-h2h-bias") if blind else (),
        remedy=remedy if blind and cure else None,
    )


def button(line: VerdictBar, name: str) -> QPushButton:
    return next(b for b in line.findChildren(QPushButton) if b.accessibleName() == name)


def press(line: VerdictBar, name: str) -> None:
    QTest.mouseClick(button(line, name), Qt.MouseButton.LeftButton)


def link(line: VerdictBar) -> QLabel:
    return next(w for w in line.findChildren(QLabel) if "href" in w.text())


def test_agreement_is_written_with_its_figures(line):
    line.show_result(make_result(), "manual")
    assert line.state == "agree"
    assert line.text == "gluon and manual agree in all 40 hidden values."
    assert "1.3e" not in labels(line)
    line.toggle_details()
    assert "gluon and manual agree: all 40 values are equal" in details(line)
    assert "1.3e\N{MINUS SIGN}6 · |gluon|" in labels(line)
    assert verdict_sentence(make_result(), "manual").notes[-1] in line.toolTip()
    assert line.text in line.accessibleName()
    assert not button(line, "Next difference").isVisible()


def test_an_agreement_says_how_much_of_it_was_checked_and_which_candidate_is_worse(line):
    line.show_result(make_result(), "manual")
    assert "No time step was checked on its own." in labels(line)
    line.show_result(evaluated(make_result()), "manual")
    assert "Every time step was checked on its own." in labels(line)
    line.show_result(evaluated(make_result(), coverage=0.5), "manual")
    assert "50% of the values were checked on their own." in labels(line)
    engines = ("gluon", "manual", "bug:no-h2h-bias")
    line.show_result(evaluated(make_result(engines)), "manual")
    assert line.state == "agree"
    assert "no-h2h-bias (disagree)" in labels(line)


def test_the_buttons_lead_from_mismatch_to_mismatch(qtbot, line, mismatching):
    line.show_result(mismatching, "manual")
    with qtbot.waitSignal(line.location_requested) as asked:
        line.go_to_first()
    assert asked.args == [PLACE]
    with qtbot.waitSignal(line.next_requested):
        press(line, "Next difference")
    with qtbot.waitSignal(line.previous_requested):
        press(line, "Previous")


def test_a_stale_result_is_labeled_out_of_date(line, mismatching):
    line.show_result(mismatching, "manual")
    line.show_stale(True)
    assert line.state == "stale"
    assert line.text.startswith("Out of date")
    assert "manual differs from gluon" in line.text
    assert "F5" in labels(line)
    line.show_stale(False)
    assert line.state == "disagree"


def test_a_running_run_shows_its_stage_and_the_shown_result(line):
    line.show_running(Stage(StageKind.READING_INPUTS))
    assert line.state == "running"
    assert line.text == "Running: reading the inputs"
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    assert line.state == "running"
    assert "Previous run: ✔ gluon and manual agree" in labels(line)
    line.show_running(None)
    assert line.state == "agree"


def test_an_error_leaves_the_last_verdict_visible_and_can_be_dismissed(qtbot, line):
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    line.show_error("The worker process ended.")
    assert line.state == "error"
    assert line.text == "The worker process ended."
    assert "Previous run: ✔ gluon and manual agree" in labels(line)
    press(line, "Dismiss")
    assert line.state == "agree"


def test_an_error_of_an_engine_says_what_to_do(qtbot, line):
    others = make_result().config
    line.show_error("torch failed: RuntimeError: no.")
    line.show_failed_engine("torch", others)
    assert "F5" in labels(line)
    with qtbot.waitSignal(line.remedy_requested) as asked:
        press(line, "Run without it")
    assert asked.args == [others]
    line.show_failed_engine("./mine.py", None)
    assert "Ctrl+E" in labels(line)
    assert line.without_button.isHidden()
    line.show_error("The disk is full.")
    assert "Ctrl+E" not in labels(line)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda line: line.show_stale(True), "Out of date: ✔ gluon"),
        (lambda line: line.show_error("It failed."), "It failed.\nPrevious run: ✔ gluon"),
        (lambda line: line.show_running(Stage(StageKind.COMPUTING, "gluon")), "Running"),
    ],
    ids=["stale", "error", "running"],
)
def test_the_verdict_of_an_earlier_run_is_copied_as_such(line, change, first):
    line.show_result(make_result(), "manual")
    change(line)
    assert line.copy_text().startswith(first)


def test_engine_names_are_text_and_not_markup(line):
    result = make_result(("gluon", "<b>&mine.py"))
    line.show_result(result, "<b>&mine.py")
    assert line.text.startswith("<b>&mine.py agrees with gluon")
    assert "&lt;b&gt;&amp;mine.py" in labels(line)


def test_copying_copies_the_verdict_with_its_notes(line, mismatching):
    line.show_result(mismatching, "manual")
    assert line.copy_text().startswith("✘ manual differs from gluon")
    assert all(note in line.copy_text() for note in verdict_sentence(mismatching, "manual").notes)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_each_state_has_the_themes_surface(line, mismatching, theme):
    line.apply_theme(theme)

    def surface():
        return line.grab().toImage().pixelColor(line.width() // 2, 4).name()

    assert surface() == theme.raised
    line.show_result(make_result(), "manual")
    assert surface() == theme.right_surface
    line.show_result(mismatching, "manual")
    assert surface() == theme.wrong_surface
    line.show_stale(True)
    assert surface() == theme.base
    line.show_stale(False)
    line.show_result(evaluated(make_result(), blind=True), "manual")
    assert surface() == theme.doubtful_surface
    line.show_result(make_result(), "manual")
    line.show_running(Stage(StageKind.AUDITING, "gluon"))
    assert surface() == theme.raised


def test_the_worse_verdict_of_both_passes_is_shown(line):
    edit = adding(0.5, 0, 0, 2, 1, 3, array="grad.h")
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
    line.go_to_first()
    assert asked == [Location(0, 0, 2, 1, 3)]

    def edit_both(trace):
        edit(trace)
        trace.hidden[0, 0, 1, 0, 0] += 0.5

    line.show_result(make_result(gradients=("gluon", "manual"), edits={"manual": edit_both}), "manual")
    for array in ("h", "grad.h"):
        line.follow_array(array)
        line.go_to_first()
    assert asked[1:] == [Location(0, 0, 1, 0, 0), Location(0, 0, 2, 1, 3)]
    line.show_result(make_result(gradients=("gluon",)), "manual")
    assert line.state == "agree"
    assert "gluon and manual agree" in line.text


def test_undetectable_bugs_of_the_backward_pass_have_a_remedy(qtbot, line):
    result = make_result(gradients=("gluon", "manual"))
    cure = replace(result.config, backward=replace(result.config.backward, loss="normal"))
    result = with_judgment(result, remedy=cure)
    backward = replace(result.judgment.backward, undetectable=("truncated-at-one-step",))
    line.show_result(replace(result, judgment=replace(result.judgment, backward=backward)), "manual")
    assert line.state == "blind"
    with qtbot.waitSignal(line.remedy_requested) as asked:
        press(line, "Change and rerun")
    assert asked.args == [cure]


def test_the_audit_names_the_wrong_engine_and_the_likely_cause(qtbot, line, mismatching):
    line.show_result(evaluated(mismatching), "manual")
    assert line.state == "disagree"
    assert str(PLACE) in line.text
    assert KNOWN_BUGS["no-h2h-bias"].cause.lower() in labels(line).lower()
    with qtbot.waitSignal(line.location_requested) as asked:
        link(line).linkActivated.emit("0")
    assert asked.args == [PLACE]
    assert button(line, "Next difference").isVisible()


def test_a_result_that_is_being_audited_is_shown_with_its_links(line, mismatching):
    line.show_result(mismatching, "manual")
    line.show_running(Stage(StageKind.AUDITING, "gluon"))
    assert line.state == "auditing"
    assert line.text.startswith("manual differs from gluon")
    assert line.text.endswith("auditing…")
    assert "gluon step by step" in labels(line)
    assert button(line, "Next difference").isVisible()
    line.show_result(evaluated(mismatching), "manual")
    line.show_running(None)
    assert line.state == "disagree"
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    assert line.state == "running"


def test_a_sampled_audit_shows_its_coverage_and_offers_the_rest(qtbot, line):
    line.show_result(evaluated(make_result(batch_size=50), coverage=0.38), "manual")
    assert line.state == "agree"
    assert "38% of the values" in labels(line)
    assert "38% of the values" in button(line, "Run full audit").toolTip()
    with qtbot.waitSignal(line.full_audit_requested):
        press(line, "Run full audit")
    line.show_result(evaluated(make_result()), "manual")
    assert not button(line, "Run full audit").isVisible()


def test_a_blind_agreement_differs_in_icon_and_text(line):
    line.show_result(evaluated(make_result(num_layers=2)), "manual")
    proven, icon = line.text, line.findChild(QLabel).pixmap().toImage()
    line.show_result(evaluated(make_result(num_layers=2), blind=True), "manual")
    assert line.state == "blind"
    assert "2 known bugs" in line.text
    assert proven.startswith("gluon and manual agree in all 80 hidden values.")
    assert line.findChild(QLabel).pixmap().toImage() != icon


def test_the_smallest_change_that_would_reveal_more_is_a_button(qtbot, line):
    result = evaluated(make_result(), blind=True)
    line.show_result(result, "manual")
    remedy = button(line, "Change and rerun")
    assert "use zero biases" in remedy.toolTip()
    with qtbot.waitSignal(line.remedy_requested) as asked:
        qtbot.mouseClick(remedy, Qt.MouseButton.LeftButton)
    assert asked.args == [result.judgment.remedy]
    line.show_result(evaluated(make_result(), blind=True, cure=False), "manual")
    assert not remedy.isVisible()
    assert "2 known bugs" in line.text


def test_a_click_unfolds_where_since_when_and_why_over_the_neighbors(qtbot, mismatching):
    window = QWidget()
    qtbot.addWidget(window)
    line = VerdictBar()
    below = QPushButton("below")
    column = QVBoxLayout(window)
    column.addWidget(line)
    column.addWidget(below, 1)
    window.resize(700, 500)
    window.show()
    line.show_result(evaluated(mismatching), "manual")
    QTest.qWait(0)
    before = below.geometry(), line.height()
    assert details(line) == ""
    with qtbot.waitSignal(line.clicked):
        qtbot.mouseClick(line, Qt.MouseButton.LeftButton, pos=QPoint(3, 10))
    assert {name: plain(text) for name, text in verdict_facts(evaluated(mismatching), "manual")}["Where"] == str(PLACE)
    for fact in (
        str(PLACE),
        "1 of 5 time steps",
        KNOWN_BUGS["no-h2h-bias"].cause,
        *verdict_sentence(mismatching, "manual").notes[-1:],
    ):
        assert fact in details(line)
    assert (below.geometry(), line.height()) == before
    panel = window.findChild(QFrame, "verdict_details")
    assert panel.isVisible()
    assert panel.geometry().top() > line.geometry().bottom()
    with qtbot.waitSignals([line.location_requested, line.explanation_wanted]):
        qtbot.mouseClick(panel.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert details(line) == ""
    line.toggle_details()
    line.show_result(evaluated(make_result(), blind=True), "manual")
    assert KNOWN_BUGS["h2h-transposed"].cause in details(line)
    with qtbot.waitSignal(line.undetectable_requested):
        panel.findChild(QPushButton).click()
    line.toggle_details()
    sentence = "The disk is full. " * 40
    line.show_error(sentence)
    assert sentence.strip() in details(line).replace("\n", " ")


def test_the_details_have_the_names_of_the_users_framework(mismatching):
    use_names("pytorch")
    judged = evaluated(mismatching)
    cause = Cause("no-h2h-bias", Where(layers=(0,), directions=(1,), parameters=("h2h_bias",)))
    assert judged.judgment is not None
    placed = replace(judged, judgment=replace(judged.judgment, found={"manual": (cause,)}))
    try:
        assert "(bias_hh_l0_reverse)" in plain(dict(verdict_facts(placed, "manual"))["Details"])
    finally:
        use_names("gluon")
