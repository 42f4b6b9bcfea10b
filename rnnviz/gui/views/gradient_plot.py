"""Gradient flow: norms of gradients over time on a logarithmic axis, and spectral norms of the steps' Jacobians.

The gradients are those of the loss, or those of the selected value: its influence.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QBrush, QHelpEvent, QHideEvent, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QSizePolicy, QSplitter, QToolTip, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import gradient
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.dependence.gradient_flow import (
    EXPLODING,
    VANISHING,
    EngineFlow,
    Flow,
    FlowVerdict,
    flow_of,
    flow_sentence,
    gradient_flow,
)
from rnnviz.dependence.influence import JacobianNorms, LaneSteps, jacobian_norms
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, ViewHost, across, choice, down, pages
from rnnviz.gui.views.error_plot import LaneCurves
from rnnviz.gui.views.labels import ElidedLabel, LegendKey, hint
from rnnviz.gui.views.time_plot import LogTimePlot, cosmetic_pen
from rnnviz.series.outlines import Outline, largest_of, log_scale, outline_of
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence

Values = NDArray[np.float64]

LOSS, VALUE = "loss", "value"
_SOURCES = (
    ("of the loss", LOSS, "Norm of the gradient of the loss with respect to each hidden state."),
    (
        "of the selected value",
        VALUE,
        "Influence: norm of the gradient of the selected value with respect to each hidden state and input.",
    ),
)
_LOSS_OFF = (
    "The gradient of the loss needs a backward pass: Run > Compute gradients (Shift+G).\n"
    "The gradient of the selected value needs none (I)."
)
_EMPTY = "A run (F5) shows the gradients over time."
_BELOW = "vanishing: below {limit} of the norm at t = {t}"
_ABOVE = "exploding: above {limit}× the norm at t = {t}"
_PRODUCT = "{growth}× per time step, from {count} Jacobians"
_OF_RANDOM = "{growth}× per time step, from one random gradient over {count} time steps"
_SAMPLED = "{count} of {timesteps} time steps"
_AT_ONCE = 1 << 21
"""Maximum number of gradients whose norms are computed within a frame."""
_MOST_LANES = 16
_NORMS_AFTER = 250
"""Milliseconds from the last change of the selection to the spectral norms of its lane."""
_KEPT = 32
_NEAR = 100.0
"""A limit is on the axis if a norm comes nearer to it than this factor."""
_LEAST_HEIGHT = 480
"""Height in pixels from which on the plots are one below the other: the axes of both take 150."""
_LEAST_WIDTH = 1200
"""Width in pixels from which on the selected lane is named next to the verdict."""
_ENGINE_LETTERS = 8
_REGION_ALPHA = 0.12
_FROM_EDGE = 0.02
"""Distance of a label from the edge of the plot, as a share of its width."""


class _Region(pg.GraphicsObject):
    """The shaded part of a plot beyond a limit, with a dashed line and a label.

    It covers the time steps that a gradient meets: those after a selected value have none, which has not vanished.
    """

    def __init__(self, plot: LogTimePlot, *, below: bool) -> None:
        super().__init__()
        self._plot, self._below = plot, below
        self._times = 0.0, 0.0
        self.line = pg.InfiniteLine(angle=0, movable=False, label="")
        self.line.setZValue(4)
        self.setZValue(-6)
        for item in (self, self.line):
            plot.addItem(item, ignoreBounds=True)
            item.hide()

    def show_limit(self, at: float | None, text: str, times: tuple[float, float], *, right: bool) -> None:
        """Move the limit to a position, or hide it. `right` is the end of the axis at which its label is.

        `times` are the first and the last time step of the region.
        """
        self._times = times[0] - 0.5, times[1] + 0.5
        for item in (self, self.line):
            item.setVisible(at is not None)
        if at is not None:
            self.line.setValue(at)
            self.line.label.setFormat(text)
            # Within the region: below the one limit, and above the other.
            self.line.label.anchors = [(float(right), 0.0 if self._below else 1.0)] * 2
            self.line.label.setPosition(1.0 - _FROM_EDGE if right else _FROM_EDGE)
            self.viewRangeChanged()

    def apply_theme(self, theme: Theme) -> None:
        color = theme.color("wrong")
        self.line.setPen(cosmetic_pen(color, 1.0, Qt.PenStyle.DashLine))
        self.line.label.setColor(color)
        ground = theme.color("base")
        ground.setAlphaF(0.75)
        self.line.label.fill = QBrush(ground)
        self.update()

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:
        view = QRectF(self._plot.view_box.viewRect())
        at, (first, last) = float(self.line.value()), self._times
        view.setLeft(min(max(first, view.left()), view.right()))
        view.setRight(max(min(last, view.right()), view.left()))
        if self._below:
            view.setBottom(max(min(at, view.bottom()), view.top()))
        else:
            view.setTop(min(max(at, view.top()), view.bottom()))
        return view

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        tint = self._plot.theme.color("wrong")
        tint.setAlphaF(_REGION_ALPHA)
        painter.fillRect(self.boundingRect(), tint)


class _FlowTimePlot(LogTimePlot):
    """A plot whose tooltip has the values at the time step under the pointer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.describe: Callable[[int], str] = lambda _: ""
        self.name_values(name)
        self.setAccessibleName(name)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            time = self.view_box.mapSceneToView(self.mapToScene(event.pos())).x()
            timestep = min(max(round(time), 0), max(self._timesteps - 1, 0))
            QToolTip.showText(event.globalPos(), self.describe(timestep), self)
            return True
        handled: bool = super().viewportEvent(event)
        return handled


class _FlowLegend(QHBoxLayout):
    """Keys of a plot's curves with their values at the selection."""

    def __init__(self) -> None:
        super().__init__()
        self.setSpacing(4)
        self.keys: list[LegendKey] = []

    def name(self, names: Sequence[tuple[str, str]]) -> None:
        """Set the names of the curves, and their descriptions."""
        while len(self.keys) > len(names):
            key = self.keys.pop()
            self.removeWidget(key)
            key.deleteLater()
        while len(self.keys) < len(names):
            key = LegendKey("", "")
            key.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self.addWidget(key)
            self.keys.append(key)
        for key, (name, why) in zip(self.keys, names, strict=True):
            key.rename(name, why)

    def color(self, curves: LaneCurves, theme: Theme) -> None:
        """Draw the pens of the curves."""
        for place, key in enumerate(self.keys):
            key.show_line(curves.companion(place - 1) if place else curves.wide, theme)


class GradientFlowPlot(ResultView):
    """The selected lane of the selected sample is emphasized, other lanes are thin.

    Its methods draw, read out and restore the two figures that share the plot: gradient norms and influence.
    """

    title, group = "Gradient flow", "Over time"
    help_page = "gradient-flow"
    figure_width = 600

    following_requested = Signal(bool)
    """Whether the influence on the selected value is wanted."""

    def bind(self, window: ViewHost) -> None:
        self.following_requested.connect(window.lane_quantity.show_influence)
        window.lane_quantity.progressed.connect(self.show_progress)
        window.lane_quantity.refused.connect(self.show_refusal)

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._location = Location()
        self._theme = LIGHT
        self._flow: EngineFlow | None = None
        self._influence: Influence | None = None
        self._progress, self._refusal = 0.0, ""
        self._lanes: tuple[Values, tuple[tuple[str, str, Values], ...]] | None = None
        """The drawn norms (L, D, T), and further curves of a lane with name and description, (L, D, T)."""
        self._of_lane = Flow(flow_of(np.zeros(1), backward=False).verdict)
        self._norms: dict[tuple[str, int, int, int], JacobianNorms | None] = {}
        self._turn = 0

        self.source = choice("Gradient", _SOURCES)
        self.source.currentIndexChanged.connect(self._on_source)
        self.engines = ElidedComboBox("Engine of the gradients", "Engine whose gradients are drawn.", _ENGINE_LETTERS)
        self.engines.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.engines.activated.connect(self._measure)
        self._heading, self.verdict = ElidedLabel(bold=True), ElidedLabel(selectable=True)
        self.growth = ElidedLabel()
        self._legend, self._norms_legend = _FlowLegend(), _FlowLegend()
        self.plot = _FlowTimePlot("norm")
        self.norms_plot = _FlowTimePlot("spectral norm")
        self.norms_plot.setAccessibleName("Spectral norm of the Jacobian of each step")
        self.curves, self.norm_curves = LaneCurves(self.plot), LaneCurves(self.norms_plot)
        self.regions = {
            verdict: _Region(self.plot, below=verdict is FlowVerdict.VANISHING)
            for verdict in (FlowVerdict.VANISHING, FlowVerdict.EXPLODING)
        }
        for plot, draw, describe in (
            (self.plot, self._draw, self._values_at),
            (self.norms_plot, self._draw_norms, self._norms_at),
        ):
            plot.timestep_requested.connect(self._on_timestep)
            plot.explanation_requested.connect(self._on_explanation)
            plot.seen_changed.connect(draw)
            plot.describe = describe
        self.plot.view_box.sigXRangeChanged.connect(lambda: self.norms_plot.show_part_of(self.plot))
        self.norms_plot.view_box.sigXRangeChanged.connect(lambda: self.plot.show_part_of(self.norms_plot))
        self._settled = QTimer(self, interval=_NORMS_AFTER, singleShot=True)
        self._settled.timeout.connect(self._ask_norms)
        self._flow_task, self._norms_task = LatestTask("flow", self), LatestTask("jacobians", self)
        self._flow_task.done.connect(self._take_flow)
        self._norms_task.done.connect(self._take_norms)

        self.hint = hint()
        # A text that wraps would ask for more height than the tabs have.
        self.hint.setWordWrap(False)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        empty = hint(_EMPTY)
        self._stack = pages(None, self.hint, self.plot)
        norms_top = across((self.growth, 1), self._norms_legend, margins=(4, 0, 4, 0))
        left, right = QWidget(), QWidget()
        self._norms_pane = right
        left.setLayout(down((self._stack, 1)))
        right.setLayout(down(norms_top, (self.norms_plot, 1), spacing=0))
        self.panes = QSplitter(Qt.Orientation.Horizontal)
        self.panes.setChildrenCollapsible(False)
        for place, (part, share) in enumerate(((left, 3), (right, 2))):
            self.panes.addWidget(part)
            self.panes.setStretchFactor(place, share)
        choices = across(self.source, self.engines, (self._heading, 1))
        self._top = across(choices, (across((self.verdict, 1), self._legend), 1), margins=(4, 0, 4, 0))
        self._pages = pages(self, empty, down(self._top, (self.panes, 1), margins=(4, 4, 4, 0), spacing=4))
        self.muted = empty, self.hint, self.growth
        self.themed = self.plot, self.norms_plot, self.curves, self.norm_curves, *self.regions.values()
        self.apply_theme(LIGHT)
        self.show_result(None, None)

    @property
    def wanted(self) -> str:
        """`LOSS` or `VALUE`."""
        return str(self.source.currentData())

    @property
    def keys(self) -> tuple[LegendKey, ...]:
        """The legends of both plots."""
        return (*self._legend.keys, *self._norms_legend.keys)

    @property
    def norms(self) -> JacobianNorms | None:
        """The spectral norms of the selected lane and sample, None until they are computed."""
        return self._norms.get(self._norms_key) if self._norms_key[0] else None

    def copy_text(self) -> str:
        """The norms of every lane, and the spectral norms of the selected one, at the visible time steps."""
        result, lanes = self._result, self._lanes
        if result is None or lanes is None:
            return ""
        main, others = lanes
        network, norms = result.inputs.network, self.norms
        seen, length = self.plot.timesteps_in_sight, result.inputs.length(self._location.sample)
        seen = range(seen.start, max(seen.start, min(seen.stop, length)))
        columns: dict[str, Values] = {
            f"h, {lane_text(network, Location(k, d))}": main[k, d] for k, d in np.ndindex(main.shape[:2])
        }
        here = self._location.index[:2]
        columns |= {f"{name}, {lane_text(network, self._location)}": values[here] for name, _, values in others}
        if norms is not None:
            for name, values in ((self._whole, norms.whole), ("h", norms.hidden)):
                whole = np.full(main.shape[2], np.nan)
                whole[norms.times] = values
                columns[f"spectral norm, {name}"] = whole
        rows = [["timestep", *columns]]
        rows += [[str(t), *(_full(values[t]) for values in columns.values())] for t in seen]
        return "".join("\t".join(row) + "\n" for row in rows)

    def save_state(self) -> tuple[str, ...]:
        return (self.wanted,)

    def restore_state(self, choices: Sequence[str]) -> None:
        self.following_requested.emit(VALUE in choices)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        before, self._result = self._result, result
        if before is result and result is not None:
            return
        self._turn += 1
        self._flow = None
        if before is not None or result is None:
            # Those of a duplicate, which shows its first result, are kept.
            self._influence = None
            self._norms.clear()
        self._flow_task.cancel()
        self._norms_task.cancel()
        names = [] if result is None else [n for n, trace in result.traces.items() if gradient("h") in trace]
        self.engines.clear()
        for name in names:
            self.engines.addItem(display_name(name), name)
        if result is not None:
            self._location = self._location.within(result.shape)
            for plot in (self.plot, self.norms_plot):
                plot.show_timesteps(result.shape[2], result.inputs.seams)
            last = lane_text(result.inputs.network, Location(result.shape[0] - 1, result.shape[1] - 1))
            widest = f"{last.capitalize()}, sample {result.shape[3] - 1} "
            self._heading.setMinimumWidth(self._heading.fontMetrics().horizontalAdvance(widest))
            keys = [(self._whole, "Largest factor by which a step can stretch a gradient of the whole state.")]
            of_h = "h", "The same of h alone, with the other states held fixed."
            self._norms_legend.name([*keys, of_h] if len(self._symbols) > 1 else keys)
            self._norms_legend.color(self.norm_curves, self._theme)
        self._pages.setCurrentIndex(0 if result is None else 1)
        self._measure()

    def show_location(self, location: Location) -> None:
        moved = location.moved(timestep=0, unit=0) != self._location.moved(timestep=0, unit=0)
        self._location = location
        if moved:
            self._show_lanes()
            self._want_norms()
        self._tell()

    def show_influence(self, influence: "Influence | None", *, followed: bool) -> None:
        self._influence = influence
        if followed != (self.wanted == VALUE):
            self.source.blockSignals(True)
            self.source.setCurrentIndex(self.source.findData(VALUE if followed else LOSS))
            self.source.blockSignals(False)
            self.state_changed.emit()
        self._progress, self._refusal = 0.0, ""
        self._measure()

    def show_refusal(self, why: str) -> None:
        """Show why the influence on the selected value is not known."""
        self._refusal = why
        if self.wanted == VALUE:
            self._influence = None
            self._show_lanes()
            self._tell()

    def show_progress(self, fraction: float) -> None:
        """Show how much of the influence is computed."""
        self._progress, self._refusal = fraction, ""
        if self._lanes is None:
            self.hint.setText(self._reason)
        elif self.wanted == VALUE:
            self.verdict.setText(f"computing … {number_format.percent(fraction)}")

    def show_part_of(self, view: Self) -> None:
        self.plot.show_part_of(view.plot)

    def duplicate(self) -> Self:
        made = type(self)()
        made.source.blockSignals(True)
        made.source.setCurrentIndex(self.source.currentIndex())
        made.source.blockSignals(False)
        made._influence, made._norms = self._influence, dict(self._norms)
        return made

    def hide_selection(self) -> None:
        # A picture does not wait for them.
        self._norms_pane.setVisible(self.norms is not None)
        for plot in (self.plot, self.norms_plot):
            plot.hide_selection()
        for key in self.keys:
            key.show_value("")

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        super().apply_theme(theme)
        self._legend.color(self.curves, theme)
        self._norms_legend.color(self.norm_curves, theme)

    def finish_pending(self) -> None:
        result = self._result
        if result is not None and self._flow is None and self.engines.count():
            self._flow_task.cancel()
            self._flow = gradient_flow(result, self.engines.currentData())
            self._show_lanes()
            self._tell()

    def stack(self, *, stacked: bool) -> bool:
        directions = QBoxLayout.Direction
        self._top.setDirection(directions.TopToBottom if stacked else directions.LeftToRight)
        return super().stack(stacked=stacked)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.isVisible():
            self._arrange()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop computing. A closing window hides its views."""
        self._settled.stop()
        self._flow_task.stop()
        self._norms_task.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Resume the computation."""
        super().showEvent(event)
        self._arrange()
        self._measure()

    def _arrange(self) -> None:
        """Fit the parts to the size of the tab. A figure stacks them itself."""
        tall = self.height() >= _LEAST_HEIGHT
        self.stack(stacked=tall)
        # Where there is one line, the sentence needs the room. The lanes show the selection, too.
        self._heading.setVisible(tall or self.width() >= scaled(_LEAST_WIDTH))

    # Numbers

    def _on_source(self) -> None:
        self.following_requested.emit(self.wanted == VALUE)
        self.state_changed.emit()
        self._measure()

    def _measure(self) -> None:
        """Ask for the norms of the gradients, at once if they are few."""
        result, engine = self._result, self.engines.currentData()
        if self._flow is not None and self._flow.engine != engine:
            self._flow = None
        if result is not None and self.wanted == LOSS and self._flow is None and engine is not None:
            turn = self._turn
            if result[engine][gradient("h")].size <= _AT_ONCE:
                self._flow = gradient_flow(result, engine)
            elif self.isVisible():
                self._flow_task.ask(lambda check: (turn, gradient_flow(result, engine, lambda _: check())))
        self.source.setToolTip(wrapped(_SOURCES[self.source.currentIndex()][2]))
        self._show_lanes()
        self._want_norms()
        self._tell()

    def _take_flow(self, found: tuple[int, EngineFlow | None]) -> None:
        turn, flow = found
        if turn == self._turn:
            self._flow = flow
            self._show_lanes()
            self._tell()

    @property
    def _reason(self) -> str:
        """Why nothing is drawn."""
        if self.wanted == LOSS:
            return "Computing the norms …" if self.engines.count() else _LOSS_OFF
        return self._refusal or f"Computing the influence … {number_format.percent(self._progress)}"

    def _show_lanes(self) -> None:
        """Take the norms of the selected sample, and set the axis for all lanes."""
        self._lanes = self._norms_of_lanes()
        self._stack.setCurrentIndex(0 if self._lanes is None else 1)
        self.engines.setVisible(self.wanted == LOSS and self.engines.count() > 1)
        self.hint.setText(self._reason)
        if self._lanes is None or self._result is None:
            self._legend.name([])
            self.curves.clear()
            return
        main, others = self._lanes
        self._legend.name([("h", "Norm of the gradient of h in the selected lane.")] + [o[:2] for o in others])
        self._legend.color(self.curves, self._theme)
        where = self._location
        length = self._result.inputs.length(where.sample)
        loss = self._result.inputs.loss
        cut = self.wanted == LOSS and loss is not None and loss.truncate is not None
        backward = self._result.inputs.network.backward(where.direction)
        on_way = main[where.index[:2]][:length]
        self._of_lane = flow = flow_of(on_way, backward=backward, truncated=cut)
        drawn = [main, *(values for _, _, values in others)]
        lanes = [lane for values in drawn for lane in values.reshape(-1, values.shape[-1])]
        limits = self._limits(flow, on_way)
        # A logarithmic axis has no 0: where there is no gradient, nothing is drawn.
        scale = log_scale(
            lanes, *(flow.at_begin * limit for limit in limits.values() if limit is not None), zeros=False
        )
        self.plot.show_scale(scale, None)
        texts = {FlowVerdict.VANISHING: _BELOW, FlowVerdict.EXPLODING: _ABOVE}
        times = sorted((flow.begins or 0, flow.ends or 0))
        for verdict, limit in limits.items():
            place = None if limit is None else float(scale.positions(np.array([flow.at_begin * limit]))[0])
            text = "" if limit is None else texts[verdict].format(limit=number_format.error(limit), t=flow.begins)
            # Where the backward pass begins, the curve is far from the limits.
            self.regions[verdict].show_limit(place, text, (times[0], times[-1]), right=not backward)
        self._draw()

    def _limits(self, flow: Flow, norms: Values) -> dict[FlowVerdict, float | None]:
        """The limits of the ratio that the verdict on the selected lane passes, or that its norms come near to."""
        found: dict[FlowVerdict, float | None] = dict.fromkeys((FlowVerdict.VANISHING, FlowVerdict.EXPLODING))
        if not flow.at_begin or not np.isfinite(flow.at_begin):
            return found
        on_way = norms[min(flow.begins or 0, flow.ends or 0) : max(flow.begins or 0, flow.ends or 0) + 1]
        low, high = flow.at_begin * VANISHING, flow.at_begin * EXPLODING
        if np.nanmin(on_way) < low * _NEAR:
            found[FlowVerdict.VANISHING] = VANISHING
        if not np.nanmax(on_way) <= high / _NEAR:
            found[FlowVerdict.EXPLODING] = EXPLODING
        return found if flow.verdict not in found else found | {flow.verdict: flow.limit}

    def _norms_of_lanes(self) -> "tuple[Values, tuple[tuple[str, str, Values], ...]] | None":
        result, where = self._result, self._location
        if result is None:
            return None
        if self.wanted == VALUE:
            found = self._influence
            if found is None:
                return None
            inputs = np.broadcast_to(found.inputs, found.hidden.shape)
            length = result.inputs.length(found.where.sample)
            main, of_input = _within(found.hidden, length), _within(inputs, length)
            return main, (("x", "Norm of the gradient of each input.", of_input),)
        if self._flow is None:
            return None
        length = result.inputs.length(where.sample)
        norms = {s: _within(array[..., where.sample], length) for s, array in self._flow.norms.items()}
        others = tuple((s, f"Norm of the gradient of {s} in the selected lane.", norms[s]) for s in list(norms)[1:3])
        return norms["h"], others

    # Spectral norms

    @property
    def _norms_key(self) -> tuple[str, int, int, int]:
        where, engine = self._location, ""
        if self._result is not None:
            found = self._influence.engine if self._influence is not None else self.engines.currentData()
            engine = found or self._result.reference.engine
        return engine, where.layer, where.direction, where.sample

    @property
    def _symbols(self) -> tuple[str, ...]:
        """Symbols of the network's states."""
        return ("h",) if self._result is None else self._result.inputs.network.kind.state_symbols

    @property
    def _whole(self) -> str:
        """Name of the whole state: "h", or "(h, c)"."""
        return "h" if len(self._symbols) == 1 else f"({', '.join(self._symbols)})"

    def _want_norms(self) -> None:
        self._norms_task.cancel()
        if self._result is not None and self._norms_key not in self._norms and self.isVisible():
            self._settled.start()
        self._draw_norms()

    def _ask_norms(self) -> None:
        result, key, turn = self._result, self._norms_key, self._turn
        if result is None or key in self._norms:
            return

        def work(check: Check) -> tuple[int, tuple[str, int, int, int], JacobianNorms | None]:
            engine, *lane = key
            steps = LaneSteps(result.inputs, result[engine], *lane)
            return turn, key, jacobian_norms(steps, lambda _: check()) if steps.known else None

        self._norms_task.ask(work)

    def _take_norms(self, found: tuple[int, tuple[str, int, int, int], JacobianNorms | None]) -> None:
        turn, key, norms = found
        if turn == self._turn:
            self._norms[key] = norms
            while len(self._norms) > _KEPT:
                del self._norms[next(iter(self._norms))]
            self._draw_norms()
            self._tell()

    # Drawing

    def _draw(self) -> None:
        """Draw the visible time steps at the resolution of the screen, with the selected lane emphasized."""
        if self._lanes is None:
            return
        main, companions = self._lanes
        here, seen, pixels, scale = (
            self._location.index[:2],
            self.plot.timesteps_in_sight,
            self.plot.pixels,
            self.plot.scale_of_values,
        )

        def outline(values: Values) -> Outline:
            found = outline_of(values, seen, pixels)
            return replace(found, low=scale.positions(found.low), high=scale.positions(found.high))

        others = [outline(main[lane]) for lane in np.ndindex(main.shape[:2]) if lane != here]
        others = [largest_of(others)] if len(others) > _MOST_LANES else others
        self.curves.draw(outline(main[here]), [outline(values[here]) for _, _, values in companions], others)

    def _draw_norms(self) -> None:
        norms, result = self.norms, self._result
        several = len(self._symbols) > 1
        if norms is None or result is None:
            self.norm_curves.clear()
            return
        times = np.arange(result.inputs.length(self._location.sample), dtype=np.float64)
        curves = [norms.whole, norms.hidden] if several else [norms.whole]
        with np.errstate(all="ignore"):
            logs = [np.interp(times, norms.times, np.log(curve)) for curve in curves]
            values = [_padded(np.exp(log), result.shape[2]) for log in logs]
        scale = log_scale(curves, 0.5, 5.0, zeros=False)
        above = float(np.mean([np.mean(curve > 1.0) for curve in curves])) > 0.5
        self.norms_plot.show_scale(scale, (1.0, "1: neither shrinks nor stretches"), below=above)
        seen, pixels = self.norms_plot.timesteps_in_sight, self.norms_plot.pixels
        outlines = [outline_of(each, seen, pixels) for each in values]
        outlines = [replace(o, low=scale.positions(o.low), high=scale.positions(o.high)) for o in outlines]
        self.norm_curves.draw(outlines[0], outlines[1:], ())

    def _tell(self) -> None:
        result, where = self._result, self._location
        if result is None:
            return
        for plot in (self.plot, self.norms_plot):
            plot.show_selection(where.timestep)
        named = f"{lane_text(result.inputs.network, where).capitalize()}, sample {where.sample}"
        of_other = self.wanted == VALUE and self._influence is not None and self._influence.where != where
        self._heading.setText(f"{named}" if not of_other else f"{named}: computing …")
        self.verdict.setText("" if self._lanes is None else flow_sentence(self._of_lane))
        for key, (_, value) in zip(self._legend.keys, self._values(where.timestep), strict=False):
            key.show_value(value)
        values = self._norms_values(where.timestep)
        for key, value in zip(self._norms_legend.keys, values or ("", ""), strict=False):
            key.show_value(value)
        self.growth.setText(self._growth_text())
        self.growth.explain("" if self.norms is None else self.growth.text())
        self.plot.setAccessibleDescription(f"{named}. {self.verdict.text()} {self._values_at(where.timestep)}")
        self.norms_plot.setAccessibleDescription(f"{named}. {self._norms_at(where.timestep)} {self.growth.text()}")

    def _values(self, timestep: int) -> list[tuple[str, str]]:
        if self._lanes is None:
            return []
        main, others = self._lanes
        at = (*self._location.index[:2], timestep)
        return [
            (name, number_format.error(values[at])) for name, values in [("h", main), *((o[0], o[2]) for o in others)]
        ]

    def _values_at(self, timestep: int) -> str:
        """The norms at a time step in words."""
        texts = ", ".join(f"{name} {value}" for name, value in self._values(timestep))
        return f"t = {timestep}: {texts}" if texts else ""

    def _norms_values(self, timestep: int) -> tuple[str, ...]:
        """The spectral norms at a time step, or at the nearest one that has them."""
        norms = self.norms
        if norms is None:
            return ()
        place = int(np.argmin(np.abs(norms.times - timestep)))
        return tuple(number_format.error(values[place]) for values in (norms.whole, norms.hidden))

    def _norms_at(self, timestep: int) -> str:
        norms = self.norms
        if norms is None:
            return ""
        nearest = int(norms.times[np.argmin(np.abs(norms.times - timestep))])
        whole, hidden = self._norms_values(timestep)
        return f"Spectral norm at t = {nearest}: {self._whole} {whole}" + (
            "" if self._whole == "h" else f", h {hidden}"
        )

    def _growth_text(self) -> str:
        norms, result = self.norms, self._result
        if norms is None or result is None:
            waiting = self._settled.isActive() or self._norms_task.busy
            return "Computing the spectral norms …" if waiting else ""
        length = result.inputs.length(self._location.sample)
        template = _PRODUCT if norms.exact else _OF_RANDOM
        text = template.format(count=norms.product_steps, growth=number_format.error(norms.growth))
        if len(norms.times) == length:
            return text
        sampled = _SAMPLED.format(count=len(norms.times), timesteps=number_format.count(length))
        return f"{text}; {sampled}"

    def _on_timestep(self, timestep: int) -> None:
        self.location_requested.emit(self._location.moved(timestep=timestep))

    def _on_explanation(self, timestep: int) -> None:
        self.explanation_requested.emit(self._location.moved(timestep=timestep))


def _within(norms: Values, length: int) -> Values:
    """Norms (..., T) with NaN in padding."""
    if length == norms.shape[-1]:
        return norms
    found = np.array(norms)
    found[..., length:] = np.nan
    return found


def _padded(values: Values, timesteps: int) -> Values:
    return np.concatenate([values, np.full(timesteps - len(values), np.nan)])


def _full(value: Any) -> str:
    return "" if np.isnan(value) else number_format.full(value)
