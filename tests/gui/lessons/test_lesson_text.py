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
