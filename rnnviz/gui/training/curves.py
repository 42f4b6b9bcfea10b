"""Curves of a training: losses, the norm of the gradients, and the distance of two learners."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.labels import ElidedLabel, LegendKey
from rnnviz.gui.views.time_plot import Curve, LinearOrLogPlot, cosmetic_pen
from rnnviz.series.outlines import finite_range, log_scale, outline_of
from rnnviz.training.history import TrainingHistory

_FEWEST_STEPS = 100
"""The least number of training steps on the axis."""


@dataclass(frozen=True, eq=False)
class CurveLine:
    """A curve by training step, (S + 1,). `place` is the index of its color in the theme's series.

    With `steps` the values are those of these training steps, (K,), and lines lead from one to the next.
    """

    name: str
    why: str
    values: NDArray[np.float64]
    place: int
    width: float = 1.0
    depth: float = 1.0
    steps: NDArray[np.float64] | None = None


_AXIS_WIDTH = 44

_LOOKS = ((0, 2.0, 1.0), (1, 5.0, 0.0))
"""Color, width and depth of the curves of the manual learner and the library: the wide one is below the other."""


class StepPlot(QWidget):
    """A heading, a legend with the last values, and curves over training steps with a dashed line at one number."""

    step_requested = Signal(int)

    def __init__(self, title: str, *, logarithmic: bool) -> None:
        super().__init__()
        self.plot = LinearOrLogPlot(logarithmic=logarithmic)
        self.plot.getAxis("bottom").setLabel("training step")
        self.plot.setAccessibleName(title)
        # Plots below each other have the same steps above each other.
        self.plot.getAxis("left").setWidth(scaled(_AXIS_WIDTH))
        self.plot.show_selection(-1)
        self.plot.timestep_requested.connect(self.step_requested)
        # The draw changes the range of values, which the plot may not while it changes that of the steps.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._draw)
        self.plot.seen_changed.connect(self._later.start)
        self.lines: Sequence[CurveLine] = ()
        self.limit: tuple[float, str] | None = None
        self._curves: list[Curve] = []
        self.keys: list[LegendKey] = []
        self._theme = LIGHT
        self._heading = ElidedLabel(title, bold=True)
        self.head = QHBoxLayout()
        self.head.setContentsMargins(8, 4, 8, 0)
        self.head.setSpacing(4)
        self.head.addWidget(self._heading, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self.head)
        layout.addWidget(self.plot, 1)

    def rename(self, title: str, axis: str) -> None:
        """Set the heading and the name of the lower axis."""
        self._heading.setText(title)
        self.plot.setAccessibleName(title)
        self.plot.getAxis("bottom").setLabel(axis)

    def show_lines(self, steps: int, lines: Sequence[CurveLine], limit: tuple[float, str] | None) -> None:
        """Draw other lines, and a dashed one at a number with a label. `steps` is the length of the axis."""
        self.lines, self.limit = lines, limit
        while len(self._curves) > len(lines):
            self.plot.remove_curve(self._curves.pop())
            self.keys.pop().deleteLater()
        while len(self._curves) < len(lines):
            self._curves.append(self.plot.add_curve(QPen(), depth=1.0))
            self.keys.append(LegendKey("", ""))
            self.head.addWidget(self.keys[-1])
        for line, curve, key in zip(lines, self._curves, self.keys, strict=True):
            pen = self._pen(line)
            curve.draw_with(pen, line.depth)
            if key.text() != line.name:
                key.rename(line.name, line.why)
            key.show_line(pen, self._theme)
            # There is no training loss before the first step.
            known = len(line.values) > (line.steps is None)
            key.show_value(number_format.error(float(line.values[-1])) if known else "")
        self.plot.show_timesteps(steps + 1, np.zeros(0, np.int64))
        self._draw()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.plot.apply_theme(theme)
        for line, curve, key in zip(self.lines, self._curves, self.keys, strict=True):
            curve.draw_with(self._pen(line), line.depth)
            key.show_line(self._pen(line), theme)

    def set_logarithmic(self, logarithmic: bool) -> None:
        self.plot.set_logarithmic(logarithmic)
        self._draw()

    def _pen(self, line: CurveLine) -> QPen:
        return cosmetic_pen(QColor(self._theme.series[line.place]), line.width)

    def _draw(self) -> None:
        also = () if self.limit is None else (self.limit[0],)
        if self.plot.logarithmic:
            scale = log_scale((line.values for line in self.lines), *also)
            drawn = [scale.positions(line.values) for line in self.lines]
            highest = [float(np.fmax.reduce(heights, initial=-np.inf)) for heights in drawn]
            self.plot.show_log(scale, max(highest, default=0.0), self.limit)
        else:
            drawn = [line.values for line in self.lines]
            self.plot.show_linear(*finite_range([*drawn, np.array(also)]), self.limit)
        seen = self.plot.timesteps_in_sight
        for line, heights, curve in zip(self.lines, drawn, self._curves, strict=True):
            values = heights if line.steps is None else _joined(line.steps, heights)
            curve.show_outline(outline_of(values, range(seen.start, min(seen.stop, len(values))), self.plot.pixels))


class TrainingCurves(QWidget):
    """Losses, the norm of the gradients, and with a library the distance of the two learners."""

    step_requested = Signal(int)
    """A training step was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = StepPlot("Loss", logarithmic=True)
        self.norm = StepPlot("Gradient norm", logarithmic=True)
        self.distance = StepPlot("Parameter distance", logarithmic=True)
        self.logarithmic = QCheckBox("&Logarithmic")
        self.logarithmic.setChecked(True)
        self.logarithmic.setToolTip(wrapped("Show the loss on a logarithmic axis."))
        self.logarithmic.toggled.connect(self.loss.set_logarithmic)
        self.loss.head.addWidget(self.logarithmic)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for plot, stretch in ((self.loss, 3), (self.norm, 2), (self.distance, 2)):
            plot.step_requested.connect(self.step_requested)
            layout.addWidget(plot, stretch)
        self.distance.hide()

    def show_losses(self, history: TrainingHistory) -> None:
        """Draw the losses of a training so far."""
        two = len(history.learners) > 1
        losses = [
            CurveLine(
                f"training, {display_name(name)}" if two else "training",
                "Loss of each batch, before the update.",
                history.column(f"{name}.loss"),
                *_LOOKS[place],
            )
            for place, name in enumerate(history.learners)
        ]
        at, tested = history.test_losses()
        losses.append(CurveLine("test", "Loss on sequences that are never trained on.", tested, 2, 2.0, 2.0, at))
        baseline = history.start.baseline
        limit = baseline, f"without learning: {number_format.error(baseline)}"
        self.loss.show_lines(_length(history), losses, limit)

    def show_norms(self, history: TrainingHistory) -> None:
        """Draw the gradient norms of a training so far, and the parameter distance."""
        two, steps, clip = len(history.learners) > 1, _length(history), history.start.task.training.clip_norm
        norms = [
            CurveLine(
                display_name(name) if two else "norm",
                "Euclidean norm of all gradients together, before they are clipped.",
                history.column(f"{name}.norm"),
                *_LOOKS[place],
            )
            for place, name in enumerate(history.learners)
        ]
        self.norm.show_lines(steps, norms, None if clip == 0 else (clip, f"clipped above {clip:g}"))
        self.distance.setVisible(two)
        if two:
            line = CurveLine(
                "distance",
                "Norm of the difference of all parameters, relative to the norm of the manual ones.",
                history.column("distance"),
                0,
            )
            limit = history.limit
            self.distance.show_lines(steps, [line], (limit, f"drift limit {number_format.error(limit)}"))

    def clear(self) -> None:
        """Draw no training."""
        for plot in (self.loss, self.norm, self.distance):
            plot.show_lines(1, (), None)
            plot.plot.show_selection(-1)
        self.distance.hide()

    def show_checkpoint(self, step: int) -> None:
        """Mark a training step by a line."""
        for plot in (self.loss, self.norm, self.distance):
            plot.plot.show_selection(step)

    def apply_theme(self, theme: Theme) -> None:
        for plot in (self.loss, self.norm, self.distance):
            plot.apply_theme(theme)


def _length(history: TrainingHistory) -> int:
    """The length of the axis: it grows until it has all training steps of the task."""
    reach = _FEWEST_STEPS
    while reach < history.steps:
        reach *= 2
    return max(history.steps, min(reach, history.start.task.training.steps), 1)


def _joined(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of some training steps, (K,), by training step, (S + 1,), on a straight line between two of them."""
    if not len(steps):
        return np.full(1, np.nan)
    every = np.arange(int(steps[-1]) + 1)
    return np.where(every < steps[0], np.nan, np.interp(every, steps, values))
