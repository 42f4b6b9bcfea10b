"""View of units over time: the selected unit of every engine, and pinned units."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QToolButton

from rnnviz.cells import CellSpec
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask, masked_in_lane
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import join_words
from rnnviz.explain.value_sources import quantity_place
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.plot import Legend, Spans, TimePlotView, cosmetic_pen
from rnnviz.gui.kit.tasks import Check, KnownValues
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ViewHost, across
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.seams import at_seam
from rnnviz.reading.arrays import SeriesKey, series_effort, series_key, unit_series
from rnnviz.reading.quantities import (
    RECOMPUTED,
    Quantity,
    choices_of,
    color_names,
    gradients_of,
    is_gradient,
    is_recomputed,
    stored_array,
)
from rnnviz.series.outlines import finite_range, runs
from rnnviz.steps.inputs import followed
from rnnviz.verify.result import RunResult

DASHES = ((4.0, 4.0), (1.0, 2.0), (8.0, 3.0, 1.0, 3.0), (10.0, 2.0))
"""Dash patterns of the candidates, in their order."""
MOST_PINNED = 4
_QUANTITY_LETTERS = 8
_UNIT_WIDTH, _OTHERS_WIDTH, _FILLED = 64, 640, 0.6
_AT_ONCE = 1 << 21
"""Maximum number of values of series that are computed within a frame."""
_PAGE, _PAGES_AT_ONCE = 4096, 1 << 12
"""Bytes of a page of a file, and the maximum number of pages that are read within a frame."""
_TESTS: dict[str, Callable[[Any], NDArray[np.bool_]]] = {number_format.NAN: np.isnan, number_format.INFINITY: np.isinf}


@dataclass(frozen=True)
class UnitLine:
    """One curve: of an engine, for the selected unit or a pinned one. `dashes` is empty for the reference."""

    engine: str
    pinned: int | None
    color: str
    depth: float
    dashes: tuple[float, ...] = ()

    def unit(self, where: Location) -> int:
        return where.unit if self.pinned is None else self.pinned

    @property
    def pen(self) -> QPen:
        """Solid curves are wide and below thin dashed ones, so that equal curves are both visible."""
        pen = cosmetic_pen(QColor(self.color), 1.5 if self.dashes else 2.5)
        if self.dashes:
            pen.setDashPattern(list(self.dashes))
        return pen


class QuantityCombo(ElidedComboBox):
    """Lists the quantities of the current cell. The selected one stays for other cells that have it."""

    chosen = Signal()

    def __init__(self, why: str) -> None:
        super().__init__("Quantity", why, _QUANTITY_LETTERS)
        self.quantity: Quantity = "value"
        """The selected quantity; "value" is h."""
        self.known = frozenset[Quantity](("value",))
        """The quantities of the result that is shown."""
        self._followed = "h"
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(lambda place: self.choose(self.itemData(place)))

    def choose(self, quantity: Quantity) -> None:
        self.quantity = quantity
        self.setCurrentIndex(self.findData(quantity))
        self.chosen.emit()

    def follow(self, name: str) -> bool:
        """Select the array of the lanes, if they show another one than before."""
        changed, self._followed = name != self._followed, name
        if changed:
            self.quantity = "value" if name == "h" else name
            self.setCurrentIndex(max(self.findData(self.quantity), 0))
        return changed

    def offer(self, cell: CellSpec, gradients: Collection[str] = ()) -> None:
        """List the quantities of a cell and the given gradients. Select h if it lacks the selected one."""
        others = {choice.name: choice.text for choice in choices_of(cell, gradients, per_unit=True)}
        self.known = frozenset(("value", *(choice.name for choice in choices_of(cell, gradients))))
        self.quantity = self.quantity if self.quantity in others else "value"
        self.show_entries((("h", "value"), *((text, name) for name, text in others.items())), self.quantity)


class LineNumbers(NamedTuple):
    """The numbers of a curve up to the end of the sample, (T',)."""

    values: FloatArray | None
    """NaN where a question asks for them; None until they are known."""
    asked: NDArray[np.bool_] | None
    """The steps at which a question asks for them; None without any."""
    recorded: range
    """The steps with values: recorded outputs may lack some, and padding has none."""


class UnitsPlot(TimePlotView):
    """The reference is solid, candidates are dashed. A legend shows the values at the selection.

    Engines are hidden by their keys, and units are pinned by a button. The units that are active over a selected range
    are listed next to the curves. Most methods answer the plot that it shares with the other views over time.
    """

    title, label, group = "Units over time", "Units", "Over time"
    help_page = "window#plots"

    def __init__(self) -> None:
        super().__init__("A run (F5) shows the selected unit over time, of every engine.", Legend(clickable=True))
        self._candidate: str | None = None
        self._asked = self.location
        """The requested location, whose curves may have to be read before they are shown."""
        self._hidden: set[str] = set()
        self._pinned: tuple[int, ...] = ()
        self._numbers: dict[UnitLine, LineNumbers] = {}
        self._shown: tuple[object, ...] | None = None
        self._range = 0.0, 0.0
        """Of the vertical axis. It stays for curves that fill it, which are read and drawn faster so."""

        self.heading, self.nonfinite = ElidedLabel(bold=True), ElidedLabel()
        self.choice = self.array = QuantityCombo("Quantity of the curves: h, a gate, a state, a change or a gradient.")
        self.choice.chosen.connect(self._redraw)
        self.choice.chosen.connect(self.state_changed)
        self.legend.clicked.connect(self._on_key)
        self.pin_button = QToolButton()
        self.pin_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.pin_button.setAutoRaise(True)
        self.pin_button.clicked.connect(self._toggle_pin)
        self.gaps = {
            number_format.NAN: Spans(self.plot, number_format.NAN, "nan"),
            number_format.INFINITY: Spans(self.plot, number_format.INFINITY, "infinite"),
        }
        self.asked = Spans(self.plot, "?")
        """The steps whose values a question asks for."""
        self._masks: Sequence[Mask] = ()
        # Curves appear while a key is held, too.
        self.series = KnownValues("series", self, lambda values: int(values.nbytes), finish=True)
        self.series.ready.connect(self._redraw)
        self._row = across((self.plot, 1))
        texts = (self.heading, 3), (self.nonfinite, 2)
        self.lay_out(across(self.choice, *texts, self.legend, self.pin_button), self._row)
        self.muted = *self.muted, self.nonfinite

    def bind(self, window: ViewHost) -> None:
        super().bind(window)
        ranges = window.lanes.ranges
        self._row.addWidget(ranges.panel)
        ranges.begun.connect(lambda: window.main_layout.select_tab(self.title))

    @property
    def pinned(self) -> tuple[int, ...]:
        return self._pinned

    def curve(self, engine: str, unit: int) -> FloatArray | None:
        """The drawn values of an engine's unit up to the end of the sample, (T',)."""
        for line, numbers in self._numbers.items():
            if (line.engine, line.unit(self.location)) == (engine, unit) and engine not in self._hidden:
                return numbers.values
        return None

    def columns(self, result: RunResult) -> list[tuple[str, Callable[[int], str]]]:
        name = "" if self.choice.quantity == "value" else f"{self.choice.quantity} "

        def column(values: FloatArray, asked: NDArray[np.bool_] | None) -> Callable[[int], str]:
            return lambda t: "?" if asked is not None and asked[t] else number_format.full(values[t])

        return [
            (f"{line.engine} {name}unit {line.unit(self.location)}", column(values, asked))
            for line, (values, asked, _) in self._numbers.items()
            if values is not None
        ]

    def show_quantity(self, quantity: Quantity) -> None:
        """Show a quantity; h where the cell lacks it."""
        if self.choice.findData(quantity) >= 0:
            self.choice.choose(quantity)
        else:
            # The list belongs to an earlier result: the quantity is offered with the current one.
            self.choice.quantity = quantity

    def save_state(self) -> tuple[str, ...]:
        return (self.choice.quantity, *map(str, self._pinned))

    def restore_state(self, choices: Sequence[str]) -> None:
        self._pin(int(word) for word in choices if word.isascii() and word.isdecimal())
        quantities = [quantity for quantity in color_names() if quantity in choices]
        if quantities:
            self.choice.choose(quantities[0])
        self._redraw()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._candidate = candidate
        taken = self.take(result)
        if taken:
            self._shown = None
            self.series.reset()
            if result is None:
                self._numbers = {}
                self.legend.name([])
                return
            self._asked = self.location
            self._pin(self._pinned)
            self._fit_pin_button(result.shape[-1])
        if result is not None and (taken or self.choice.quantity not in self.choice.known):
            cell = result.config.network.kind
            self.choice.offer(cell, gradients_of(result.traces.values(), cell))
        self._redraw()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masks = masked
        self._redraw()

    def show_location(self, location: Location) -> None:
        """Show a location. Curves that have to be read from files appear later; the earlier ones stay until then."""
        self._asked, result = location, self.result
        # The quantity of the lanes may be one of a result that comes next.
        if result is None or self.choice.quantity not in self.choice.known:
            return
        lines = self._lines_of(result, location)
        choices = (result, lines, location.moved(timestep=0), self.choice.quantity)
        wanted = {key: partial(_read, result, key) for key in (self._key(line, location) for line in lines)}
        known, same = self.series.ask(wanted, partial(_frames, result)), choices == self._shown
        if not (known or same or any(self._is_computed(result, line) for line in lines)):
            return
        self.location = location
        if not same:
            self._shown = choices
            self._draw(result, lines)
        self._describe(result)

    def finish_pending(self) -> None:
        """Read stored series at once. It does not wait for computed ones."""
        result = self.result
        if result is not None and self.isVisible():
            stored = [line for line in self._lines_of(result, self._asked) if not self._is_computed(result, line)]
            keys = [self._key(line, self._asked) for line in stored]
            self.series.finish({key: partial(_read, result, key) for key in keys})
            self._redraw()

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.pin_button.setIcon(Icons(theme).colored("pin", "text"))
        super().apply_theme(theme)
        self._redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # Where there is room the unit is read, however many keys there are; a small window does not grow for it.
        room = self.width() - scaled(_OTHERS_WIDTH)
        self.heading.setMinimumWidth(max(0, min(scaled(_UNIT_WIDTH), room)))

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop reading. A closing window hides its views."""
        self.series.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._redraw()

    def place_at(self, timestep: int) -> Place:
        return quantity_place(self.location_at(timestep), self.choice.quantity)

    def _redraw(self) -> None:
        self._shown = None
        self.show_location(self._asked)

    # Curves

    def _key(self, line: UnitLine, where: Location) -> SeriesKey:
        return series_key(line.engine, where, line.unit(where), self.choice.quantity)

    def _is_computed(self, result: RunResult, line: UnitLine) -> bool:
        return stored_array(self.choice.quantity, result[line.engine]) is None

    def _lines_of(self, result: RunResult, where: Location) -> tuple[UnitLine, ...]:
        """The curves of all engines, and of pinned units the reference's and the candidate's."""
        reference, series = result.reference.engine, self.theme.series
        engines = [reference, *(name for name in result.traces if name != reference)]
        dashes = {name: DASHES[place % len(DASHES)] for place, name in enumerate(engines[1:])} | {reference: ()}
        lines = [
            UnitLine(name, None, series[place % len(series)], 10.0 + place, dashes[name])
            for place, name in enumerate(engines)
        ]
        for place, unit in enumerate(self._pinned, len(engines)):
            pinned = (reference,) if self._candidate is None else (reference, self._candidate)
            if unit != where.unit:
                color = series[place % len(series)]
                lines += [UnitLine(name, unit, color, 2.0 + i, dashes[name]) for i, name in enumerate(pinned)]
        return tuple(lines)

    def _numbers_of(self, result: RunResult, line: UnitLine) -> LineNumbers:
        where, quantity, trace = self.location, self.choice.quantity, result[line.engine]
        length, unit = self.length(result), line.unit(where)
        array = "h" if quantity == "value" else quantity
        masked = masked_in_lane(self._masks, array, where.lane, range(length), where.sample, range(unit, unit + 1))
        asked = None if masked is None else masked[:, 0]
        values = self.series.get(self._key(line, where))
        values = None if values is None else values[:length]
        if values is not None and asked is not None:
            values = np.where(asked, np.nan, values)
        if is_gradient(quantity):
            times = range(trace.shape[2] if quantity in trace else 0)
        elif quantity in ("value", "norm"):
            times = trace.recorded(where.layer, where.direction)
        else:
            times = followed(result.inputs, trace, where.layer, where.direction)
        return LineNumbers(values, asked, times[: max(0, trace.places.length(where.sample) - times.start)])

    def _draw(self, result: RunResult, lines: Sequence[UnitLine]) -> None:
        """Draw the whole series: pyqtgraph chooses the points in view."""
        self._numbers = {line: self._numbers_of(result, line) for line in lines}
        known = [np.zeros(0) if own.values is None else own.values for own in self._numbers.values()]
        (low, high), (least, most) = finite_range(known), self._range
        if low < least or high > most or high - low < _FILLED * (most - least):
            self._range = low, high
        self.plot.show_values(*self._range)
        for line, values, curve in zip(lines, known, self.plot.curves(len(known)), strict=True):
            curve.draw_with(line.pen, line.depth)
            self.plot.draw(curve, values)
            curve.setVisible(line.engine not in self._hidden)
        self._name_lines(result)
        asked = [own.asked for own in self._numbers.values() if own.asked is not None]
        self.asked.show_runs(runs(np.any(asked, axis=0)) if asked else np.zeros((0, 2), np.int64))
        texts = []
        for word, test in _TESTS.items():
            mask = np.zeros(self.length(result), np.bool_)
            for own, values in zip(self._numbers.values(), known, strict=True):
                # A step that was not recorded is not NaN, nor one that is asked for.
                part = slice(own.recorded.start, min(own.recorded.stop, len(values)))
                mask[part] |= test(values[part]) & (True if own.asked is None else ~own.asked[part])
            self.gaps[word].show_runs(runs(mask))
            if count := int(mask.sum()):
                texts.append(f"{word} at {number_format.count(count)} {'time step' if count == 1 else 'time steps'}")
        self.nonfinite.setText(", ".join(texts))
        self.nonfinite.setVisible(bool(texts))

    # Texts

    @property
    def _named(self) -> list[UnitLine]:
        """The curves with a key: one of each engine, and one of each pinned unit."""
        first = {line.pinned: line for line in reversed(self._numbers)}
        return [line for line in self._numbers if line.pinned is None or line is first[line.pinned]]

    def _name_lines(self, result: RunResult) -> None:
        named, reference = self._named, result.reference.engine
        texts = []
        for line in named:
            role = "the reference" if line.engine == reference else f"compared with {reference}"
            engine = display_name(line.engine), f"{line.engine}, {role}. Click to hide or show its curves."
            pinned = f"unit {line.pinned}", f"Unit {line.pinned} is pinned. Click to select it."
            texts.append(engine if line.pinned is None else pinned)
        self.legend.name(texts)
        for key, line in zip(self.legend.keys, named, strict=True):
            key.setCheckable(line.pinned is None)
            key.setChecked(line.engine not in self._hidden)
            key.show_line(line.pen, self.theme)

    def _describe(self, result: RunResult) -> None:
        """Write the heading, and the values at the selection."""
        where, quantity = self.location, self.choice.quantity
        text = f"Unit {where.unit}, {lane_text(result.inputs.network, where)}, sample {where.sample}"
        if quantity != "value":
            text = f"{quantity} of {text[0].lower()}{text[1:]}{self._recomputed(result)}"
        complete = all(own.values is not None for own in self._numbers.values())
        self.heading.setText(text if complete else f"{text}: computing {quantity} …")
        self._describe_pin(where.unit)
        self.plot.show_selection(where.timestep)
        self.legend.show_values([self._text(self._numbers[line], where.timestep) for line in self._named])
        described = ", ".join(key.accessibleName() for key in self.legend.keys)
        begins = at_seam(result.inputs.seams, where.timestep)
        self.plot.setAccessibleDescription(f"{self.heading.text()}, t = {where.timestep:,}{begins}: {described}")

    @staticmethod
    def _text(own: LineNumbers, timestep: int) -> str:
        if own.asked is not None and own.asked[timestep]:
            return "?"
        if own.values is None:
            return "…"
        return number_format.short(own.values[timestep]) if timestep in own.recorded else "none"

    def _recomputed(self, result: RunResult) -> str:
        """Clause on the engines that do not give the drawn quantity."""
        cell = result.config.network.kind
        engines = [name for name, trace in result.traces.items() if is_recomputed(self.choice.quantity, trace, cell)]
        if not engines:
            return ""
        of = "" if len(engines) == len(result.traces) else f" for {join_words(map(display_name, engines))}"
        return f", {RECOMPUTED}{of}"

    # Pinned and hidden curves

    def _on_key(self, place: int) -> None:
        """Hide or show an engine, or select a pinned unit."""
        line = self._named[place]
        if line.pinned is not None:
            self.location_requested.emit(self.location.moved(unit=line.pinned))
        else:
            self._hidden ^= {line.engine}
            self._redraw()

    def _pin(self, units: Iterable[int]) -> None:
        """Replace the pinned units, up to the maximum number, by the given ones that the network has."""
        known = (unit for unit in units if self.result is None or unit < self.result.shape[-1])
        self._pinned = tuple(dict.fromkeys(known))[:MOST_PINNED]

    def _toggle_pin(self) -> None:
        unit = self.location.unit
        others = tuple(pinned for pinned in self._pinned if pinned != unit)
        self._pin(others if unit in self._pinned else (*others, unit))
        self.state_changed.emit()
        self._redraw()

    def _fit_pin_button(self, units: int) -> None:
        """Reserve the longest text's width: each change of a text would repeat the layout of the whole view."""
        self.pin_button.setText(f"Unpin unit {units - 1}")
        self.pin_button.ensurePolished()
        self.pin_button.setFixedSize(self.pin_button.sizeHint())

    def _describe_pin(self, unit: int) -> None:
        pinned, full = unit in self._pinned, len(self._pinned) >= MOST_PINNED
        why = "Keeps this unit in the plot when the selection changes."
        if pinned:
            why = "Removes this unit when the selection changes."
        elif full:
            why = f"{MOST_PINNED} units are pinned, the maximum: unpin one first."
        button = self.pin_button
        button.setText(f"Unpin unit {unit}" if pinned else f"Pin unit {unit}")
        button.setEnabled(pinned or not full)
        button.setToolTip(wrapped(why))
        button.setAccessibleName(button.text())
        button.setAccessibleDescription(why)


def _read(result: RunResult, key: SeriesKey, check: Check) -> FloatArray:
    return unit_series(result, key, check=check)


def _frames(result: RunResult, key: SeriesKey) -> float:
    """How much of the work of a frame it is to read a series."""
    trace = result[key.engine]
    if stored_array(key.quantity, trace) is None:
        return series_effort(result, key) / _AT_ONCE
    return result.shape[2] * min(trace.hidden.strides[2], _PAGE) / (_PAGES_AT_ONCE * _PAGE)
