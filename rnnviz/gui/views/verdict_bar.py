"""The verdict: one line where engines agree; where one is wrong the pattern, the cause and its proof, too."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name, is_own
from rnnviz.core.masks import VERDICT, Mask, masks_any
from rnnviz.core.number_format import true_minus_in
from rnnviz.core.trace_index import Location
from rnnviz.execution.events import Stage, StageKind
from rnnviz.gui.tab_order import OVERLAY, UNFOLDED
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.verdict_facts import agreement, both_passes, gradient_facts, verdict_facts, wrong_facts
from rnnviz.gui.views.base import ResultView, across, down
from rnnviz.gui.views.labels import NOTE_GAP, ElidedLabel, LinkLabel, markup
from rnnviz.text.verdict_details import covered
from rnnviz.text.verdict_text import (
    UNDETECTABLE,
    Text,
    TextPart,
    VerdictWords,
    fill,
    gradient_words,
    plain,
    verdict_sentence,
)
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict


def link_button(text: str, why: str) -> QToolButton:
    """A button that looks like a link: it navigates and changes nothing."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(wrapped(why))
    button.setAccessibleName(text)
    button.setAccessibleDescription(why)
    button.setProperty("link", True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button


_LOOKS = {
    "agree": ("check", "right", "right_surface", "right_line"),
    "blind": ("check-but", "doubtful", "doubtful_surface", "doubtful"),
    "drift": ("warning", "doubtful", "doubtful_surface", "doubtful"),
    "disagree": ("cross", "wrong", "wrong_surface", "wrong_line"),
    "stale": ("clock", "muted", "base", "border"),
    "auditing": ("clock", "accent", "raised", "border"),
    "running": ("clock", "accent", "raised", "border"),
    "error": ("warning", "wrong", "wrong_surface", "wrong_line"),
    "empty": ("info", "muted", "raised", "border"),
}
"""Icon, its color, the surface and the line around it, by the state of the bar."""
_ICON, _MARGIN, _LEAST_HEIGHT = 18, 12, 36
_LINKS = Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
_ROW = (
    '<tr><td style="color:{color}; padding-right:16px; white-space:nowrap">{heading}</td>'
    '<td width="100%" style="padding-bottom:2px">{text}</td></tr>'
)
_AUDITING = TextPart(" · auditing…")

_STATES = {
    StageKind.AUDITING: "Checking {engine} step by step…",
    StageKind.DIAGNOSING: "Searching for the likely cause in {engine}…",
    StageKind.TESTING_BUGS: "Searching for undetectable bugs…",
    StageKind.AUDITING_GRADIENTS: "Checking the gradients of {engine} step by step…",
}
_RUNNING = "*Running*: {stage}"
_PREVIOUS = "Previous run: {verdict}"
_CORRECT = "Correct the file (Ctrl+E opens it) and save it; then it runs again."
_AGAIN = "Press F5 to try again."
_WITHOUT = "Compares the other engines, without {engine}. Undo adds it again."
_SIZES = "Reruns with the sizes in the file: {change}. Undo restores the previous sizes."
_EMPTY = "*No results yet.* Press Run (F5) to compute the network with every engine and compare the results."
_ASKED = "*?* The question asks for the verdict."
_OUT_OF_DATE = "Out of date: "
_STALE = f"*{_OUT_OF_DATE.strip()}* "
_STALE_NOTE = "Press F5 to update."
_AUDIT_ALL = "{share} of the values were checked. Rerun and check all of them (may take long)."
_SHOW_ME = "Selects the first mismatch and shows its arithmetic; without one, lists the undetectable bugs."
_REMEDY = "Reruns with this change of the settings: {change}. More known bugs then become detectable."


class _RichText(LinkLabel):
    """A text with links that takes the keyboard only for these."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(_LINKS)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(name)
        # A long sentence does not widen the window: it wraps.
        self.setMinimumWidth(1)


class _Rows(_RichText):
    """Rows of a heading and a text, whose links lead to places."""

    location_requested = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._heading = name
        self.setWordWrap(True)
        self.plain = ""
        """All rows as plain text."""
        self._places: list[Location | None] = []
        self.linkActivated.connect(lambda link: self.location_requested.emit(self._places[int(link)]))

    def show_rows(self, rows: Sequence[tuple[str, Text]], theme: Theme) -> None:
        self._places = []
        self.plain = "\n".join(f"{heading}: {plain(parts).strip()}" for heading, parts in rows)
        cells = ""
        for heading, parts in rows:
            text = markup(parts, theme, len(self._places)).strip().replace("\n", "<br>")
            cells += _ROW.format(color=theme.muted, heading=heading, text=text)
            self._places += [part.where for part in parts if part.where is not None or part.act]
        self.setText(f'<table cellspacing="0" cellpadding="0">{cells}</table>' if rows else "")
        self.setAccessibleName(self.plain or self._heading)
        self.offer_links(any(where is not None for where in self._places))


class VerdictBar(ResultView):
    """The verdict, which is the worse one of those on the hidden states and on the gradients.

    It shows the first that applies: a run is active (its result is being audited, or not there yet); a run failed;
    there is no result; the result is out of date; the verdict. A new result ends the message of a failure. *Details*
    unfolds the rest over the views below, so that none of them moves. Its methods are one for each of these cases and
    for each control.
    """

    help_page = "verdicts"
    title = "Verdict"
    follows_hidden = True

    next_requested = Signal()
    previous_requested = Signal()
    full_audit_requested = Signal()
    """The user asks for an audit of every step."""
    explanation_wanted = Signal()
    """The user asks how the selected value is computed."""
    remedy_requested = Signal(object)
    """The user asks for a run of another config: one in which more known bugs are detectable, or an error is mended."""
    clicked = Signal()
    """The bar was clicked, but no link or button in it."""
    undetectable_requested = Signal()
    """The user asks for the list of undetectable bugs."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._icons = Icons(LIGHT)
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self.words: VerdictWords | None = None
        self._sentence: Text = ()
        self._briefly: tuple[Text, str] = (), ""
        """The verdict in a sentence with its note: an agreement in one line, as *Details* has the rest."""
        self._shown_array = "h"
        self._stale = self._asked = False
        self._fitted: tuple[int, int, bool] | None = None
        """The width of the bar and of what is next to the sentence, and whether there are several lines."""
        self._stage: Stage | None = None
        self._error: str | None = None
        self._failed_engine = ""
        self._others: Config | None = None
        self._with_sizes: Config | None = None
        self.state = "empty"
        """ "agree", "blind", "drift", "disagree", "stale", "auditing", "running", "error" or "empty"."""
        self._icon = QLabel()
        self.brief = ElidedLabel()
        """The sentence, for the status bar while the bar is not shown."""
        self._text = _RichText("Verdict")
        self._text.linkActivated.connect(self._on_link)
        self._note = ElidedLabel()
        self.muted = (self._note, self.brief)
        self._rows = _Rows("Pattern, cause and proof")
        self._rows.location_requested.connect(self.location_requested)
        for clickable in (self._text, self._rows):
            clickable.clicked.connect(self._on_click)
        self._previous = self._button("Previous", "Select the difference before the selected value (P).")
        self._next = self._button("Next difference", "Select the difference after the selected value (N).")
        self._next.setDefault(True)
        self._audit_all = self._button("Run full audit", "")
        self._remedy = self._button("Change and rerun", "")
        self.without_button = self._button("Run without it", "")
        self._sizes = self._button("Use its sizes", "")
        self._dismiss = self._button("Dismiss", "Close this message and show the verdict of the last result.")
        for button, asked in (
            (self._previous, self.previous_requested.emit),
            (self._next, self.next_requested.emit),
            (self._audit_all, self.full_audit_requested.emit),
            (self._remedy, self._ask_for_remedy),
            (self.without_button, lambda: self.remedy_requested.emit(self._others)),
            (self._sizes, lambda: self.remedy_requested.emit(self._with_sizes)),
            (self._dismiss, lambda: self.show_error(None)),
        ):
            button.clicked.connect(lambda _checked=False, asked=asked: asked())
        self._fold = QToolButton()
        self._fold.setObjectName("details")
        # Qt leaves no gap between a text and an arrow.
        self._fold.setText("Details\N{NO-BREAK SPACE}")
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._fold.setAccessibleName("Verdict details")
        self._fold.setToolTip("Show or hide the whole verdict (V).")
        self._fold.clicked.connect(self._on_click)
        self.details = self._make_details()
        self.details.setProperty(OVERLAY, True)
        self.setProperty(UNFOLDED, self.details)
        buttons = across(*self._buttons, self._fold, spacing=8)
        first = self._first = across(self._icon, self._text, (self._note, 1), buttons, spacing=8)
        indent = across(scaled(_ICON) + 8, (self._rows, 1), spacing=0)
        self.setLayout(down(first, indent, margins=(_MARGIN, 3, 8, 3), spacing=4))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._compose()

    @property
    def text(self) -> str:
        """The sentence with its rows, as plain text."""
        return "\n".join((plain(self._sentence), *self._rows.plain.splitlines()))

    @property
    def _buttons(self) -> tuple[QPushButton, ...]:
        offers = self._audit_all, self._remedy, self.without_button, self._sizes
        return self._previous, self._next, *offers, self._dismiss

    def _button(self, text: str, why: str) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(text)
        _explain(button, why)
        return button

    def toggle_details(self) -> None:
        """Unfold the whole verdict over the views below the bar, or fold it."""
        unfolded = self.details.isHidden()
        if self.details.parentWidget() is not self.window():
            self.details.setParent(self.window())
        self.details.setVisible(unfolded)
        self._show_facts()

    def fold(self) -> None:
        """Uncover the views below the bar."""
        if not self.details.isHidden():
            self.toggle_details()

    def copy_text(self) -> str:
        if self.words is None:
            return plain(self._sentence)
        if self.state in ("running", "error"):
            return f"{plain(self._sentence)}\n{_PREVIOUS.format(verdict=self.words)}\n"
        return "\n".join((f"{_OUT_OF_DATE * (self.state == 'stale')}{self.words}", *self.words.notes)) + "\n"

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._error = None
        self._result = result
        self._candidate = candidate
        self.words = None
        if result is not None and not self._asked:
            gradients = gradient_words(result, candidate)
            words = self.words = both_passes(verdict_sentence(result, candidate), gradients)
            self._briefly = words.sentence, NOTE_GAP.join(words.notes)
            if candidate is not None and words.verdict is Verdict.AGREE:
                self._briefly = agreement(result, candidate, words, gradients)
        self._compose()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._asked = masks_any(masked, VERDICT)
        self.show_result(self._result, self._candidate)

    def follow_array(self, name: str) -> bool:
        """Take the array of the lanes, whose first mismatch is selected. The verdict stays."""
        self._shown_array = name
        return False

    def show_stale(self, stale: bool) -> None:
        """Mark the result as out of date, or as current."""
        self._stale = stale
        self._compose()

    def show_running(self, stage: Stage | None) -> None:
        """Show the stage of a run; None: the run has ended."""
        if stage is not None:
            self._error = None
        self._stage = stage
        self._compose()

    def show_error(self, sentence: str | None) -> None:
        """Show the message of a failed run; None removes it."""
        if sentence is not None:
            self._stage = None
        self._error = sentence
        self._failed_engine, self._others, self._with_sizes = "", None, None
        self._compose()

    def show_failed_engine(self, engine: str, others: Config | None) -> None:
        """Say what to do about the engine that the shown error is of; `others` is the config without it, if any."""
        self._failed_engine, self._others = engine, others
        _explain(self.without_button, _WITHOUT.format(engine=display_name(engine)))
        self._compose()

    def offer_sizes(self, config: Config, change: str) -> None:
        """Offer the config with the sizes of the file that the shown error is of; `change` says them in words."""
        self._with_sizes = config
        _explain(self._sizes, _SIZES.format(change=change))
        self._compose()

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._theme = theme
        self._icons = Icons(theme)
        self._compose()

    def _compose(self) -> None:
        words = self.words
        last = "" if words is None else str(words)
        if words is not None and self._being_audited:
            assert self._stage is not None
            follows = _STATES[self._stage.kind].format(engine=display_name(self._stage.engine))
            self._show_text("auditing", (*words.sentence, _AUDITING), follows)
        elif self._stage is not None:
            self._show_text("running", fill(_RUNNING, stage=str(self._stage)), last and _PREVIOUS.format(verdict=last))
        elif self._error is not None:
            shown = last and _PREVIOUS.format(verdict=last)
            name = self._failed_engine
            # A path would take the room of the advice; the unfolded part has it.
            error = self._error.replace(name, display_name(name)) if name else self._error
            self._show_text("error", (TextPart(error),), NOTE_GAP.join(filter(None, (self._advice, shown))))
        elif words is None:
            self._show_text("empty", fill(_EMPTY if self._result is None else _ASKED), "")
        elif self._stale:
            self._show_text("stale", (*fill(_STALE), *self._briefly[0]), _STALE_NOTE)
        else:
            self._show_verdict(words)
        settled = self.state not in ("running", "error", "empty")
        mismatched = words is not None and words.first_mismatch is not None
        for button in (self._previous, self._next):
            button.setVisible(settled and mismatched)
        self._dismiss.setVisible(self.state == "error")
        self._show_facts()
        evaluated = words if settled and self.state not in ("stale", "auditing") else None
        self._show_offers(evaluated)
        self._fit_height()

    def _show_verdict(self, words: VerdictWords) -> None:
        sentence, note = self._briefly
        rows: tuple[tuple[str, Text], ...] = ()
        if words.look == "disagree" and self._result is not None:
            sentence, rows = wrong_facts(self._result, self._candidate, words)
        self._show_text(words.look, sentence, "" if rows else note, rows)

    @property
    def _advice(self) -> str:
        """The way out of an error of an engine."""
        if not self._failed_engine:
            return ""
        return _CORRECT if is_own(self._failed_engine) else _AGAIN

    @property
    def _being_audited(self) -> bool:
        unjudged = self._result is not None and self._result.judgment is None
        return unjudged and self._stage is not None and self._stage.after_computed

    def _make_details(self) -> QWidget:
        self.facts = _Rows("Where, since when and likely cause")
        self.facts.location_requested.connect(self._go_to_fact)
        self._show_me = self._button("Show me", _SHOW_ME)
        self._show_me.setObjectName("show_me")
        self._show_me.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._show_me.clicked.connect(self._show_fault)
        details = QFrame(self)
        details.setObjectName("verdict_details")
        details.setAccessibleName("Verdict details")
        details.setLayout(down(self.facts, self._show_me, margins=(_MARGIN + _ICON + 8, 8, 8, 8)))
        details.hide()
        return details

    def _show_facts(self) -> None:
        """Fill the unfolded part. While it is folded nothing is composed."""
        folded = self.details.isHidden()
        self._fold.setArrowType(Qt.ArrowType.DownArrow if folded else Qt.ArrowType.UpArrow)
        self._fold.setAccessibleDescription("folded" if folded else "unfolded")
        if folded:
            return
        facts: list[tuple[str, Text]] = []
        if self.state in ("error", "running", "empty"):
            full = self._sentence if self._error is None else (TextPart(self._error),)
            facts.append((self.state.capitalize(), full))
        if self.state == "error" and self._advice:
            facts.append(("Advice", (TextPart(self._advice),)))
        if self.state in ("error", "stale") and self._result is not None:
            facts.append(("Out of date", (TextPart(_STALE_NOTE),)))
        if self._result is not None:
            both = verdict_facts(self._result, self._candidate) + gradient_facts(self._result, self._candidate)
            # A sentence that the bar shows is not repeated.
            facts += [fact for fact in both if fact[1] != self._sentence]
        self.facts.show_rows(facts, self._theme)
        words = self.words
        self._show_me.setVisible(words is not None and (words.first_mismatch is not None or bool(words.blind)))
        surface, line = (self._theme.color(role).name() for role in _LOOKS[self.state][2:])
        self.details.setStyleSheet(f"#verdict_details {{ background: {surface}; border: 1px solid {line}; }}")
        self._place_details()

    def _place_details(self) -> None:
        """Put the unfolded part below the bar, over its neighbors, so that none of them moves."""
        around = self.details.parentWidget()
        if self.details.isHidden() or around is None:
            return
        place = self.mapTo(around, QPoint(0, self.height()))
        layout = self.details.layout()
        assert layout is not None
        height = min(layout.totalHeightForWidth(self.width()), around.height() - place.y())
        self.details.setGeometry(QRect(place, QSize(self.width(), height)))
        self.details.raise_()

    def _go_to_fact(self, where: Location | None) -> None:
        self.fold()
        self.location_requested.emit(where)

    def _show_fault(self) -> None:
        """Show how the first mismatch is computed, or the undetectable bugs, and uncover the views."""
        self.toggle_details()
        if self.words is not None and self.words.first_mismatch is not None:
            self.go_to_first()
            self.explanation_wanted.emit()
        else:
            self.undetectable_requested.emit()

    def _on_click(self) -> None:
        self.toggle_details()
        self.clicked.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self._on_click()

    def _show_offers(self, words: VerdictWords | None) -> None:
        coverage = None if words is None else words.coverage
        self._audit_all.setVisible(coverage is not None and coverage < 1.0)
        if coverage is not None and coverage < 1.0:
            _explain(self._audit_all, _AUDIT_ALL.format(share=covered(coverage)))
        remedy = "" if words is None else words.remedy
        self._remedy.setVisible(bool(remedy))
        self.without_button.setVisible(self.state == "error" and self._others is not None)
        self._sizes.setVisible(self.state == "error" and self._with_sizes is not None)
        if remedy:
            _explain(self._remedy, _REMEDY.format(change=remedy))

    def _show_text(self, state: str, sentence: Text, note: str, rows: Sequence[tuple[str, Text]] = ()) -> None:
        self.state, self._sentence = state, sentence
        icon, color, *_ = _LOOKS[state]
        self._icon.setPixmap(self._icons.colored(icon, color).pixmap(scaled(_ICON), scaled(_ICON)))
        self._text.setText(markup(sentence, self._theme))
        self._text.setAccessibleName(plain(sentence))
        self._text.offer_links(any(part.where is not None or part.act for part in sentence))
        self._note.setText(true_minus_in(note))
        self.brief.setText("" if state in ("empty", "running") else plain(sentence))
        self._rows.show_rows(rows, self._theme)
        self._rows.setVisible(bool(rows))
        spoken = self.words is not None and state not in ("error", "running", "auditing")
        notes = self.words.notes if self.words is not None and spoken else (note,)
        self.setToolTip(wrapped(true_minus_in("\n".join((plain(sentence), *notes)).strip())))
        self.setAccessibleName(f"{self.title}: {plain(sentence)}")
        self.setAccessibleDescription(" ".join((*self._rows.plain.splitlines(), *notes)))
        self.update()

    def _on_link(self, link: str) -> None:
        part = [part for part in self._sentence if part.where is not None or part.act][int(link)]
        if part.act == UNDETECTABLE:
            self.undetectable_requested.emit()
        else:
            self.location_requested.emit(part.where)

    def _ask_for_remedy(self) -> None:
        judgment = None if self._result is None else self._result.judgment
        if judgment is not None and judgment.remedy is not None:
            self.remedy_requested.emit(judgment.remedy)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_height()
        self._place_details()

    def _fit_height(self) -> None:
        """Wrap a sentence that does not fit, and take the height that it needs then."""
        layout = self.layout()
        assert layout is not None
        if self._text.wordWrap():
            self._text.setWordWrap(False)
        fixed = scaled(_ICON) + 2 * _MARGIN + self._fold.sizeHint().width() + 16
        fixed += sum(button.sizeHint().width() + 8 for button in self._buttons if not button.isHidden())
        room = self.width() - fixed
        wraps = self._text.sizeHint().width() > room
        fitted, self._fitted = self._fitted, (self.width(), fixed, wraps or not self._rows.isHidden())
        if fitted == self._fitted and not fitted[-1]:
            # Another line of text is as high as the one before.
            return
        self._text.setWordWrap(wraps)
        # Lines of a sentence are as long as they can be.
        self._first.setStretchFactor(self._text, 4 if wraps else 0)
        layout.invalidate()
        layout.activate()
        self.setFixedHeight(max(layout.totalHeightForWidth(self.width()), scaled(_LEAST_HEIGHT)))
        # Qt loses the event of a size that is set while a bar is shown for the first time.
        layout.setGeometry(self.rect())

    def go_to_first(self) -> None:
        """Select the first mismatch of a gradient that the lanes show, else the one of the verdict."""
        if self._result is None or self._candidate is None or self.words is None:
            return
        shown = self._result.comparison(self._candidate).mismatching(self._shown_array)
        first = None if self._shown_array == "h" else shown.first_mismatch
        where = self.words.first_mismatch if first is None else first.where
        if where is not None:
            self.location_requested.emit(where)

    def paintEvent(self, event: QPaintEvent) -> None:
        *_, surface, line = _LOOKS[self.state]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        style = Qt.PenStyle.DashLine if self.state == "stale" else Qt.PenStyle.SolidLine
        painter.setPen(QPen(self._theme.color(line), 1.0, style))
        painter.setBrush(self._theme.color(surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()


def _explain(button: QPushButton, why: str) -> None:
    button.setToolTip(wrapped(why))
    button.setAccessibleDescription(why)
