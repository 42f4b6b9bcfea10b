"""Statements of a step: their rows and counter, and the thread that checks them."""

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from rnnviz.core.number_format import true_minus_in
from rnnviz.core.trace_index import Location
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.lessons.lesson_text import label_html, plain
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.statements import Operand, Pair, Statement, StatementResult, check_statement
from rnnviz.verify.result import RunResult

_ICON, _MARGIN = 16, 8
_ONE_LINE = 32
"""Characters that fit into a line of the narrow pane, next to the comparison sign."""
_LOOKS: dict[bool | None, tuple[str, str, str, str]] = {
    True: ("check", "right", "right_surface", "True"),
    False: ("cross", "wrong", "wrong_surface", "False"),
    None: ("clock", "muted", "raised", "Not checked"),
}
"""Icon, color, background and word by the statement's truth value."""
_NOT_OF_THE_STEP = "cross", "muted", "raised", "False"
"""The look of a false statement of a changed config: statements are about the step's config, so it is not an error."""


def _look(holds: bool | None, *, own: bool) -> tuple[str, str, str, str]:
    return _NOT_OF_THE_STEP if own and holds is False else _LOOKS[holds]


class StatementCounter(QToolButton):
    """Counts true statements. A click requests to show them."""

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._icons = LIGHT, Icons(LIGHT)
        self._look = _LOOKS[None]
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setAutoRaise(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            wrapped("Number of this step's statements that are true for the shown values. Click to see them.")
        )

    def show_findings(self, findings: tuple[StatementResult | None, ...], *, own: bool = False) -> None:
        """Count the results; None is one not checked yet, `own` marks a changed config. Hidden without statements."""
        self.setVisible(bool(findings))
        held = [None if finding is None else finding.holds for finding in findings]
        state = False if False in held else None if None in held else True
        changed = own and state is False
        self._look = _look(state, own=own)
        waiting = all(finding is None for finding in findings)
        self.setText("not checked yet" if waiting else f"{held.count(True)} of {len(held)} {'still ' * changed}true")
        self.setAccessibleName(f"Statements: {self.text()}")
        self._mark()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._icons = theme, Icons(theme)
        self._mark()

    def _mark(self) -> None:
        theme = self._theme
        icon, color, *_ = self._look
        self.setIcon(self._icons.colored(icon, color))
        self.setStyleSheet(
            f"QToolButton {{ color: {theme.color(color).name()}; font-weight: 600; border: 1px solid {theme.window};"
            f" border-radius: 4px; padding: 3px 5px; }} QToolButton:focus {{ border-color: {theme.accent}; }}"
        )


class StatementRow(QWidget):
    """A statement with its mark and the numbers of both sides."""

    def __init__(self, statement: Statement, theme: Theme = LIGHT) -> None:
        super().__init__()
        self.statement = statement
        self.finding: StatementResult | None = None
        self._theme, self._icons = theme, Icons(theme)
        self.own = False
        """Whether the finding is of a config that the user has changed."""
        self._waiting = "the run has not finished"
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setToolTip(wrapped(f"Checked on the values of this run: {statement.expression}"))
        self._icon = QLabel()
        self._icon.setFixedWidth(scaled(_ICON))
        self.mark = QLabel()
        self.mark.setTextFormat(Qt.TextFormat.PlainText)
        self.mark.setWordWrap(True)
        self._text = QLabel(label_html(statement.text))
        self._text.setTextFormat(Qt.TextFormat.RichText)
        self._text.setWordWrap(True)
        self._numbers = QVBoxLayout()
        self._numbers.setSpacing(1)
        layout = QGridLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(4)
        layout.setColumnStretch(1, 1)
        layout.addWidget(self._icon, 0, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._text, 0, 1)
        layout.addWidget(self.mark, 1, 1)
        layout.addLayout(self._numbers, 2, 1)
        copy = QAction("Copy full numbers", self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(self.copy_text()))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._write()

    @property
    def shown_numbers(self) -> tuple[str, ...]:
        labels = (self._numbers.itemAt(place).widget() for place in range(self._numbers.count()))
        return tuple(label.text() for label in labels if isinstance(label, QLabel))

    def show_waiting(self, why: str) -> None:
        """Mark the statement as not checked, for the reason `why`. Numbers of the last run stay."""
        self.finding, self._waiting = None, why
        self._mark()

    def show_finding(self, finding: StatementResult, *, own: bool) -> None:
        self.finding, self.own = finding, own
        self._write()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._icons = theme, Icons(theme)
        self._write()

    def copy_text(self) -> str:
        lines = [plain(self.statement.text), f"{self.statement.expression}: {self.mark.text()}"]
        for pair in () if self.finding is None else self.finding.pairs:
            lines += [f"{side.text}\t{side.full or side.shown}" for side in (pair.left, pair.right)]
        return "\n".join(lines)

    def paintEvent(self, event: QPaintEvent) -> None:
        _, color, surface, _ = _look(self._holds, own=self.own)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = self._theme.color("accent" if self.hasFocus() else color if self._holds is not None else "border")
        edge.setAlphaF(1.0 if self.hasFocus() else 0.45)
        painter.setPen(QPen(edge, 2.0 if self.hasFocus() else 1.0))
        painter.setBrush(self._theme.color(surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), 5.0, 5.0)
        painter.end()

    @property
    def _holds(self) -> bool | None:
        return None if self.finding is None else self.finding.holds

    def _write(self) -> None:
        self._mark()
        self._write_numbers()
        self.setAccessibleDescription(" ".join(self.shown_numbers))
        self.updateGeometry()

    def _mark(self) -> None:
        icon, color, _, words = _look(self._holds, own=self.own)
        self._icon.setPixmap(self._icons.colored(icon, color).pixmap(scaled(_ICON), scaled(_ICON)))
        if self._holds is None:
            reason = self._waiting if self.finding is None else self.finding.reason
            text = f"{words} yet: {reason}." if self.finding is None else f"{words}: {reason}"
        else:
            text = f"{words} for your config" if self.own else words
        self.mark.setText(text)
        self.mark.setStyleSheet(f"color: {self._theme.color(color).name()}; font-weight: 600;")
        self.setAccessibleName(f"{text}: {plain(self.statement.text)}")
        self.update()

    def _write_numbers(self) -> None:
        while self._numbers.count():
            label = self._numbers.takeAt(0).widget()
            label.hide()
            label.deleteLater()
        shown: set[str] = set()
        for pair in () if self.finding is None else self.finding.pairs:
            for side in _shown_operands(pair):
                if side.text in shown:
                    continue
                shown.add(side.text)
                full = side.full or side.shown
                numbers = true_minus_in(side.shown)
                if len(side.text) + len(numbers) <= _ONE_LINE:
                    self._add_line(f"{side.text} = {numbers}", "text", full, 0)
                else:
                    self._add_line(side.text, "muted", side.text, 0)
                    self._add_line(numbers, "text", full, 8)
            if pair.apart and pair.apart != "0":
                self._add_line(f"largest difference {true_minus_in(pair.apart)}", "muted", "", 0)

    def _add_line(self, text: str, color: str, tooltip: str, indent: int) -> None:
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        font = code_font()
        font.setPointSizeF(self.font().pointSizeF() * 0.92)
        label.setFont(font)
        label.setIndent(indent)
        label.setToolTip(wrapped(tooltip))
        label.setStyleSheet(f"color: {self._theme.color(color).name()};")
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._numbers.addWidget(label)


def _shown_operands(pair: Pair) -> list[Operand]:
    """The sides that are computed: the text of a number or word is its value."""
    return [side for side in (pair.left, pair.right) if not side.literal]


class StatementWorker(QObject):
    """Checks the statements of the latest request on a thread, so that a large run does not block the window."""

    results_ready = Signal(object)
    """The `StatementResult`s in the order of the statements."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asked_last: tuple[object, ...] = ()
        self._task = LatestTask("lessons", self)
        self._task.done.connect(self.results_ready)

    def ask(self, result: RunResult, statements: tuple[Statement, ...], where: Location) -> None:
        """Request a check of statements in place of earlier requests.

        No effect for the same request as before, unless `reset` was called: statements that do not use the
        selection stay valid.
        """
        follows = any(statement.follows_selection for statement in statements)
        # Not the result itself, whose files would stay as long as it does.
        asked = statements, result.request_id, result.judgment is not None, where if follows else None
        if asked != self._asked_last:
            self._asked_last = asked
            self._task.ask(lambda _check: tuple(_checked(result, statement, where) for statement in statements))

    def reset(self) -> None:
        self._asked_last = ()
        self._task.cancel()

    def stop(self) -> None:
        self._asked_last = ()
        self._task.stop()


def _checked(result: RunResult, statement: Statement, where: Location) -> StatementResult:
    try:
        return check_statement(result, statement, where)
    except Exception as error:  # noqa: BLE001 - the window must survive, and report that this statement was not checked
        return StatementResult(statement, None, (), f"internal error: {type(error).__name__}: {error}")
