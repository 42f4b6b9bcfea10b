"""The verdict banner: the verdict, its details, and the state of the run."""

from typing import Self

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name, is_own
from rnnviz.core.number_format import true_minus_in
from rnnviz.core.trace_index import Location
from rnnviz.execution.events import Stage, StageKind
from rnnviz.gui.tab_order import OVERLAY, UNFOLDED
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.verdict_facts import both_passes, gradient_facts, verdict_facts
from rnnviz.gui.views.base import ResultView, across
from rnnviz.gui.views.labels import NOTE_GAP, LinkedText, LinkLabel, markup
from rnnviz.text.verdict_details import covered
from rnnviz.text.verdict_text import UNDETECTABLE, TextPart, VerdictWords, fill, gradient_words, plain, verdict_sentence
from rnnviz.verify.result import RunResult


class ActionButton(QToolButton):
    """A button with a full label, and a short one for little room. Its frame separates it from text."""

    def __init__(self, whole: str, short: str) -> None:
        super().__init__()
        self.setProperty("framed", True)
        self._whole, self._short, self._shortened = whole, short, False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._write()

    @property
    def width_of_whole(self) -> int:
        """Width of the button with its full label, in pixels."""
        metrics = self.fontMetrics()
        return self.sizeHint().width() + metrics.horizontalAdvance(self._whole) - metrics.horizontalAdvance(self.text())

    def explain(self, why: str) -> None:
        self.setToolTip(wrapped(why))
        self.setAccessibleDescription(why)

    def shorten(self, shortened: bool) -> None:
        self._shortened = shortened
        self._write()

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _write(self) -> None:
        self.setText(self._short if self._shortened else self._whole)
        self.setAccessibleName(self._whole)


def link_button(text: str, why: str) -> QToolButton:
    """A button that looks like a link: it navigates and changes nothing."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(wrapped(why))
    button.setAccessibleName(text)
    button.setAccessibleDescription(why)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    font = button.font()
    font.setUnderline(True)
    button.setFont(font)
    return button


_LOOKS = {
    "agree": ("check", "right", "right_surface"),
    "blind": ("check-but", "doubtful", "doubtful_surface"),
    "drift": ("warning", "doubtful", "doubtful_surface"),
    "disagree": ("cross", "wrong", "wrong_surface"),
    "stale": ("clock", "doubtful", "doubtful_surface"),
    "auditing": ("clock", "accent", "raised"),
    "running": ("clock", "accent", "raised"),
    "error": ("warning", "wrong", "wrong_surface"),
    "empty": ("info", "muted", "raised"),
}
"""Icon, its color and the banner's color, by the state of the banner."""
_ICON, _MARGIN = 20, 12
_AUDITING = TextPart(" · auditing…")
_READABLE = 430
"""Pixels: buttons get short labels if the text has less room than this."""

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
_OUT_OF_DATE = "Out of date: "
_STALE = f"*{_OUT_OF_DATE.strip()}* "
_STALE_NOTE = "The views show an earlier run. Press F5 to update."
_AUDIT_ALL = "{share} of the values were checked. Rerun and check all of them (may take long)."
_SHOW_ME = "Selects the first mismatch and shows its arithmetic; without one, lists the undetectable bugs."
_REMEDY = "Reruns with this change of the settings: {change}. More known bugs then become detectable."


class VerdictBar(ResultView):
    """A banner of fixed height, so that views below it do not move. A click unfolds the whole verdict.

    The verdict is the worse one of those on the hidden states and on the gradients.

    It shows the first that applies: a run is active (its result is being audited, or not there yet); a run failed;
    there is no result; the result is out of date; the verdict. A new result ends the message of a failure. Its methods
    are one for each of these cases and for each control.
    """

    title = "Verdict"
    help_page = "verdicts"
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
    """The banner was clicked, but no link or button in it."""
    undetectable_requested = Signal()
    """The user asks for the list of undetectable bugs."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._icons = Icons(LIGHT)
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self.words: VerdictWords | None = None
        self._sentence: tuple[TextPart, ...] = ()
        self._shown_array = "h"
        self._stale = False
        self._stage: Stage | None = None
        self._error: str | None = None
        self._failed_engine = ""
        self._others: Config | None = None
        self._with_sizes: Config | None = None
        self.state = "empty"
        """ "agree", "blind", "drift", "disagree", "stale", "auditing", "running", "error" or "empty"."""

        self._icon = QLabel()
        self._icon.setFixedSize(scaled(_ICON), scaled(_ICON))
        self._text = LinkedText()
        self._text.location_requested.connect(self.location_requested)
        self._text.act_requested.connect(self._on_act)
        self._text.clicked.connect(self._on_click)
        self._audit_all = ActionButton("Run full audit", "Full audit")
        self._audit_all.clicked.connect(self.full_audit_requested)
        self._remedy = ActionButton("Change and rerun", "Change")
        self._remedy.clicked.connect(self._ask_for_remedy)
        self.without_button = ActionButton("Run without it", "Without")
        self.without_button.clicked.connect(lambda: self.remedy_requested.emit(self._others))
        self._sizes = ActionButton("Use its sizes", "Its sizes")
        self._sizes.clicked.connect(lambda: self.remedy_requested.emit(self._with_sizes))
        self._first = link_button("first", "Selects the first mismatch in the order of computation.")
        self._previous = link_button("previous", "Selects the mismatch before the selected value.")
        self._next = link_button("next", "Selects the mismatch after the selected value.")
        self._first.clicked.connect(self._go_to_first)
        self._previous.clicked.connect(self.previous_requested)
        self._next.clicked.connect(self.next_requested)
        self._dismiss = link_button("dismiss", "Closes this message and shows the verdict of the last result.")
        self._dismiss.clicked.connect(lambda: self.show_error(None))

        self._fold = QToolButton()
        self._fold.setAutoRaise(True)
        self._fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._fold.setAccessibleName("Verdict details")
        self._fold.setToolTip("Shows or hides the whole verdict (V).")
        self._fold.clicked.connect(self.toggle_details)
        self._fold.clicked.connect(self.clicked)
        self.details = self._make_details()
        self.details.setProperty(OVERLAY, True)
        self.setProperty(UNFOLDED, self.details)

        self._actions = (self._audit_all, self._remedy, self.without_button, self._sizes)
        self._links = (self._first, self._previous, self._next, self._dismiss)
        buttons = *self._links[:3], *self._actions, self._dismiss, self._fold
        self._row = across(self._icon, 4, (self._text, 1), *buttons, margins=(_MARGIN, 0, 8, 0), spacing=4)
        self.setLayout(self._row)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._compose()

    @property
    def text(self) -> str:
        return self._text.text

    def toggle_details(self) -> None:
        """Unfold the whole verdict over the views below the banner, or fold it."""
        unfolded = self.details.isHidden()
        if self.details.parentWidget() is not self.window():
            self.details.setParent(self.window())
        self.details.setVisible(unfolded)
        self._show_facts()

    def fold(self) -> None:
        """Uncover the views below the banner."""
        if not self.details.isHidden():
            self.toggle_details()

    def duplicate(self) -> Self:
        copy = super().duplicate()
        copy.show_stale(self.state in ("running", "error", "stale"))
        return copy

    def copy_text(self) -> str:
        if self.words is None:
            return self.text
        if self.state in ("running", "error"):
            return f"{self.text}\n{_PREVIOUS.format(verdict=self.words)}\n"
        return "\n".join((f"{_OUT_OF_DATE * (self.state == 'stale')}{self.words}", *self.words.notes)) + "\n"

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._error = None
        self._result = result
        self._candidate = candidate
        self.words = None
        if result is not None:
            self.words = both_passes(verdict_sentence(result, candidate), gradient_words(result, candidate))
        self._compose()

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
        self.without_button.explain(_WITHOUT.format(engine=display_name(engine)))
        self._compose()

    def offer_sizes(self, config: Config, change: str) -> None:
        """Offer the config with the sizes of the file that the shown error is of; `change` says them in words."""
        self._with_sizes = config
        self._sizes.explain(_SIZES.format(change=change))
        self._compose()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._icons = Icons(theme)
        self._text.apply_theme(theme)
        self._compose()

    def _compose(self) -> None:
        words = self.words
        last = "" if words is None else str(words)
        if words is not None and self._being_audited:
            assert self._stage is not None
            follows = _STATES[self._stage.kind].format(engine=display_name(self._stage.engine))
            self._show_text("auditing", (*words.sentence, _AUDITING), follows, (*words.brief, _AUDITING))
        elif self._stage is not None:
            self._show_text("running", fill(_RUNNING, stage=str(self._stage)), last and _PREVIOUS.format(verdict=last))
        elif self._error is not None:
            shown = last and _PREVIOUS.format(verdict=last)
            name = self._failed_engine
            # A path would take the room of the advice; the unfolded part has it.
            error = self._error.replace(name, display_name(name)) if name else self._error
            self._show_text("error", (TextPart(error),), NOTE_GAP.join(filter(None, (self._advice, shown))))
        elif words is None:
            self._show_text("empty", fill(_EMPTY), "")
        elif self._stale:
            old = fill(_STALE)
            self._show_text("stale", (*old, *words.sentence), _STALE_NOTE, (*old, *words.brief))
        else:
            self._show_text(words.look, words.sentence, NOTE_GAP.join(words.notes), words.brief)
        settled = self.state not in ("running", "error", "empty")
        mismatched = words is not None and words.first_mismatch is not None
        for button in (self._first, self._previous, self._next):
            button.setVisible(settled and mismatched)
        self._dismiss.setVisible(self.state == "error")
        self._show_facts()
        evaluated = words if settled and self.state not in ("stale", "auditing") else None
        self._show_buttons(evaluated)
        self._fit_buttons()

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
        self.facts = LinkLabel()
        self.facts.setTextFormat(Qt.TextFormat.RichText)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.facts.setWordWrap(True)
        self.facts.setAccessibleName("Where, since when and likely cause")
        self.facts.linkActivated.connect(self._go_to_fact)
        self._places: list[Location | None] = []
        self._show_me = QPushButton("Show me")
        self._show_me.setObjectName("show_me")
        self._show_me.setToolTip(wrapped(_SHOW_ME))
        self._show_me.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._show_me.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._show_me.clicked.connect(self._show_fault)
        details = QFrame(self)
        details.setObjectName("verdict_details")
        details.setAccessibleName("Verdict details")
        column = QVBoxLayout(details)
        column.setContentsMargins(_MARGIN + _ICON + 8, 8, 8, 8)
        column.setSpacing(8)
        column.addWidget(self.facts)
        column.addWidget(self._show_me)
        details.hide()
        return details

    def _show_facts(self) -> None:
        """Fill the unfolded part. While it is folded nothing is composed."""
        folded = self.details.isHidden()
        self._fold.setArrowType(Qt.ArrowType.RightArrow if folded else Qt.ArrowType.DownArrow)
        self._fold.setAccessibleDescription("folded" if folded else "unfolded")
        if folded:
            return
        facts: list[tuple[str, tuple[TextPart, ...]]] = []
        if self.state in ("error", "running", "empty"):
            full = self._sentence if self._error is None else (TextPart(self._error),)
            facts.append((self.state.capitalize(), full))
        if self.state == "error" and self._advice:
            facts.append(("Advice", (TextPart(self._advice),)))
        if self.state in ("error", "stale") and self._result is not None:
            facts.append(("Out of date", (TextPart(_STALE_NOTE),)))
        if self._result is not None:
            both = verdict_facts(self._result, self._candidate) + gradient_facts(self._result, self._candidate)
            # A sentence that the banner shows whole is not repeated.
            shown = self.words.sentence if self.words is not None and self._text.complete and not facts else ()
            facts += [fact for fact in both if fact[1] != shown]
        self._places, rows = [], []
        for heading, parts in facts:
            text = markup(parts, self._theme, len(self._places)).strip().replace("\n", "<br>")
            self._places += [part.where for part in parts if part.where is not None or part.act]
            rows.append(
                f'<tr><td style="color:{self._theme.muted}; padding-right:12px">{heading.replace(" ", "&nbsp;")}</td>'
                f"<td>{text}</td></tr>"
            )
        self.facts.setText(f"<table cellspacing=0 cellpadding=1>{''.join(rows)}</table>")
        self.facts.offer_links(any(place is not None for place in self._places))
        words = self.words
        self._show_me.setVisible(words is not None and (words.first_mismatch is not None or bool(words.blind)))
        surface = self._theme.color(_LOOKS[self.state][2]).name()
        self.details.setStyleSheet(
            f"#verdict_details {{ background: {surface}; border: 1px solid {self._theme.border}; }}"
        )
        self._place_details()

    def _place_details(self) -> None:
        """Put the unfolded part below the banner, over its neighbors, so that none of them moves."""
        around = self.details.parentWidget()
        if self.details.isHidden() or around is None:
            return
        place = self.mapTo(around, QPoint(0, self.height()))
        layout = self.details.layout()
        assert layout is not None
        height = min(layout.totalHeightForWidth(self.width()), around.height() - place.y())
        self.details.setGeometry(QRect(place, QSize(self.width(), height)))
        self.details.raise_()

    def _go_to_fact(self, link: str) -> None:
        self.fold()
        self.location_requested.emit(self._places[int(link)])

    def _show_fault(self) -> None:
        """Show how the first mismatch is computed, or the undetectable bugs, and uncover the views."""
        self.toggle_details()
        if self.words is not None and self.words.first_mismatch is not None:
            self._go_to_first()
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

    def _show_buttons(self, words: VerdictWords | None) -> None:
        coverage = None if words is None else words.coverage
        self._audit_all.setVisible(coverage is not None and coverage < 1.0)
        if coverage is not None and coverage < 1.0:
            self._audit_all.explain(_AUDIT_ALL.format(share=covered(coverage)))
        remedy = "" if words is None else words.remedy
        self._remedy.setVisible(bool(remedy))
        self.without_button.setVisible(self.state == "error" and self._others is not None)
        self._sizes.setVisible(self.state == "error" and self._with_sizes is not None)
        if remedy:
            self._remedy.explain(_REMEDY.format(change=remedy))

    def _fit_buttons(self) -> None:
        """Shorten the labels of the buttons if the text does not fit."""
        taken = scaled(_ICON) + 2 * _MARGIN + 4 * len(self._links) + self._fold.sizeHint().width() + 4
        taken += sum(button.sizeHint().width() + 4 for button in self._links if not button.isHidden())
        offered = [button for button in self._actions if not button.isHidden()]
        whole = sum(button.width_of_whole + 4 for button in offered)
        for button in offered:
            button.shorten(self.width() - taken - whole < _READABLE)
        if offered:
            # Else the buttons keep their old width until the next event.
            self._row.activate()

    def _show_text(
        self, state: str, sentence: tuple[TextPart, ...], secondary: str, brief: tuple[TextPart, ...] | None = None
    ) -> None:
        self.state, self._sentence = state, sentence
        icon, color, _ = _LOOKS[state]
        self._icon.setPixmap(self._icons.colored(icon, color).pixmap(scaled(_ICON), scaled(_ICON)))
        self._text.show_text(sentence, sentence if brief is None else brief, secondary)
        spoken = self.words is not None and state not in ("error", "running", "auditing")
        notes = self.words.notes if self.words is not None and spoken else (secondary,)
        self.setToolTip(wrapped(true_minus_in("\n".join((plain(sentence), *notes)).strip())))
        self.setAccessibleName(f"{self.title}: {plain(sentence)}")
        self.setAccessibleDescription(" ".join(notes))
        self.update()

    def _on_act(self, act: str) -> None:
        if act == UNDETECTABLE:
            self.undetectable_requested.emit()

    def _ask_for_remedy(self) -> None:
        judgment = None if self._result is None else self._result.judgment
        if judgment is not None and judgment.remedy is not None:
            self.remedy_requested.emit(judgment.remedy)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_buttons()
        self._place_details()

    def _go_to_first(self) -> None:
        """Select the first mismatch of a gradient that the lanes show, else the one of the verdict."""
        if self._result is None or self._candidate is None or self.words is None:
            return
        shown = self._result.comparison(self._candidate).mismatching(self._shown_array)
        first = None if self._shown_array == "h" else shown.first_mismatch
        where = self.words.first_mismatch if first is None else first.where
        if where is not None:
            self.location_requested.emit(where)

    def paintEvent(self, event: QPaintEvent) -> None:
        _, color, surface = _LOOKS[self.state]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = self._theme.color(color if surface != "raised" else "border")
        edge.setAlphaF(0.45 if surface != "raised" else 1.0)
        style = Qt.PenStyle.DashLine if self.state == "stale" else Qt.PenStyle.SolidLine
        painter.setPen(QPen(edge, 1.0, style))
        painter.setBrush(self._theme.color(surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()
