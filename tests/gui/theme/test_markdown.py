"""Markdown in the window's font and colors."""

import gc

import pytest
from PySide6.QtGui import QTextCursor, QTextFrame, QTextTable
from PySide6.QtWidgets import QTextBrowser

from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.markdown import show_markdown
from rnnviz.gui.theme.palettes import DARK

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
