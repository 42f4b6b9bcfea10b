"""Predictions of a checkpoint next to its curves: symbols of classes, or a point for each sequence's answer."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QWidget

from rnnviz.core import number_format
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import down
from rnnviz.training.checkpoints import TestPrediction

_WRONG, _RIGHT = "×", " "
_LINES, _PLOT_HEIGHT = 4, 150


class PredictionView(QWidget):
    """Is hidden for numbers at each time step, which are drawn over the lanes."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = QLabel()
        self.heading.setProperty("heading", True)
        self.symbols = QPlainTextEdit()
        self.symbols.setReadOnly(True)
        self.symbols.setTabChangesFocus(True)
        self.symbols.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.symbols.setFont(code_font())
        self.symbols.setAccessibleName("Prediction of test sequence 0")
        self.symbols.setToolTip(
            wrapped(f"The class of each time step. {_WRONG} marks a prediction that differs, · no target.")
        )
        self.symbols.setFixedHeight(_LINES * self.symbols.fontMetrics().lineSpacing() + 20)
        self.plot = pg.PlotWidget(enableMenu=False)
        self.plot.setFixedHeight(scaled(_PLOT_HEIGHT))
        self.plot.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setAccessibleName("Predictions of the test sequences")
        self.plot.setLabel("bottom", "target")
        self.plot.setLabel("left", "prediction")
        for name in ("left", "bottom"):
            self.plot.getAxis(name).enableAutoSIPrefix(False)
        self._diagonal = pg.InfiniteLine(angle=45)
        self.plot.addItem(self._diagonal, ignoreBounds=True)
        self.points = pg.ScatterPlotItem(size=scaled(7))
        self.plot.addItem(self.points)
        self.setLayout(down(self.heading, self.symbols, self.plot, spacing=4))
        self.hide()

    def show_prediction(self, found: TestPrediction | None) -> None:
        """Show the prediction of a checkpoint, or nothing."""
        self.setVisible(found is not None and (found.classes or found.one_answer))
        if found is None or self.isHidden():
            return
        self.symbols.setVisible(found.classes)
        self.plot.setVisible(not found.classes)
        if found.classes:
            self.heading.setText(self.symbols.accessibleName())
            place = self.symbols.horizontalScrollBar().value()
            self.symbols.setPlainText(symbol_lines(found))
            self.symbols.horizontalScrollBar().setValue(place)
        else:
            target, predicted = found.target[found.counted], found.predicted[found.counted]
            self.heading.setText(self.plot.accessibleName())
            self.points.setData(target, predicted)
            ends = float(min(target.min(), predicted.min())), float(max(target.max(), predicted.max()))
            self.plot.setRange(xRange=ends, yRange=ends)
            off = float(np.abs(predicted - target).max())
            self.plot.setAccessibleDescription(
                f"{number_format.count(len(target))} sequences, off by at most {number_format.error(off)}"
            )

    def apply_theme(self, theme: Theme) -> None:
        self.plot.setBackground(theme.color("base"))
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(theme.color("border"))
            axis.setTextPen(theme.color("muted"))
        self._diagonal.setPen(pg.mkPen(theme.color("muted"), style=Qt.PenStyle.DashLine))
        self.points.setPen(pg.mkPen(theme.series[0], width=2))
        self.points.setBrush(theme.color("base"))


def symbol_lines(found: TestPrediction) -> str:
    """Three lines with a character for each time step: target, prediction, and marks where they differ."""
    target, predicted = found.symbols(0)
    wrong = (found.predicted != found.target)[:, 0] & found.counted[:, 0]
    marks = "".join(_WRONG if differs else _RIGHT for differs in wrong)
    return f"target     {target}\nprediction {predicted}\n           {marks}".rstrip()
