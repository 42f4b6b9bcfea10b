"""The one answer of each test sequence: a point with target and prediction."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import down
from rnnviz.training.checkpoints import TestPrediction

_HEIGHT = 150


class AnswerPlot(QWidget):
    """Is hidden for predictions at several time steps, which are drawn over the lanes."""

    def __init__(self) -> None:
        super().__init__()
        heading = QLabel("Predictions of the test sequences")
        heading.setProperty("heading", True)
        self.plot = pg.PlotWidget(enableMenu=False)
        self.plot.setFixedHeight(scaled(_HEIGHT))
        self.plot.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setAccessibleName(heading.text())
        for name, label in (("left", "prediction"), ("bottom", "target")):
            self.plot.setLabel(name, label)
            self.plot.getAxis(name).enableAutoSIPrefix(False)
        self._diagonal = pg.InfiniteLine(angle=45)
        self.plot.addItem(self._diagonal, ignoreBounds=True)
        self.points = pg.ScatterPlotItem(size=scaled(7))
        self.plot.addItem(self.points)
        self.setLayout(down(heading, self.plot, spacing=4))
        self.hide()

    def show_prediction(self, found: TestPrediction | None) -> None:
        """Show the prediction of a checkpoint, or nothing."""
        self.setVisible(found is not None and found.one_answer)
        if found is None or self.isHidden():
            return
        target, predicted = found.target[found.counted], found.predicted[found.counted]
        self.points.setData(target, predicted)
        ends = float(min(target.min(), predicted.min())), float(max(target.max(), predicted.max()))
        self.plot.setRange(xRange=ends, yRange=ends)
        off = number_format.error(float(np.abs(predicted - target).max()))
        self.plot.setAccessibleDescription(f"{number_format.count(len(target))} sequences, off by at most {off}")

    def apply_theme(self, theme: Theme) -> None:
        self.plot.setBackground(theme.color("base"))
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(theme.color("border"))
            axis.setTextPen(theme.color("muted"))
        self._diagonal.setPen(pg.mkPen(theme.color("muted"), style=Qt.PenStyle.DashLine))
        self.points.setPen(pg.mkPen(theme.series[0], width=2))
        self.points.setBrush(theme.color("base"))
