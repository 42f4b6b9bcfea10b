"""Markdown in the window's font and colors, how the text of a lesson is set, and lines of tooltips."""

import gc

import pytest
from PySide6.QtGui import QTextCursor, QTextFrame, QTextTable
from PySide6.QtWidgets import QTextBrowser

from rnnviz.gui.lessons.lesson_text import LessonText, typeset
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.markdown import show_markdown
from rnnviz.gui.theme.palettes import DARK
from rnnviz.gui.tooltips import wrapped

TEXT = """
# Head

Words with `code` and a [link](there).

## Next

| key | does |
| --- | --- |
""" + "\n".join(f"| `{key}` | this |" for key in range(40))


@pytest.mark.slow
def test_earlier_pages_leave_no_objects(qtbot):
    browser = QTextBrowser()
    qtbot.addWidget(browser)

    def frames():
        show_markdown(browser, TEXT + "\nEnd\n\n" + TEXT, DARK, surface="base")
        gc.collect()
        # Not isinstance, which asks for `__class__`: a deprecated class of torch warns then.
        return sum(issubclass(type(found), QTextFrame) for found in gc.get_objects())

    first = frames()
    assert {frames() for _ in range(3)} == {first}
    tables = [frame for frame in browser.document().rootFrame().childFrames() if isinstance(frame, QTextTable)]
    assert [table.format().border() for table in tables] == [1.0, 1.0]


def test_code_is_in_the_fixed_font_on_a_surface_and_links_are_underlined(qtbot):
    browser = QTextBrowser()
    qtbot.addWidget(browser)
    show_markdown(browser, TEXT, DARK, surface="base")

    def look(word):
        cursor: QTextCursor = browser.document().find(word)
        assert not cursor.isNull(), word
        return cursor.charFormat()

    assert look("code").fontFamilies() == look("39").fontFamilies() == code_font().families()
    assert look("39").background().color() == DARK.color("raised")
    assert look("Words").fontFamilies() != code_font().families()
    assert look("link").fontUnderline()
    assert not look("Words").fontUnderline()


def test_numbers_have_true_minus_signs_but_indices_and_copies_do_not(qtbot):
    assert typeset("c = -1.354 and 6.8e-6") == "c\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}\u22121.354 and 6.8e\u22126"
    assert typeset("-0.002 - 0.434, e^-0.381") == "\u22120.002 \u2212 0.434, e^\u22120.381"
    assert typeset("`out[:, -1]` of no-h2h-bias\n- 3 units") == "`out[:, -1]` of no-h2h-bias\n- 3 units"
    prose = LessonText("Text")
    qtbot.addWidget(prose)
    prose.show_markdown("It is -0.342.")
    assert prose.toPlainText() == "It is \u22120.342."
    prose.selectAll()
    assert prose.createMimeDataFromSelection().text() == "It is -0.342."


def test_long_lines_of_a_tooltip_are_wrapped_at_spaces():
    text = f"{'ab ' * 30}end\nkeeps-its-hyphen {'x' * 80} y"
    assert wrapped(text).split("\n") == [" ".join(["ab"] * 23), "ab " * 7 + "end", "keeps-its-hyphen", "x" * 80, "y"]
    assert wrapped("a b c\nd") == "a b c\nd"
