"""How a step's text is set."""

from PySide6.QtGui import QTextDocument, QTextDocumentFragment

from rnnviz.gui.lessons.lesson_text import LessonText, label_html, plain, typeset
from rnnviz.gui.theme.fonts import CODE_FAMILY


def test_an_equation_stays_on_one_line(qtbot):
    assert typeset("at t = 5, so") == "at t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}5, so"
    assert typeset("a == b") == "a == b"
    prose = LessonText()
    qtbot.addWidget(prose)
    prose.show_markdown("Look at **t = 12**.")
    assert "t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}12" in prose.document().toRawText()
    prose.close()


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


def test_a_link_differs_by_more_than_its_color(qtbot):
    prose = LessonText()
    qtbot.addWidget(prose)
    prose.show_markdown("See [the seed](part:panel.parameters) there.")
    found = prose.document().find("the seed", 0)
    assert found.charFormat().isAnchor()
    assert found.charFormat().fontUnderline()
    assert not prose.document().find("See", 0).charFormat().fontUnderline()
    prose.close()


def test_lines_of_code_are_never_cut(qtbot):
    prose = LessonText()
    qtbot.addWidget(prose)
    prose.show_markdown("Add:\n\n```\nx[t=0, i=0]    0.983 ×  0.126 =  0.124\nb_i2h   0.5\n```\n\nDone.")
    sizes = []
    for width in (600, 220, 600):
        prose.resize(width, 300)
        prose.show()
        assert prose.document().size().width() <= prose.viewport().width()
        sizes.append(prose.document().find("0.983").charFormat().fontPointSize())
    # The text has its usual size again with enough room.
    assert sizes[1] < sizes[0] == sizes[2]
    assert prose.document().find("Done").charFormat().fontPointSize() in (0.0, prose.font().pointSizeF())
    prose.close()
