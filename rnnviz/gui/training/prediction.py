"""Prediction and target of the test sequences at a checkpoint."""

from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.sequence import visible
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.training.curves import CurveLine, StepPlot
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.training.checkpoints import TestPrediction

_OF_SEQUENCE, _OF_SEQUENCES = "Prediction of test sequence 0", "Predictions of the test sequences"
_WRONG, _RIGHT, _UNCOUNTED = "×", " ", "·"
_LINES = 4


class PredictionView(QWidget):
    """Curves of numbers, or symbols of classes below each other with a mark at each that differs."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = StepPlot(_OF_SEQUENCE, logarithmic=False)
        self.heading = ElidedLabel(_OF_SEQUENCE, bold=True)
        self.symbols = QPlainTextEdit()
        self.symbols.setReadOnly(True)
        self.symbols.setTabChangesFocus(True)
        self.symbols.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.symbols.setFont(code_font())
        self.symbols.setAccessibleName(_OF_SEQUENCE)
        self.symbols.setToolTip(
            wrapped(f"The class of each time step. {_WRONG} marks a prediction that differs, {_UNCOUNTED} no target.")
        )
        self.symbols.setFixedHeight(_LINES * self.symbols.fontMetrics().lineSpacing() + 20)
        self._text = QWidget()
        column = QVBoxLayout(self._text)
        column.setContentsMargins(8, 4, 8, 0)
        column.setSpacing(4)
        column.addWidget(self.heading)
        column.addWidget(self.symbols)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        layout.addWidget(self._text)
        self.hide()

    def show_prediction(self, found: TestPrediction | None) -> None:
        """Show the prediction of a checkpoint, or nothing."""
        self.setVisible(found is not None)
        if found is None:
            return
        self.plot.setVisible(not found.classes)
        self._text.setVisible(found.classes)
        # Lines of text leave the rest of the height to the curves.
        height = QSizePolicy.Policy.Fixed if found.classes else QSizePolicy.Policy.Preferred
        self.setSizePolicy(QSizePolicy.Policy.Preferred, height)
        if found.classes:
            place = self.symbols.horizontalScrollBar().value()
            self.symbols.setPlainText(symbol_lines(found))
            self.symbols.horizontalScrollBar().setValue(place)
            return
        lines = [
            CurveLine("target", "The number to be predicted.", found.target, 1, 5.0, 0.0),
            CurveLine("prediction", "The prediction of the chosen checkpoint.", found.predicted, 0, 2.0, 1.0),
        ]
        self.plot.rename(_OF_SEQUENCES if found.of_samples else _OF_SEQUENCE, "sample" if found.of_samples else "t")
        self.plot.show_lines(len(found.target) - 1, lines, None)

    def apply_theme(self, theme: Theme) -> None:
        self.plot.apply_theme(theme)


def symbol_lines(found: TestPrediction) -> str:
    """Three lines with a character for each time step: target, prediction, and marks where they differ."""

    def line(values: FloatArray) -> str:
        symbols = [_symbol(found.names, int(value)) for value in values]
        return "".join(s if c else _UNCOUNTED for s, c in zip(symbols, found.counted, strict=True))

    wrong = (found.predicted != found.target) & found.counted
    marks = "".join(_WRONG if differs else _RIGHT for differs in wrong)
    return f"target     {line(found.target)}\nprediction {line(found.predicted)}\n           {marks}".rstrip()


def _symbol(names: tuple[str, ...], index: int) -> str:
    """One character for a class: its name, the first letter of its name, or its number."""
    return visible(names[index])[:1] if names else str(index)[-1:]
