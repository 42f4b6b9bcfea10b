"""Statements of a step: each a sentence with a mark, and its expression and numbers at an arrow."""

from typing import Literal, TypeAlias

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QToolButton

from rnnviz.core.number_format import true_minus_in
from rnnviz.core.trace_index import Location
from rnnviz.gui.lessons.lesson_text import label_html, plain, text_label
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.lessons.statements import Statement, StatementResult, check_statement
from rnnviz.verify.result import RunResult

State: TypeAlias = Literal["true", "false", "unchecked", "waiting"]
"""Whether a statement is true of the run that is shown, does not apply to it, or waits for one."""
_MARKS: dict[State, tuple[str, str]] = {
    "true": ("check", "right"),
    "false": ("cross", "wrong"),
    "unchecked": ("info", "muted"),
    "waiting": ("clock", "muted"),
}
"""Icon and color of each state."""
_ICON = 16


class StatementRow(QFrame):
    """A statement with its mark. The arrow unfolds its expression, and the numbers of both sides."""

    def __init__(self, statement: Statement, theme: Theme = LIGHT) -> None:
        super().__init__()
        self.statement = statement
        self.finding: StatementResult | None = None
        self.state: State = "waiting"
        self._theme = theme
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._icon = QLabel()
        # As high as the arrow, next to the first line of the text.
        self._icon.setFixedSize(scaled(_ICON), scaled(24))
        self.text, self.reason = text_label(14.0), text_label(12.0, muted=True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setContentsMargins(0, scaled(2), 0, scaled(2))
        self.arrow = QToolButton()
        self.arrow.setCheckable(True)
        self.arrow.setAutoRaise(True)
        self.arrow.setObjectName("fold_arrow")
        self.arrow.setAccessibleName("Expression and numbers")
        self.arrow.setToolTip("Shows the expression that is checked, and its numbers.")
        self.arrow.toggled.connect(self._unfold)
        self.numbers = QLabel()
        self.numbers.setTextFormat(Qt.TextFormat.PlainText)
        self.numbers.setWordWrap(True)
        self.numbers.setFont(code_font())
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.numbers.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, scaled(8), 0, scaled(8))
        layout.setHorizontalSpacing(scaled(10))
        layout.setVerticalSpacing(scaled(2))
        layout.setColumnStretch(1, 1)
        layout.addWidget(self._icon, 0, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.text, 0, 1)
        layout.addWidget(self.arrow, 0, 2, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.reason, 1, 1)
        layout.addWidget(self.numbers, 2, 1, 1, 2)
        copy = QAction("Copy full numbers", self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(self.copy_text()))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._unfold(shown=False)
        self._mark("waiting", "The run has not finished.")

    def show_waiting(self, why: str) -> None:
        """Mark the statement as not checked yet, for a reason. Numbers of the last run stay."""
        self.finding = None
        self._mark("waiting", why)

    def show_finding(self, finding: StatementResult, changes: str) -> None:
        """Show a result. `changes` says what the user has changed: a false statement is then not about this network."""
        self.finding = finding
        if finding.holds:
            self._mark("true", "")
        elif finding.holds is None:
            self._mark("unchecked", finding.reason)
        elif changes:
            self._mark("unchecked", changes)
        else:
            self._mark("false", "This is false here.")
        self._write_numbers()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._mark(self.state, self.reason.text())
        down = self.arrow.isChecked()
        self.arrow.setIcon(Icons(theme).colored("down" if down else "next", "muted"))

    def copy_text(self) -> str:
        """The statement, its expression and state, and its numbers with all digits."""
        lines = [plain(self.statement.text), f"{self.statement.expression}: {self.state}"]
        for pair in () if self.finding is None else self.finding.pairs:
            lines += [f"{side.text}\t{side.full or side.shown}" for side in (pair.left, pair.right)]
        return "\n".join(lines)

    def _mark(self, state: State, reason: str) -> None:
        self.state = state
        icon, color = _MARKS[state]
        self._icon.setPixmap(Icons(self._theme).colored(icon, color).pixmap(scaled(_ICON), scaled(_ICON)))
        text = self.statement.text
        if state == "unchecked":
            text = f"\N{LEFT DOUBLE QUOTATION MARK}{text.rstrip('.')}\N{RIGHT DOUBLE QUOTATION MARK} is not checked."
        self.text.setText(label_html(text))
        self.text.setStyleSheet(
            f"color: {self._theme.color('text' if state in ('true', 'false') else 'muted').name()};"
        )
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        word = {"true": "True", "false": "False", "unchecked": "Not checked", "waiting": "Not checked yet"}[state]
        self.setAccessibleName(f"{word}: {plain(self.statement.text)}")
        self.setAccessibleDescription(reason)

    def _unfold(self, shown: bool) -> None:
        self.numbers.setVisible(shown)
        self.apply_theme(self._theme)

    def _write_numbers(self) -> None:
        lines: dict[str, None] = {}
        for pair in () if self.finding is None else self.finding.pairs:
            for side in (pair.left, pair.right):
                if not side.literal:
                    lines[f"{side.text} = {true_minus_in(side.shown)}"] = None
            if pair.apart and pair.apart != "0":
                lines[f"largest difference {true_minus_in(pair.apart)}"] = None
        self.numbers.setText("\n".join((self.statement.expression, "", *lines)).strip())


def check_statements(
    result: RunResult, statements: tuple[Statement, ...], where: Location
) -> tuple[StatementResult, ...]:
    """Check statements on a run with the selection at `where`. May take seconds in a large run."""
    return tuple(_checked(result, statement, where) for statement in statements)


def _checked(result: RunResult, statement: Statement, where: Location) -> StatementResult:
    try:
        return check_statement(result, statement, where)
    except Exception as error:  # noqa: BLE001 - the window must survive, and report that this statement was not checked
        return StatementResult(statement, None, (), f"internal error: {type(error).__name__}: {error}")
