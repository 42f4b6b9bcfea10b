"""How a step's text is set."""

from PySide6.QtGui import QTextDocument, QTextDocumentFragment

from rnnviz.gui.lessons.lesson_text import LessonText, label_html, plain, typeset
from rnnviz.gui.theme.fonts import CODE_FAMILY


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


def test_a_statement_has_the_marks_of_markdown_in_its_look_alone(qtbot):
    text = "`out[:, -1]` of *cat* has x < 1."
    label = QTextDocumentFragment.fromHtml(label_html(text))
    assert label.toPlainText() == plain(text) == "out[:, -1] of cat has x < 1."
    document = QTextDocument()
    document.setHtml(label_html(text))
    assert document.find("out").charFormat().fontFamilies() == [CODE_FAMILY]
    assert document.find("cat").charFormat().fontItalic()
    assert not document.find("has").charFormat().fontItalic()
