"""How a step's text is set."""

from rnnviz.gui.lessons.lesson_text import LessonText, no_break


def test_an_equation_stays_on_one_line(qtbot):
    assert no_break("at t = 5, so") == "at t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}5, so"
    assert no_break("a == b") == "a == b"
    prose = LessonText()
    qtbot.addWidget(prose)
    prose.show_markdown("Look at **t = 12**.")
    assert "t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}12" in prose.document().toRawText()
    prose.close()


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
