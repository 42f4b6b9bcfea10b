"""Views of the consistency checks with times and versions of the engines, and of the text that engines printed."""

from PySide6.QtWidgets import QPlainTextEdit

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import AGREES, Note, ResultView, across, down, pages
from rnnviz.gui.views.labels import hint
from rnnviz.results.columns import Column, Look
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import CheckOutcome

_LOOKS = {
    CheckOutcome.PASSED: Look("right", icon="check"),
    CheckOutcome.KNOWN_ISSUE: Look("muted", icon="cross"),
    CheckOutcome.FAILED: Look("wrong", bold=True, icon="cross"),
}
_DETAIL, _FAILED_DETAIL = Look("muted"), Look("wrong")
_CHECKS = (
    Column("result", lambda row: row.outcome.value, look=lambda row: _LOOKS[row.outcome]),
    Column(
        "check",
        lambda row: row.name,
        why="Values that an engine returns in several places must be equal: output, final state and hidden states.",
        grows=True,
        shrinks=True,
    ),
    Column("engine", lambda row: display_name(row.engine), shrinks=True),
    Column(
        "detail",
        lambda row: row.explanation,
        look=lambda row: _FAILED_DETAIL if row.fails else _DETAIL,
        grows=True,
        optional=True,
    ),
)
_ENGINES = (
    Column("engine", lambda row: row[0], shrinks=True),
    Column("time", lambda row: row[1], right=True),
    Column("version", lambda row: row[2], grows=True, shrinks=True),
)


class ChecksTable(ResultView):
    """Checks at the left, times and versions at the right."""

    title, group = "Checks", "Problems"
    help_page = "consistency-checks"

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        empty = hint("A run (F5) checks that output, final state and hidden states are consistent.")
        self.model, self.engines_model = TableModel(_CHECKS), TableModel(_ENGINES)
        self.table = Table(self.model, "Checks")
        self.engines = Table(self.engines_model, "Times and versions")
        panes = across((self.table, 4), (self.engines, 3), spacing=8)
        self._pages = pages(self, empty, down((panes, 1)))
        self.muted = (empty,)
        self.themed = self.table, self.engines
        self._refresh()

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        failed = sum(check.fails for check in result.checks)
        return Note(number_format.count(failed), "wrong") if failed else AGREES

    def copy_text(self) -> str:
        table = self.engines if self.engines.hasFocus() else self.table
        return table.copy_text() if self._result is not None else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is self._result:
            return
        self._result = result
        self._refresh()

    def _refresh(self) -> None:
        result = self._result
        self._pages.setCurrentIndex(0 if result is None else 1)
        self.model.show_rows(
            [] if result is None else sorted(result.checks, key=lambda check: (not check.fails, check.holds))
        )
        self.engines_model.show_rows([] if result is None else _timed(result))
        self.table.fit()
        self.engines.fit()


class StdoutView(ResultView):
    """The output of each engine under its name, if there is any."""

    title, group = "Printed", "Problems"
    help_page = "custom-steps"

    def __init__(self) -> None:
        super().__init__()
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.text.setFont(code_font())
        self.text.setAccessibleName("Output of your custom steps")
        self.text.setPlaceholderText("No output yet. Text that a custom step prints is shown here.")
        self.setLayout(down(self.text, margins=(8, 4, 8, 4)))

    @classmethod
    def has_content(cls, result: RunResult | None) -> bool:
        return result is not None and bool(result.printed)

    def copy_text(self) -> str:
        return self.text.toPlainText()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        printed = {} if result is None else result.printed
        parts = [f"{display_name(engine)} printed:\n{text.rstrip()}\n" for engine, text in printed.items()]
        self.text.setPlainText("\n".join(parts))

    def apply_theme(self, theme: Theme) -> None:
        self.text.setPalette(theme.palette())
        # With a style sheet, it does not inherit the palette.
        self.text.viewport().setPalette(theme.palette())


def _timed(result: RunResult) -> list[tuple[str, str, str]]:
    """Name, time and version of the engines in the order of the run, each followed by its parts, as gluon.fused."""
    engines = list(result.traces)

    def order(name: str) -> tuple[int, str]:
        owner = name if name in engines else next((e for e in engines if name.startswith(f"{e}.")), None)
        return len(engines) if owner is None else engines.index(owner), name

    return [
        (display_name(name), number_format.duration(result.seconds[name]), result.versions.get(name, ""))
        for name in sorted(result.seconds, key=order)
    ]
