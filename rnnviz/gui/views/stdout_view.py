"""View of the standard output of custom steps."""

from PySide6.QtWidgets import QPlainTextEdit

from rnnviz.core.engine_spec import display_name
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView, down
from rnnviz.verify.result import RunResult


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
