"""Plots of a training: losses, gradient norms, with a library the distance of two trainings, and answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.plot import Legend, Plot, cosmetic_pen
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import across, down
from rnnviz.series.outlines import finite_range, log_scale
from rnnviz.training.checkpoints import TestPrediction
from rnnviz.training.history import TrainingHistory

_LEAST_HEIGHT = 110
_TEST_SERIES = 1
_LABEL_ROOM = 0.35
"""Share of the axis that a label above the highest line needs."""


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
        self._length, self._logarithmic = 1, True
        self.plot, self.legend = Plot(title, navigable=False), Legend()
        self.plot.setMinimumHeight(scaled(_LEAST_HEIGHT))
        self.plot.step_requested.connect(self.step_requested)
        heading = QLabel(title)
        heading.setProperty("heading", True)
        head = across((heading, 1), self.legend)
        self.setLayout(down(head, (self.plot, 1), spacing=0))

    def show_lines(self, length: int, lines: Sequence[Line], limit: tuple[float, str] | None) -> None:
        """Draw other lines, and a dashed one at a number with a label. `length` is the last step of the axis."""
        if [line.name for line in lines] != [line.name for line in self.lines]:
            self.legend.name([(line.name, line.why) for line in lines])
        self.lines, self.limit, self._length = lines, limit, length
        self.plot.show_steps(length + 1)
        also, values = () if limit is None else (limit[0],), [line.values for line in lines]
        if self._logarithmic:
            scale = log_scale(values, *also, zeros=False)
            high = bool(also) and float(scale.positions(np.array(also))[0]) > scale.highest - _LABEL_ROOM
            # The label of the dashed line is above it.
            top = scale.highest + _LABEL_ROOM * (scale.highest - scale.lowest) if high else None
            self.plot.show_scale(scale, limit, high=top)
        else:
            self.plot.show_values(*finite_range([*values, np.array(also)]), limit)
        last = []
        for line, curve in zip(lines, self.plot.curves(len(lines)), strict=True):
            points = line.steps is not None
            pen = cosmetic_pen(QColor(self.plot.theme.series[line.series]), 5.0 if line.wide else 1.5)
            curve.draw_with(pen, 2.0 if points else 0.0 if line.wide else 1.0, points=points)
            known = line.values[np.isfinite(line.values)]
            # Before the first step there is only NaN, of which pyqtgraph finds no range.
            self.plot.draw(curve, *((line.values, line.steps) if len(known) else (known, None)))
            last.append(number_format.error(float(known[-1])) if len(known) else "")
        self.legend.color(self.plot.curves_drawn, self.plot.theme)
        self.legend.show_values(last)

    def set_logarithmic(self, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        self.show_lines(self._length, self.lines, self.limit)

    def apply_theme(self, theme: Theme) -> None:
        self.plot.apply_theme(theme)
        self.show_lines(self._length, self.lines, self.limit)


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
        self.distance.plot.steps_axis.setLabel("training step")
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
        self.norm.plot.steps_axis.setLabel("" if two else "training step")
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
            plot.plot.show_selection(step)

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


_ANSWERS_HEIGHT = 150


class AnswerPlot(QWidget):
    """Is hidden for predictions at several time steps, which are drawn over the lanes."""

    def __init__(self) -> None:
        super().__init__()
        heading = QLabel("Predictions of the test sequences")
        heading.setProperty("heading", True)
        self.plot = Plot(heading.text(), navigable=False, whole_steps=False)
        self.plot.setFixedHeight(scaled(_ANSWERS_HEIGHT))
        self.plot.values_axis.setLabel("prediction")
        self.plot.steps_axis.setLabel("target")
        [self.points, self._diagonal] = self.plot.curves(2)
        self.setLayout(down(heading, self.plot, spacing=4))
        self.hide()

    def show_prediction(self, found: TestPrediction | None) -> None:
        """Show the prediction of a checkpoint, or nothing."""
        self.setVisible(found is not None and found.one_answer)
        if found is None or self.isHidden():
            return
        target, predicted = found.target[found.counted], found.predicted[found.counted]
        order = np.argsort(target)
        ends = finite_range([target, predicted])
        self.plot.show_part(*ends)
        self.plot.show_values(*ends)
        self.plot.draw(self.points, predicted[order], target[order])
        self.plot.draw(self._diagonal, np.array(ends), np.array(ends))
        off = number_format.error(float(np.abs(predicted - target).max()))
        self.plot.setAccessibleDescription(f"{number_format.count(len(target))} sequences, off by at most {off}")

    def apply_theme(self, theme: Theme) -> None:
        self.plot.apply_theme(theme)
        self.points.draw_with(cosmetic_pen(QColor(theme.series[0]), 2.0), 1.0, points=True)
        self._diagonal.draw_with(cosmetic_pen(theme.color("muted"), 1.0, Qt.PenStyle.DashLine))
        for curve in (self.points, self._diagonal):
            self.plot.restyle(curve)
