"""Markdown in the window's font and colors."""

from PySide6.QtGui import QTextCursor
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


def test_a_page_is_laid_out_a_few_times_and_not_for_every_line(qtbot):
    browser = QTextBrowser()
    qtbot.addWidget(browser)
    changes = []
    browser.document().contentsChanged.connect(lambda: changes.append(True))
    show_markdown(browser, TEXT, DARK, surface="base")
    assert 0 < len(changes) <= 6


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
