"""Sentence with links, in a fixed height of two lines."""

from html import escape

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QTextDocument
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.focus_frame import LinkLabel
from rnnviz.text.verdict_text import TextPart, plain

_PADDING = 5
_MORE = TextPart(" …")


class LinkedText(QWidget):
    """Shows a sentence on one line with a muted line below, or a longer sentence on two lines.

    A sentence that does not fit on two lines is replaced by its brief form, or by as many parts of it as fit.
    """

    location_requested = Signal(object)
    act_requested = Signal(str)
    """The action name of a followed link that leads to no location."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sentence: tuple[TextPart, ...] = ()
        self._brief: tuple[TextPart, ...] = ()
        self._secondary = ""
        self._complete = True
        self._links: list[TextPart] = []
        self._theme = LIGHT
        self._primary = LinkLabel(self)
        self._primary.setTextFormat(Qt.TextFormat.RichText)
        self._primary.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._primary.linkActivated.connect(self._follow)
        self._primary.linkHovered.connect(self._explain)
        self.clicked = self._primary.clicked
        self._beneath = QLabel(self)
        self._beneath.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.apply_theme(LIGHT)

    @property
    def text(self) -> str:
        """The whole sentence, even if it does not fit."""
        return plain(self._sentence)

    @property
    def complete(self) -> bool:
        """Whether the whole sentence fits."""
        return self._complete

    @property
    def shown(self) -> str:
        """The visible text: the sentence, and the muted line if it is visible."""
        document = QTextDocument()
        document.setHtml(self._primary.text())
        lines = [document.toPlainText()] + ([self._beneath.text()] if not self._beneath.isHidden() else [])
        return "\n".join(lines)

    def show_text(self, sentence: tuple[TextPart, ...], brief: tuple[TextPart, ...], secondary: str) -> None:
        """Set the sentence, its `brief` form, and the `secondary` muted line, which is hidden first."""
        self._sentence, self._brief, self._secondary = sentence, brief, secondary
        self._primary.setAccessibleName(plain(sentence))
        self._fit()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        self._beneath.setPalette(palette)
        self._primary.setPalette(theme.palette())
        self._fit()

    def sizeHint(self) -> QSize:
        return QSize(400, self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self._height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()

    def _height(self) -> int:
        return 2 * self._line() + 2 * _PADDING

    def _line(self) -> int:
        # Rich text rounds each line up.
        return self.fontMetrics().lineSpacing() + 1

    def _fit(self) -> None:
        width = self.width()
        ends = range(len(self._brief) - 1, 0, -1)
        for parts in (self._sentence, self._brief, *((*self._brief[:end], _MORE) for end in ends)):
            markup = self._markup(parts)
            lines = self._lines(markup, width)
            if lines <= 2:
                self._complete = parts is self._sentence
                break
        else:
            self._complete = False
            room = int(1.8 * width)
            text = self.fontMetrics().elidedText(plain(self._brief), Qt.TextElideMode.ElideRight, room)
            markup, lines = escape(text), 2
        self._primary.setText(markup)
        self._primary.setWordWrap(lines > 1)
        self._primary.offer_links(bool(self._links))
        beneath = self.fontMetrics().elidedText(self._secondary, Qt.TextElideMode.ElideRight, width)
        self._beneath.setText(beneath)
        self._beneath.setVisible(lines == 1 and bool(self._secondary))
        line, height = self._line(), self.height()
        if lines > 1 or not self._secondary:
            self._primary.setGeometry(0, 0, width, height)
            return
        top = (height - 2 * line) // 2
        self._primary.setGeometry(0, top, width, line)
        self._beneath.setGeometry(0, top + line, width, line)

    def _markup(self, parts: tuple[TextPart, ...]) -> str:
        self._links = [part for part in parts if part.where is not None or part.act]
        return markup(parts, self._theme)

    def _lines(self, markup: str, width: int) -> int:
        document = QTextDocument()
        document.setDocumentMargin(0)
        document.setDefaultFont(self.font())
        document.setHtml(markup)
        if document.idealWidth() <= width - 2:
            return 1
        document.setTextWidth(width - 2)
        return 2 if document.size().height() <= 2 * self._line() + 2 else 3

    def _follow(self, link: str) -> None:
        part = self._links[int(link)]
        if part.where is not None:
            self.location_requested.emit(part.where)
        else:
            self.act_requested.emit(part.act)

    def _explain(self, link: str) -> None:
        """Show the tooltip of the link under the pointer, or else the parent's."""
        self._primary.setToolTip(wrapped(wrapped(self._links[int(link)].tip) if link else ""))


def markup(parts: tuple[TextPart, ...], theme: Theme, first: int = 0) -> str:
    """The HTML of a text. Its links are numbered from `first` on."""
    pieces, number = [], first
    for part in parts:
        # A line must not end within "t = 11".
        text = escape(part.text).replace(" = ", "&nbsp;=&nbsp;")
        if part.where is not None or part.act:
            text = f'<a href="{number}" style="color:{theme.accent}">{text}</a>'
            number += 1
        pieces.append(f"<b>{text}</b>" if part.strong else text)
    return "".join(pieces)
