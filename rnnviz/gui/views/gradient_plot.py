"""Gradient flow: norms of gradients over time on a logarithmic axis, and spectral norms of the steps' Jacobians."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QHelpEvent, QHideEvent, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QPushButton, QSizePolicy, QToolTip, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import gradient
from rnnviz.core.masks import Mask, masked_in_lane, masks_any
from rnnviz.core.trace_index import Lane, Location, lane_text
from rnnviz.dependence.gradient_flow import EngineFlow, flow_of, flow_sentence, gradient_flow, mark_of
from rnnviz.dependence.influence import (
    FlowCurve,
    JacobianNorms,
    LaneSteps,
    influence_curves,
    jacobian_norms,
    loss_curves,
    step_curves,
)
from rnnviz.gui.kit.plot import Legend, Spans, TimePlotView, cosmetic_pen
from rnnviz.gui.kit.tasks import Check, KnownValues
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme, blend
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ViewHost, across, choice, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.series.outlines import log_scale, runs
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence

Values = NDArray[np.float64]

LOSS, VALUE, STEPS = "loss", "value", "steps"
_SOURCES = (
    ("of the loss", LOSS, "Norm of the gradient of the loss with respect to each hidden state."),
    (
        "of the selected value",
        VALUE,
        "Influence: norm of the gradient of the selected value with respect to each hidden state and input.",
    ),
    (
        "of single steps",
        STEPS,
        "Spectral norm of the Jacobian of each step: the largest factor by which it can stretch a gradient.",
    ),
)
_NO_LOSS = "The gradient of the loss needs a backward pass. The gradient of the selected value needs none (key I)."
_NOTHING = {LOSS: "no gradient", VALUE: "no influence", STEPS: "not computed"}
_PRODUCT = "{growth}× per time step, from {count} Jacobians"
_OF_RANDOM = "{growth}× per time step, from one random gradient over {count} time steps"
_SAMPLED = "{count} of {timesteps} time steps"
_AT_ONCE = 1 << 21
"""Maximum number of gradients whose norms are computed within a frame."""
_NORMS_AFTER = 250
"""Milliseconds from the last change of the selection to the spectral norms of its lane."""
_ENGINE_LETTERS, _FEW_BYTES = 8, 1 << 16


class GradientFlowPlot(TimePlotView):
    """The selected lane of the selected sample is first; the sentence and the mark of 1% are of its curve.

    Most methods answer the plot that it shares with the other views over time.
    """

    title, group = "Gradient flow", "Over time"
    help_page = "gradient-flow"
    following_requested = Signal(bool)
    """Whether the influence on the selected value is wanted."""

    def __init__(self) -> None:
        super().__init__("A run (F5) shows the gradients over time.", Legend())
        self._influence: Influence | None = None
        self._progress, self._refusal = 0.0, ""
        self._norms = KnownValues("gradient flow", self, _size)
        """Norms of the gradients of engines, and spectral norms of lanes."""
        self._norms.ready.connect(self._draw)
        self.drawn: tuple[FlowCurve, ...] = ()

        self.source = choice("Gradient", _SOURCES)
        self.source.currentIndexChanged.connect(self._on_source)
        self.engines = ElidedComboBox("Engine of the gradients", "Engine whose gradients are drawn.", _ENGINE_LETTERS)
        self.engines.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.engines.activated.connect(self._measure)
        self.verdict = ElidedLabel(bold=True, selectable=True)
        self.plot.viewport().installEventFilter(self)
        self.empty = Spans(self.plot, ""), Spans(self.plot, "")
        """The steps before and after those that a gradient reaches."""
        self.asked = Spans(self.plot, "?")
        """The steps whose gradients a question asks for."""
        self._masks: Sequence[Mask] = ()
        self.mark = pg.InfiniteLine(angle=90, movable=False, label="", labelOpts={"position": 0.9, "anchors": _LEFT})
        self.plot.addItem(self.mark, ignoreBounds=True)
        self._settled = QTimer(self, interval=_NORMS_AFTER, singleShot=True)
        self._settled.timeout.connect(self._ask_on_thread)

        self.hint = hint()
        self.compute_button = QPushButton("Compute gradients")
        self.compute_button.setToolTip(wrapped("Runs again with a backward pass (Shift+G)."))
        waiting = QWidget()
        waiting.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        waiting.setLayout(down(None, self.hint, across(None, self.compute_button, None), None))
        self._stack = pages(None, waiting, self.plot)
        self._keys_below = across(None, margins=(8, 0, 8, 0))
        """The keys of the legend where the row above has no room for them."""
        self._controls = across(self.source, self.engines, (self.verdict, 1), self.legend)
        self.lay_out(self._controls, down(self._keys_below, (self._stack, 1)))
        self.muted = *self.muted, self.hint
        self.apply_theme(LIGHT)
        self.show_result(None, None)

    def bind(self, window: ViewHost) -> None:
        super().bind(window)
        self.following_requested.connect(window.lane_quantity.show_influence)
        window.lane_quantity.progressed.connect(self.show_progress)
        window.lane_quantity.refused.connect(self.show_refusal)
        self.compute_button.clicked.connect(window.results.compute_gradients)

    @property
    def wanted(self) -> str:
        """`LOSS`, `VALUE` or `STEPS`."""
        return str(self.source.currentData())

    @property
    def norms(self) -> JacobianNorms | None:
        """The spectral norms of the selected lane and sample; None until they are computed, or if they are unknown."""
        return cast("JacobianNorms | None", self._norms.get(self._lane))

    def columns(self, result: RunResult) -> list[tuple[str, Callable[[int], str]]]:
        return [(curve.name, partial(_full, curve.values)) for curve in self.drawn]

    def save_state(self) -> tuple[str, ...]:
        return (self.wanted,)

    def restore_state(self, choices: Sequence[str]) -> None:
        if STEPS in choices:
            self.source.setCurrentIndex(self.source.findData(STEPS))
        else:
            self.following_requested.emit(VALUE in choices)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        before = self.result
        if not self.take(result) and result is not None:
            return
        self._norms.reset()
        if result is None or before is None or before.inputs is not result.inputs:
            self._influence = None
        traces = {} if result is None else result.traces
        given = [name for name, trace in traces.items() if gradient("h") in trace]
        self.engines.show_entries(((display_name(name), name) for name in given), given[0] if given else None)
        self._measure()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masks = masked
        self._draw()

    def show_location(self, location: Location) -> None:
        moved = location.moved(timestep=0, unit=0) != self.location.moved(timestep=0, unit=0)
        self.location = location
        if moved:
            self._measure()
        else:
            self._describe()

    def show_influence(self, influence: "Influence | None", *, followed: bool) -> None:
        self._influence = influence
        if followed != (self.wanted == VALUE):
            with QSignalBlocker(self.source):
                self.source.setCurrentIndex(self.source.findData(VALUE if followed else LOSS))
            self.state_changed.emit()
        self._progress, self._refusal = 0.0, ""
        self._measure()

    def show_refusal(self, why: str) -> None:
        """Show why the influence on the selected value is not known."""
        self._refusal = why
        if self.wanted == VALUE:
            self._influence = None
            self._draw()

    def show_progress(self, fraction: float) -> None:
        """Show how much of the influence is computed."""
        self._progress, self._refusal = fraction, ""
        if self.wanted == VALUE:
            if self.drawn:
                self.verdict.setText(f"computing … {number_format.percent(fraction)}")
            else:
                self.hint.setText(self._reason)

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme
        super().apply_theme(theme)
        self.mark.setPen(cosmetic_pen(theme.color("muted"), 1.0, Qt.PenStyle.DashLine))
        self.mark.label.setColor(theme.color("text"))
        self.mark.label.fill = pg.mkBrush(theme.color("base"))
        self._draw()

    def finish_pending(self) -> None:
        if self.wanted == LOSS:
            self._norms.finish(self._wanted_norms())
            self._draw()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        """Show the values at the time step under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self.drawn:
            t = self.plot.step_at(self.plot.mapToScene(event.pos()))
            QToolTip.showText(event.globalPos(), self.values_at(t), self.plot)
            return True
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_legend()

    def _place_legend(self) -> None:
        """Let the sentence be read whole: many keys are below it."""
        rows = self._controls, self._keys_below
        here = int(self.legend.parent() is self._keys_below)
        others = self._controls.sizeHint().width() - (0 if here else self.legend.sizeHint().width())
        # New keys are not yet shown, and the layout leaves them out.
        keys = sum(key.sizeHint().width() + self.legend.spacing() for key in self.legend.keys)
        there = int(others + self.verdict.natural_width() + keys > self.width())
        if here != there:
            rows[here].removeItem(self.legend)
            self.legend.setParent(None)
            rows[there].addLayout(self.legend)

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop computing. A closing window hides its views."""
        self._settled.stop()
        self._norms.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Resume the computation."""
        super().showEvent(event)
        self._measure()

    # Numbers

    def _on_source(self) -> None:
        self.following_requested.emit(self.wanted == VALUE)
        self.state_changed.emit()
        self._measure()

    def _measure(self) -> None:
        """Ask for the norms that are to be drawn, at once if they are few."""
        self._norms.cancel()
        self._settled.stop()
        self.source.setToolTip(wrapped(_SOURCES[self.source.currentIndex()][2]))
        wanted, frames = self._wanted_norms(), 0.0
        if self.result is not None and self.wanted == LOSS and wanted:
            frames = self.result[self.engines.currentData()][gradient("h")].size / _AT_ONCE
        if self.wanted == STEPS and self.isVisible() and any(key not in self._norms for key in wanted):
            self._settled.start()
        elif self.wanted == LOSS and (self.isVisible() or frames <= 1.0):
            self._norms.ask(wanted, lambda _: frames)
        self._draw()

    def _ask_on_thread(self) -> None:
        self._norms.ask(self._wanted_norms(), lambda _: inf)

    def _wanted_norms(self) -> dict[Hashable, Callable[[Check], EngineFlow | JacobianNorms | None]]:
        """The computation of the norms of the source by their key; none without any."""
        result, engine, lane = self.result, self.engines.currentData(), self._lane
        if result is None or (self.wanted == LOSS and engine is None):
            return {}
        if self.wanted == LOSS:
            return {engine: lambda check: gradient_flow(result, engine, lambda _: check())}

        def spectral(check: Check) -> JacobianNorms | None:
            steps = LaneSteps(result.inputs, result[lane[0]], *lane[1:])
            return jacobian_norms(steps, lambda _: check()) if steps.known else None

        return {lane: spectral} if self.wanted == STEPS else {}

    @property
    def _flow(self) -> EngineFlow | None:
        return cast("EngineFlow | None", self._norms.get(self.engines.currentData()))

    @property
    def _lane(self) -> tuple[Any, int, int, int]:
        """Engine, layer, direction and sample of the spectral norms."""
        where, engine = self.location, self.engines.currentData()
        if self.result is not None:
            engine = (None if self._influence is None else self._influence.engine) or engine
            engine = engine or self.result.reference.engine
        return engine, where.layer, where.direction, where.sample

    @property
    def _reason(self) -> str:
        """Why nothing is drawn."""
        if self.wanted == LOSS:
            return "Computing the norms …" if self.engines.count() else _NO_LOSS
        if self.wanted == STEPS:
            unknown = self._lane in self._norms
            return "The steps of this lane are not known." if unknown else "Computing the spectral norms …"
        return self._refusal or f"Computing the influence … {number_format.percent(self._progress)}"

    def _curves(self) -> tuple[FlowCurve, ...]:
        """The curves of the source, that of the selected lane first; empty if they are not known."""
        result, where = self.result, self.location
        if result is None:
            return ()
        if self.wanted == STEPS:
            return () if self.norms is None else step_curves(result, where, self.norms)
        if self.wanted == LOSS:
            if self._flow is None:
                return ()
            states = {
                name: self._without_asked(result, gradient(name), norms[..., where.sample])
                for name, norms in self._flow.norms.items()
            }
            return loss_curves(result, where, states)
        return () if self._influence is None else influence_curves(result, self._influence)

    def _without_asked(self, result: RunResult, array: str, norms: Values) -> Values:
        """Norms (L, D, T) with NaN at the steps whose gradients a question asks for."""
        if not masks_any(self._masks, array):
            return norms
        shown, sample, reverse = norms.copy(), self.location.sample, result.inputs.network.reverse
        for layer, direction in np.ndindex(norms.shape[:2]):
            lane, steps = Lane(layer, direction, reverse=reverse), range(norms.shape[2])
            asked = masked_in_lane(self._masks, array, lane, steps, sample, range(result.shape[4]))
            if asked is not None:
                shown[layer, direction, asked.any(axis=1)] = np.nan
        return shown

    # Drawing

    def _draw(self) -> None:
        """Draw the curves, the parts without any, the mark, and the sentence on the first curve."""
        result, self.drawn = self.result, self._curves()
        self._stack.setCurrentIndex(1 if self.drawn else 0)
        self.engines.setVisible(self.wanted == LOSS and self.engines.count() > 1)
        self.hint.setText(self._reason)
        self.compute_button.setVisible(self.wanted == LOSS and not self.engines.count())
        self.mark.hide()
        self.legend.name([(curve.name, curve.why) for curve in self.drawn if not curve.thin])
        if result is None or not self.drawn:
            self.plot.curves(0)
            self.verdict.setText("")
            self._describe()
            return
        # A logarithmic axis has no 0: where there is no gradient, nothing is drawn.
        values = [curve.values for curve in self.drawn]
        scale = log_scale(values, *((1.0,) if self.wanted != LOSS else ()), zeros=False)
        if self.wanted == VALUE and self._influence is not None:
            # As many decades as the strips of the lanes distinguish.
            scale = replace(scale, lowest=max(scale.lowest, scale.highest - round(self._influence.decades)))
        limit = (1.0, "1: neither shrinks nor stretches") if self.wanted == STEPS else None
        self.plot.show_scale(scale, limit, high=None if scale.infinite else scale.highest + 0.1)
        pens = self._pens()
        for place, (curve, item) in enumerate(zip(self.drawn, self.plot.curves(len(self.drawn)), strict=True)):
            item.draw_with(pens[place], 10.0 - place)
            self.plot.draw(item, curve.values)
        self.legend.color(self.plot.curves_drawn[: len(self.legend.keys)], self.theme)
        asked = np.any([np.isnan(values_) for values_ in values], axis=0) & bool(self._masks)
        self.asked.show_runs(runs(asked))
        self._draw_empty(np.any([values_ > 0.0 for values_ in values], axis=0) | asked)
        if asked.any():
            self.verdict.setText("")
        else:
            self._judge(result)
        self._describe()
        self._place_legend()

    def _pens(self) -> list[QPen]:
        theme, pens, place = self.theme, [], 0
        for curve in self.drawn:
            if curve.thin:
                pens.append(cosmetic_pen(blend(theme, "muted", 0.5), 1.0))
                continue
            style = Qt.PenStyle.DashLine if curve.dashed else Qt.PenStyle.SolidLine
            color = QColor(theme.series[place % len(theme.series)])
            pens.append(cosmetic_pen(color, 1.5 if place else 2.0, style))
            place += 1
        return pens

    def _draw_empty(self, reached: NDArray[np.bool_]) -> None:
        """Shade the steps before and after those that a gradient reaches, and say that there is none."""
        (met,) = np.nonzero(reached)
        first, last = (int(met[0]), int(met[-1])) if len(met) else (len(reached), len(reached) - 1)
        for spans, word, steps in zip(
            self.empty, ("Earlier", "Later"), (range(first), range(last + 1, len(reached))), strict=True
        ):
            mask = np.zeros(len(reached), np.bool_)
            mask[steps.start : steps.stop] = True
            spans.show_runs(runs(mask), f"{word} steps: {_NOTHING[self.wanted]}")

    def _judge(self, result: RunResult) -> None:
        """Say how the first curve goes, and mark where 1% of it is left."""
        if self.wanted == STEPS:
            self.verdict.setText(self._growth())
            return
        influence = self._influence if self.wanted == VALUE else None
        where, loss = self.location if influence is None else influence.where, result.inputs.loss
        cut = influence is None and loss is not None and loss.truncate is not None
        backward = result.inputs.network.backward(where.direction)
        flow = flow_of(self.drawn[0].values[: result.inputs.length(where.sample)], backward=backward, truncated=cut)
        self.verdict.setText(flow_sentence(flow, backward=backward))
        if (mark := mark_of(flow, backward=backward)) is not None:
            at, text = mark
            # A label is placed only while its line is shown.
            self.mark.show()
            near_end = at < 0.2 * result.shape[2] or (backward and at < 0.8 * result.shape[2])
            self.mark.label.anchors = _RIGHT if near_end else _LEFT
            self.mark.setValue(at)
            self.mark.label.setFormat(text)

    def _growth(self) -> str:
        norms, result = self.norms, self.result
        if norms is None or result is None:
            return ""
        length = result.inputs.length(self.location.sample)
        template = _PRODUCT if norms.exact else _OF_RANDOM
        text = template.format(count=norms.product_steps, growth=number_format.error(norms.growth))
        if len(norms.times) == length:
            return text
        return f"{text}; {_SAMPLED.format(count=len(norms.times), timesteps=number_format.count(length))}"

    def _describe(self) -> None:
        result, where = self.result, self.location
        if result is None:
            return
        self.plot.show_selection(where.timestep)
        if self.wanted == VALUE and self._influence is not None and self._influence.where != where:
            self.verdict.setText("computing …")
        lane = f"{lane_text(result.inputs.network, where).capitalize()}, sample {where.sample}"
        self.plot.setAccessibleDescription(f"{lane}. {self.verdict.text()} {self.values_at(where.timestep)}")

    def values_at(self, timestep: int) -> str:
        """The norms at a time step in words."""
        named = (curve for curve in self.drawn if not curve.thin)
        texts = ", ".join(f"{curve.name} {number_format.error(curve.values[timestep])}" for curve in named)
        return f"t = {timestep:,}: {texts}" if texts else ""


_LEFT, _RIGHT = [(1.0, 0.5)] * 2, [(0.0, 0.5)] * 2
"""Anchors that place a label before or behind its line."""


def _full(values: Values, timestep: int) -> str:
    return "" if np.isnan(values[timestep]) else number_format.full(values[timestep])


def _size(found: EngineFlow | JacobianNorms | None) -> int:
    """The bytes of norms; those of a lane are few."""
    return sum(norms.nbytes for norms in found.norms.values()) if isinstance(found, EngineFlow) else _FEW_BYTES
