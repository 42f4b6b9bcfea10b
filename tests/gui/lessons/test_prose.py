"""How a step's text is set."""

from rnnviz.gui.lessons.prose import Prose, kept_together


def test_an_equation_stays_on_one_line(qtbot):
    assert kept_together("at t = 5, so") == "at t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}5, so"
    assert kept_together("a == b") == "a == b"
    prose = Prose()
    qtbot.addWidget(prose)
    prose.show_markdown("Look at **t = 12**.")
    assert "t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}12" in prose.document().toRawText()
    prose.close()
