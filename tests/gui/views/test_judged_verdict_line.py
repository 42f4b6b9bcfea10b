"""The verdict strip once every step is audited: who is wrong, what stayed hidden, and what to do about it."""

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from rnnviz.execution.events import Stage, StageKind
from rnnviz.gui.verdict_facts import verdict_facts
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.text.verdict_text import plain, verdict_sentence
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.shown import details
from tests.gui.views.verdicts import CAUSES, PLACE, button, evaluated, shown


def sentence_label(line: VerdictBar) -> QLabel:
    return next(w for w in line.findChildren(QLabel) if "href" in w.text())


def test_the_audit_names_the_wrong_engine_and_the_likely_cause(qtbot, line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(evaluated(mismatching), "manual")
    assert line.state == "disagree"
    assert str(PLACE) in line.text
    assert CAUSES["no-h2h-bias"] in line.text
    with qtbot.waitSignal(line.location_requested) as asked:
        sentence_label(line).linkActivated.emit("0")
    assert asked.args == [PLACE]
    assert button(line, "next").isVisible()


def test_a_result_that_is_being_audited_is_shown_with_its_links(line: VerdictBar, mismatching: RunResult) -> None:
    line.show_result(mismatching, "manual")
    line.show_running(Stage(StageKind.AUDITING, "gluon"))
    assert line.state == "auditing"
    assert line.text.startswith("manual differs from gluon")
    assert line.text.endswith("auditing…")
    assert "gluon step by step" in shown(line)
    assert button(line, "next").isVisible()
    line.show_result(evaluated(mismatching), "manual")
    line.show_running(None)
    assert line.state == "disagree"
    line.show_running(Stage(StageKind.COMPUTING, "gluon"))
    assert line.state == "running"


def test_a_sampled_audit_shows_its_coverage_and_offers_the_rest(qtbot, line: VerdictBar) -> None:
    line.show_result(evaluated(make_result(batch_size=50), coverage=0.38), "manual")
    assert line.state == "agree"
    assert "38% of the values" in shown(line)
    assert "38% of the values" in button(line, "Run full audit").toolTip()
    with qtbot.waitSignal(line.full_audit_requested):
        qtbot.mouseClick(button(line, "Run full audit"), Qt.MouseButton.LeftButton)
    line.show_result(evaluated(make_result()), "manual")
    assert not button(line, "Run full audit").isVisible()


def test_a_blind_agreement_differs_in_icon_and_text(line: VerdictBar) -> None:
    line.show_result(evaluated(make_result(num_layers=2)), "manual")
    proven, icon = line.text, line.findChild(QLabel).pixmap().toImage()
    line.show_result(evaluated(make_result(num_layers=2), blind=True), "manual")
    assert line.state == "blind"
    assert "2 known bugs" in line.text
    assert proven.startswith("gluon and manual agree: ")
    assert line.findChild(QLabel).pixmap().toImage() != icon


def test_the_smallest_change_that_would_reveal_more_is_a_button(qtbot, line: VerdictBar) -> None:
    result = evaluated(make_result(), blind=True)
    line.show_result(result, "manual")
    remedy = button(line, "Change and rerun")
    assert "use zero biases" in remedy.toolTip()
    with qtbot.waitSignal(line.remedy_requested) as asked:
        qtbot.mouseClick(remedy, Qt.MouseButton.LeftButton)
    assert result.judgment is not None
    assert asked.args == [result.judgment.remedy]
    line.show_result(evaluated(make_result(), blind=True, cure=False), "manual")
    assert not remedy.isVisible()
    assert "2 known bugs" in line.text


def test_a_click_unfolds_where_since_when_and_why_over_the_neighbors(qtbot, mismatching: RunResult) -> None:
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
    before = below.geometry(), line.height()
    assert details(line) == ""
    with qtbot.waitSignal(line.clicked):
        qtbot.mouseClick(line, Qt.MouseButton.LeftButton, pos=QPoint(3, 10))
    assert {name: plain(text) for name, text in verdict_facts(evaluated(mismatching), "manual")}["Where"] == str(PLACE)
    for fact in (
        str(PLACE),
        "1 of 5 time steps",
        CAUSES["no-h2h-bias"],
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
    assert CAUSES["h2h-transposed"] in details(line)
    with qtbot.waitSignal(line.undetectable_requested):
        panel.findChild(QPushButton).click()
    line.toggle_details()
    sentence = "The disk is full. " * 40
    line.show_error(sentence)
    assert sentence.strip() in details(line).replace("\n", " ")
