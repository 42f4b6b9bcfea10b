"""Curves of a training: losses, the norm of the gradients, and with a library the distance of two trainings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.training.history import TrainingHistory

_AXIS_WIDTH, _LEAST_HEIGHT = 44, 90
_LARGEST_STEP = 10_000_000
_TEST_SERIES = 1


@dataclass(frozen=True, eq=False)
class Line:
    """A curve by training step, (S + 1,), or with `steps` points at these training steps, (K,).

    `series` is the index of its color. A wide line is below others.
    """

    name: str
    why: str
    values: NDArray[np.float64]
    series: int = 0
    wide: bool = False
    steps: NDArray[np.float64] | None = None


class StepPlot(QWidget):
    """A heading, a legend with the last values, and curves over training steps with a dashed line at one number."""

    step_requested = Signal(int)

    def __init__(self, title: str) -> None:
        super().__init__()
        self.lines: Sequence[Line] = ()
        self.limit: tuple[float, str] | None = None
        self._curves: list[Any] = []
        self._theme, self._length, self._logarithmic = LIGHT, 1, True
        axes = {"left": _ValueAxis("left"), "bottom": _StepAxis("bottom")}
        self.plot = pg.PlotWidget(axisItems=axes, enableMenu=False)
        self.plot.setAccessibleName(title)
        self.plot.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setMinimumHeight(scaled(_LEAST_HEIGHT))
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setLogMode(y=True)
        self.plot.showGrid(y=True, alpha=0.3)
        # Plots below each other have the same steps above each other.
        self.plot.getAxis("left").setWidth(scaled(_AXIS_WIDTH))
        self.plot.getPlotItem().setContentsMargins(0, 8, 16, 0)
        for name in ("left", "bottom"):
            self.plot.getAxis(name).setStyle(tickLength=0, hideOverlappingLabels=False)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self._chosen = pg.InfiniteLine(angle=90, markers=[("v", 1.0, 10.0)])
        self._limit = pg.InfiniteLine(angle=0, label="", labelOpts={"position": 0.98, "anchors": [(1, 1), (1, 1)]})
        for line in (self._chosen, self._limit):
            line.hide()
            self.plot.addItem(line, ignoreBounds=True)
        heading = QLabel(title)
        heading.setProperty("heading", True)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        head = QHBoxLayout()
        head.addWidget(heading)
        head.addStretch(1)
        head.addWidget(self.legend)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.plot, 1)

    def show_lines(self, length: int, lines: Sequence[Line], limit: tuple[float, str] | None) -> None:
        """Draw other lines, and a dashed one at a number with a label. `length` is the last step of the axis."""
        self.lines, self.limit, self._length = lines, limit, length
        while len(self._curves) > len(lines):
            self.plot.removeItem(self._curves.pop())
        while len(self._curves) < len(lines):
            self._curves.append(self.plot.plot(connect="finite", autoDownsample=True, downsampleMethod="peak"))
        for line, curve in zip(lines, self._curves, strict=True):
            steps = np.arange(len(line.values)) if line.steps is None else line.steps
            curve.setData(steps, np.where(line.values > 0, line.values, np.nan) if self._logarithmic else line.values)
        self._style()
        self._fit()

    def show_step(self, step: int | None) -> None:
        """Mark a training step by a line."""
        self._chosen.setVisible(step is not None)
        self._chosen.setValue(step or 0)

    def set_logarithmic(self, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        self.plot.setLogMode(y=logarithmic)
        self.show_lines(self._length, self.lines, self.limit)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.plot.setBackground(theme.color("base"))
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(theme.color("border"))
            axis.setTextPen(theme.color("muted"))
        self._chosen.setPen(pg.mkPen(theme.color("cursor"), width=1))
        self._limit.setPen(pg.mkPen(theme.color("muted"), style=Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("muted"))
        self._style()

    def _style(self) -> None:
        """Give the curves their colors, and the legend their last values."""
        names = []
        for line, curve in zip(self.lines, self._curves, strict=True):
            color, points = self._theme.series[line.series], line.steps is not None
            curve.setPen(None if points else pg.mkPen(color, width=5 if line.wide else 1.5))
            curve.setSymbol("o" if points else None)
            curve.setSymbolSize(scaled(7))
            curve.setSymbolPen(pg.mkPen(color, width=2))
            curve.setSymbolBrush(self._theme.color("base"))
            curve.setZValue(2.0 if points else 0.0 if line.wide else 1.0)
            known = line.values[np.isfinite(line.values)]
            value = f" {number_format.true_minus(number_format.error(float(known[-1])))}" if len(known) else ""
            names.append(f"<span style='color: {color}'>{'○' if points else '━'}</span>&nbsp;{line.name}{value}")
        self.legend.setText("&nbsp; &nbsp;".join(names))
        self.legend.setToolTip("<br>".join(f"{line.name}: {line.why}" for line in self.lines))

    def _fit(self) -> None:
        """Show all steps, and all values and the dashed line between whole decades."""
        self.plot.setXRange(0, self._length, padding=0.02)
        found = np.concatenate([line.values for line in self.lines] or [np.zeros(0)])
        limit = self.limit
        if limit is not None:
            found = np.append(found, limit[0])
            self._limit.label.setFormat(limit[1])
            self._limit.setValue(np.log10(limit[0]) if self._logarithmic else limit[0])
        self._limit.setVisible(limit is not None)
        found = found[np.isfinite(found) & ((found > 0) | (not self._logarithmic))]
        if not len(found):
            return
        low, high = float(found.min()), float(found.max())
        if self._logarithmic:
            low, high = np.floor(np.log10(low)), np.ceil(np.log10(high))
        if limit is not None:
            # Room for the label above the line.
            high = max(high, low + (float(self._limit.value()) - low) / 0.85)
        self.plot.setYRange(low, max(high, low + 1e-9), padding=0)

    def _on_click(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            point = self.plot.getViewBox().mapSceneToView(event.scenePos())
            self.step_requested.emit(round(min(max(point.x(), 0), _LARGEST_STEP)))


class _StepAxis(pg.AxisItem):
    """Ticks at whole training steps."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.count(round(value)) if value >= 0 else "" for value in values]


class _ValueAxis(pg.AxisItem):
    """Ticks with true minus signs, at decades on a logarithmic axis."""

    def logTickValues(self, low: float, high: float, size: float, levels: Any) -> list[tuple[Any, list[float]]]:
        every = max(1, -(-int(high - low + 1) // max(1, int(size // 24))))
        return [(None, [float(e) for e in range(int(np.ceil(low)), int(np.floor(high)) + 1) if e % every == 0])]

    def logTickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.true_minus(f"{10.0**value:g}") for value in values]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.true_minus(text) for text in super().tickStrings(values, scale, spacing)]


class TrainingCurves(QWidget):
    """Losses, the norm of the gradients, and with a library the distance of the two trainings."""

    step_requested = Signal(int)
    """A training step was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.loss, self.norm, self.distance = map(StepPlot, ("Loss", "Gradient norm", "Parameter distance"))
        self._plots = (self.loss, self.norm, self.distance)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for plot, stretch in zip(self._plots, (5, 3, 3), strict=True):
            plot.step_requested.connect(self.step_requested)
            layout.addWidget(plot, stretch)
        self.distance.plot.getAxis("bottom").setLabel("training step")
        self.distance.hide()

    def show_losses(self, history: TrainingHistory) -> None:
        """Draw the losses of a training so far."""
        losses = _lines(history, "loss", "training", "Loss of each batch, before the update.")
        at, tested = history.test_losses()
        test = Line("test", "Loss on sequences that are never trained on.", tested, _TEST_SERIES, steps=at)
        baseline = history.start.baseline
        limit = baseline, f"without learning {number_format.error(baseline)}"
        self.loss.show_lines(_length(history), [*losses, test], limit)

    def show_norms(self, history: TrainingHistory) -> None:
        """Draw the gradient norms of a training so far, and the parameter distance."""
        clip = history.start.task.training.clip_norm
        norms = _lines(history, "norm", "norm", "Euclidean norm of all gradients together, before they are clipped.")
        self.norm.show_lines(_length(history), norms, None if clip == 0 else (clip, f"clipped above {clip:g}"))
        two = len(history.learners) > 1
        self.distance.setVisible(two)
        self.norm.plot.getAxis("bottom").setLabel("" if two else "training step")
        if two:
            why = "Norm of the difference of all parameters, relative to the norm of the manual ones."
            limit = history.limit, f"drift limit {number_format.error(history.limit)}"
            self.distance.show_lines(_length(history), [Line("distance", why, history.column("distance"))], limit)

    def clear(self) -> None:
        for plot in self._plots:
            plot.show_lines(1, (), None)
        self.show_checkpoint(None)
        self.distance.hide()

    def show_checkpoint(self, step: int | None) -> None:
        for plot in self._plots:
            plot.show_step(step)

    def apply_theme(self, theme: Theme) -> None:
        for plot in self._plots:
            plot.apply_theme(theme)


def _lines(history: TrainingHistory, key: str, name: str, why: str) -> list[Line]:
    """A line for each learner. That of the library is wide and below the other, which may cover it."""
    two = len(history.learners) > 1
    return [
        Line(f"{name}, {display_name(learner)}" if two else name, why, history.column(f"{learner}.{key}"), 2 * i, i > 0)
        for i, learner in enumerate(history.learners)
    ]


def _length(history: TrainingHistory) -> int:
    return max(history.steps, history.start.task.training.steps)
