"""How a step's text is set."""

from rnnviz.gui.lessons.lesson_text import LessonText, typeset


def test_numbers_have_true_minus_signs_but_indices_and_copies_do_not(qtbot):
    assert typeset("c = -1.354 and 6.8e-6") == "c\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}\u22121.354 and 6.8e\u22126"
    assert typeset("-0.002 - 0.434, e^-0.381") == "\u22120.002 \u2212 0.434, e^\u22120.381"
    assert typeset("`out[:, -1]` of no-h2h-bias\n- 3 units") == "`out[:, -1]` of no-h2h-bias\n- 3 units"
    prose = LessonText()
    qtbot.addWidget(prose)
    prose.show_markdown("It is -0.342.")
    assert prose.toPlainText() == "It is \u22120.342."
    prose.selectAll()
    assert prose.createMimeDataFromSelection().text() == "It is -0.342."
