"""View of units over time: the selected unit of every engine, and pinned units."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QPen, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QToolButton

from rnnviz.cells import CellSpec
from rnnviz.core import number_format
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask, masked_in_lane
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import join_words
from rnnviz.explain.value_sources import quantity_place
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.plot import LaneAxis, Plot, Spans, cosmetic_pen
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, ViewHost, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, LegendKey, hint
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
        self.clear()
        self.addItem("h", "value")
        for choice in choices_of(cell, gradients, per_unit=True):
            self.addItem(choice.text, choice.name)
        place = self.findData(self.quantity)
        self.quantity = "value" if place < 0 else self.quantity
        self.setCurrentIndex(max(place, 0))


class PinButton(QToolButton):
    """Pins or unpins the unit shown last."""

    toggled_unit = Signal()
    """The pinned units changed."""

    def __init__(self) -> None:
        super().__init__()
        self._pinned: list[int] = []
        self._units: int | None = None
        self._unit = 0
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setAutoRaise(True)
        self.clicked.connect(self._toggle)

    @property
    def pinned(self) -> tuple[int, ...]:
        return tuple(self._pinned)

    def pin(self, units: Iterable[int]) -> None:
        """Replace the pinned units, up to the maximum number, by the given ones that the network has."""
        known = (unit for unit in units if self._units is None or unit < self._units)
        self._pinned = list(dict.fromkeys(known))[:MOST_PINNED]

    def fit(self, units: int) -> None:
        """Unpin units that a network of this many units lacks, and reserve the longest text's width."""
        self._units = units
        self.pin(self._pinned)
        self.setText(f"Unpin unit {units - 1}")
        self.ensurePolished()
        # A fixed size, because each change of a text would repeat the layout of the whole view.
        self.setFixedSize(self.sizeHint())
        self.show_unit(min(self._unit, units - 1))

    def show_unit(self, unit: int) -> None:
        """Set the unit that the button pins or unpins."""
        self._unit = unit
        pinned, full = unit in self._pinned, len(self._pinned) >= MOST_PINNED
        self.setText(f"Unpin unit {unit}" if pinned else f"Pin unit {unit}")
        self.setEnabled(pinned or not full)
        why = (
            "Removes this unit when the selection changes."
            if pinned
            else "Keeps this unit in the plot when the selection changes."
        )
        if full and not pinned:
            why = f"{MOST_PINNED} units are pinned, the maximum: unpin one first."
        self.setToolTip(wrapped(why))
        self.setAccessibleName(self.text())
        self.setAccessibleDescription(why)

    def apply_theme(self, theme: Theme) -> None:
        self.setIcon(Icons(theme).colored("pin", "text"))

    def _toggle(self) -> None:
        if self._unit in self._pinned:
            self._pinned.remove(self._unit)
        elif len(self._pinned) < MOST_PINNED:
            self._pinned.append(self._unit)
        self.toggled_unit.emit()


class UnitsPlot(ResultView):
    """The reference is solid, candidates are dashed. A legend shows the values at the selection.

    The units that are active over a selected range are listed next to the curves. Half of the methods are those of
    every view; the others draw one part or answer one control each.
    """

    title, label, group = "Units over time", "Units", "Over time"
    help_page = "window#plots"

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = self._asked = Location()
        """The shown location, and the requested one, whose curves may have to be read first."""
        self._theme = LIGHT
        self._hidden: set[str] = set()
        self._lines: tuple[UnitLine, ...] = ()
        self._keys: list[tuple[LegendKey, UnitLine]] = []
        self._shown: tuple[object, ...] | None = None

        self.heading = ElidedLabel(bold=True)
        self.nonfinite = ElidedLabel()
        self.choice = self.array = QuantityCombo("Quantity of the curves: h, a gate, a state, a change or a gradient.")
        self.choice.chosen.connect(self._redraw)
        self._legend = QHBoxLayout()
        self._legend.setSpacing(4)
        self.pin_button = PinButton()
        self.pin_button.toggled_unit.connect(self._redraw)
        for chosen in (self.choice.chosen, self.pin_button.toggled_unit):
            chosen.connect(self.state_changed)
        self.plot = Plot(self.title)
        self.plot.step_requested.connect(self._on_timestep)
        self.plot.explanation_requested.connect(self._on_explanation)
        self.gaps = {
            number_format.NAN: Spans(self.plot, number_format.NAN, "nan"),
            number_format.INFINITY: Spans(self.plot, number_format.INFINITY, "infinite"),
        }
        self.asked = Spans(self.plot, "?")
        """The steps whose values a question asks for."""
        self._masks: Sequence[Mask] = ()
        self.reader = SeriesReader(self)
        self.reader.ready.connect(self._redraw)
        empty = hint("A run (F5) shows the selected unit over time, of every engine.")
        texts = (self.heading, 3), (self.nonfinite, 2)
        top = self.tool_row = across(self.choice, *texts, self._legend, self.pin_button, margins=(8, 0, 8, 0))
        self._row = across((self.plot, 1))
        self._pages = pages(self, empty, down(top, (self._row, 1), margins=(0, 4, 0, 0), spacing=4))
        self.muted = empty, self.nonfinite
        self.plot.offer_copy(self.copy_text)
        self.themed = self.pin_button, self.plot

    def bind(self, window: ViewHost) -> None:
        LaneAxis(self.plot, window.lanes.canvas)
        ranges = window.lanes.ranges
        self._row.addWidget(ranges.panel)
        ranges.begun.connect(lambda: window.main_layout.select_tab(self.title))

    @property
    def pinned(self) -> tuple[int, ...]:
        return self.pin_button.pinned

    @property
    def keys(self) -> tuple[LegendKey, ...]:
        return tuple(key for key, _ in self._keys)

    def curve(self, engine: str, unit: int) -> FloatArray | None:
        """The drawn values of an engine's unit up to the end of the sample, (T',)."""
        for line in self._lines:
            if (line.engine, line.unit(self._location)) == (engine, unit) and engine not in self._hidden:
                return self._values(line)
        return None

    def copy_text(self) -> str:
        if self._result is None:
            return ""
        name = "" if self.choice.quantity == "value" else f"{self.choice.quantity} "
        known = [(line, values) for line in self._lines if (values := self._values(line)) is not None]
        heading = ["timestep", *(f"{line.engine} {name}unit {line.unit(self._location)}" for line, _ in known)]
        seen = [t for t in self.plot.seen if t < self._length(self._result)]
        columns = []
        for line, values in known:
            asked = self._asked_steps(self._result, line)
            columns.append(["?" if asked is not None and asked[t] else number_format.full(values[t]) for t in seen])
        rows = zip(map(str, seen), *columns, strict=True)
        return "".join("\t".join(line) + "\n" for line in (heading, *rows))

    def show_quantity(self, quantity: Quantity) -> None:
        """Show a quantity; h where the cell lacks it."""
        if self.choice.findData(quantity) >= 0:
            self.choice.choose(quantity)
        else:
            # The list belongs to an earlier result: the quantity is offered with the current one.
            self.choice.quantity = quantity

    def save_state(self) -> tuple[str, ...]:
        return (self.choice.quantity, *map(str, self.pinned))

    def restore_state(self, choices: Sequence[str]) -> None:
        self.pin_button.pin(int(word) for word in choices if word.isascii() and word.isdecimal())
        quantities = [quantity for quantity in color_names() if quantity in choices]
        if quantities:
            self.choice.choose(quantities[0])
        self._redraw()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        known, self._result, self._candidate = result is self._result, result, candidate
        self._pages.setCurrentIndex(0 if result is None else 1)
        if not known:
            self._shown = None
            self.reader.reset()
        if result is None:
            self._show_lines(())
            return
        if not known:
            self.pin_button.fit(result.shape[-1])
            self._location = self._asked = self._location.within(result.shape)
            self.plot.show_steps(result.shape[2], result.inputs.seams)
            cell = result.config.network.kind
            self.choice.offer(cell, gradients_of(result.traces.values(), cell))
        self._redraw()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masks = masked
        self._redraw()

    def show_location(self, location: Location) -> None:
        """Show a location. Curves that have to be read from files appear later; the earlier ones stay until then."""
        self._asked, result = location, self._result
        if result is None:
            return
        lines = self._lines_of(result, location)
        choices = (result, lines, location.moved(timestep=0), self.choice.quantity)
        if choices == self._shown:
            self.reader.cancel()
        else:
            keys = [self._key(line, location) for line in lines]
            if not self.reader.ask(result, keys) and not any(self._is_computed(line.engine) for line in lines):
                return
        self._location = location
        if choices != self._shown:
            self._shown = choices
            self._show_lines(lines)
            self._draw(result)
        self._describe(result)

    def finish_pending(self) -> None:
        result = self._result
        if result is not None and self.isVisible():
            self.reader.finish(result, [self._key(line, self._asked) for line in self._lines_of(result, self._asked)])
            self._redraw()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        super().apply_theme(theme)
        self._redraw()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop reading. A closing window hides its views."""
        self.reader.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._redraw()

    def _redraw(self) -> None:
        self._shown = None
        self.show_location(self._asked)

    def _key(self, line: UnitLine, where: Location) -> SeriesKey:
        return series_key(line.engine, where, line.unit(where), self.choice.quantity)

    def _is_computed(self, engine: str) -> bool:
        assert self._result is not None
        return stored_array(self.choice.quantity, self._result[engine]) is None

    def _values(self, line: UnitLine) -> FloatArray | None:
        """The values of a curve up to the end of the sample, (T',); None until they are known."""
        values = self.reader.get(self._key(line, self._location))
        if values is None or self._result is None:
            return None
        asked, values = self._asked_steps(self._result, line), values[: self._length(self._result)]
        return values if asked is None else np.where(asked, np.nan, values)

    def _asked_steps(self, result: RunResult, line: UnitLine) -> NDArray[np.bool_] | None:
        """(T',): the steps at which a question asks for the values of a curve; None without any."""
        where, unit = self._location, line.unit(self._location)
        array = "h" if self.choice.quantity == "value" else self.choice.quantity
        steps, units = range(self._length(result)), range(unit, unit + 1)
        asked = masked_in_lane(self._masks, array, where.lane, steps, where.sample, units)
        return None if asked is None else asked[:, 0]

    def _length(self, result: RunResult) -> int:
        return result.inputs.length(self._location.sample)

    def _lines_of(self, result: RunResult, where: Location) -> tuple[UnitLine, ...]:
        """The curves of all engines, and of pinned units the reference's and the candidate's."""
        reference, series = result.reference.engine, self._theme.series
        engines = [reference, *(name for name in result.traces if name != reference)]
        dashes = {name: DASHES[place % len(DASHES)] for place, name in enumerate(engines[1:])} | {reference: ()}
        lines = [
            UnitLine(name, None, series[place % len(series)], 10.0 + place, dashes[name])
            for place, name in enumerate(engines)
        ]
        for place, unit in enumerate(self.pinned, len(engines)):
            pinned = (reference,) if self._candidate is None else (reference, self._candidate)
            if unit != where.unit:
                color = series[place % len(series)]
                lines += [UnitLine(name, unit, color, 2.0 + i, dashes[name]) for i, name in enumerate(pinned)]
        return tuple(lines)

    def _draw(self, result: RunResult) -> None:
        """Draw the whole series: pyqtgraph chooses the points in view."""
        known = [np.zeros(0) if (values := self._values(line)) is None else values for line in self._lines]
        self.plot.show_values(*finite_range(known))
        for line, values, curve in zip(self._lines, known, self.plot.curves(len(known)), strict=True):
            curve.draw_with(line.pen, line.depth)
            self.plot.draw(curve, values)
            curve.setVisible(line.engine not in self._hidden)
        asked = [steps for line in self._lines if (steps := self._asked_steps(result, line)) is not None]
        self.asked.show_runs(runs(np.any(asked, axis=0)) if asked else np.zeros((0, 2), np.int64))
        texts = []
        for word, test in _TESTS.items():
            gaps = self._gaps(result, known, test)
            self.gaps[word].show_runs(gaps)
            if count := int((gaps[:, 1] - gaps[:, 0] + 1).sum()):
                texts.append(f"{word} at {number_format.count(count)} {'time step' if count == 1 else 'time steps'}")
        self.nonfinite.setText(", ".join(texts))
        self.nonfinite.setVisible(bool(texts))

    def _gaps(
        self, result: RunResult, series: Sequence[FloatArray], test: Callable[[Any], NDArray[np.bool_]]
    ) -> NDArray[np.int64]:
        """First and last time step of each run in which a curve passes a test, (K, 2).

        A step that was not recorded is not NaN.
        """
        mask = np.zeros(self._length(result), np.bool_)
        for line, values in zip(self._lines, series, strict=True):
            recorded = self._recorded(result, line.engine)
            part = slice(recorded.start, min(recorded.stop, len(values)))
            asked = self._asked_steps(result, line)
            mask[part] |= test(values[part]) & (True if asked is None else ~asked[part])
        return runs(mask)

    def _recorded(self, result: RunResult, engine: str) -> range:
        """Time steps at which a curve has values. Recorded outputs may lack some, and padding has none."""
        trace, where, quantity = result[engine], self._location, self.choice.quantity
        if is_gradient(quantity):
            times = range(trace.shape[2] if quantity in trace else 0)
        elif quantity in ("value", "norm"):
            times = trace.recorded(where.layer, where.direction)
        else:
            times = followed(result.inputs, trace, where.layer, where.direction)
        return times[: max(0, trace.places.length(where.sample) - times.start)]

    def _describe(self, result: RunResult) -> None:
        """Write the heading, and the values at the selection."""
        where, quantity = self._location, self.choice.quantity
        text = f"Unit {where.unit}, {lane_text(result.inputs.network, where)}, sample {where.sample}"
        if quantity != "value":
            text = f"{quantity} of {text[0].lower()}{text[1:]}{self._recomputed(result)}"
        complete = all(self._values(line) is not None for line in self._lines)
        self.heading.setText(text if complete else f"{text}: computing {quantity} …")
        self.pin_button.show_unit(where.unit)
        self.plot.show_selection(where.timestep)
        for key, line in self._keys:
            values = self._values(line)
            there = where.timestep in self._recorded(result, line.engine)
            asked = self._asked_steps(result, line)
            value = "…" if values is None else number_format.short(values[where.timestep]) if there else "none"
            key.show_value("?" if asked is not None and asked[where.timestep] else value)
        described = ", ".join(key.accessibleName() for key, _ in self._keys)
        begins = at_seam(result.inputs.seams, where.timestep)
        self.plot.setAccessibleDescription(f"{self.heading.text()}, t = {where.timestep}{begins}: {described}")

    def _recomputed(self, result: RunResult) -> str:
        """Clause on the engines that do not give the drawn quantity."""
        cell = result.config.network.kind
        engines = [name for name, trace in result.traces.items() if is_recomputed(self.choice.quantity, trace, cell)]
        if not engines:
            return ""
        of = "" if len(engines) == len(result.traces) else f" for {join_words(map(display_name, engines))}"
        return f", {RECOMPUTED}{of}"

    def _show_lines(self, lines: tuple[UnitLine, ...]) -> None:
        """Set the curves, with a key for each engine and each pinned unit."""
        if lines == self._lines:
            return
        self._lines = lines
        while self._keys:
            key, _ = self._keys.pop()
            self._legend.removeWidget(key)
            key.hide()
            key.deleteLater()
        named = set()
        for line in lines:
            if line.pinned is None:
                self._add_key(self._engine_key(line, lines[0].engine), line)
            elif line.pinned not in named:
                named.add(line.pinned)
                self._add_key(self._pinned_key(line.pinned), line)

    def _engine_key(self, line: UnitLine, reference: str) -> LegendKey:
        role = "the reference" if line.engine == reference else f"compared with {reference}"
        key = LegendKey(display_name(line.engine), f"{line.engine}, {role}. Click to hide or show its curves.")
        key.setCheckable(True)
        key.setChecked(line.engine not in self._hidden)
        key.toggled.connect(lambda shown, engine=line.engine: self._show_engine(engine, shown))
        return key

    def _pinned_key(self, unit: int) -> LegendKey:
        key = LegendKey(f"unit {unit}", f"Unit {unit} is pinned. Click to select it.")
        key.clicked.connect(lambda: self.location_requested.emit(self._location.moved(unit=unit)))
        return key

    def _add_key(self, key: LegendKey, line: UnitLine) -> None:
        key.show_line(line.pen, self._theme)
        self._legend.addWidget(key)
        self._keys.append((key, line))

    def _show_engine(self, engine: str, shown: bool) -> None:
        (self._hidden.discard if shown else self._hidden.add)(engine)
        self._redraw()

    def _on_explanation(self, timestep: int) -> None:
        self.explanation_requested.emit(quantity_place(self._location.moved(timestep=timestep), self.choice.quantity))

    def _on_timestep(self, timestep: int) -> None:
        self.location_requested.emit(self._location.moved(timestep=timestep))


class SeriesReader(QObject):
    """The latest time series of units of one result. Those that take longer than a frame are read on a thread."""

    ready = Signal()
    """The requested series are known."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._known: ByteCache[SeriesKey, FloatArray] = ByteCache("series")
        self._turn = 0
        """Number of the result."""
        self._missing: list[SeriesKey] = []
        # Curves appear while a key is held, too.
        self._task = LatestTask("series", self, finish=True)
        self._task.done.connect(self._take)

    def ask(self, result: RunResult, keys: Sequence[SeriesKey]) -> bool:
        """Request series in place of earlier ones. Returns whether they are known at once."""
        if result is not self._result:
            self.reset()
            self._result = result
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if sum(_frames(result, key) for key in missing) <= 1.0:
            self.cancel()
            for key in missing:
                self._keep(key, unit_series(result, key))
            return True
        if missing != self._missing:
            self._missing, turn = missing, self._turn

            def work(check: Check) -> tuple[int, dict[SeriesKey, FloatArray]]:
                return turn, {key: unit_series(result, key, check=check) for key in missing}

            self._task.ask(work)
        return False

    def finish(self, result: RunResult, keys: Sequence[SeriesKey]) -> None:
        """Read stored series at once, as before a picture is taken. It does not wait for computed ones."""
        self.cancel()
        for key in keys:
            if key not in self._known and stored_array(key.quantity, result[key.engine]) is not None:
                self._keep(key, unit_series(result, key))

    def get(self, key: SeriesKey) -> FloatArray | None:
        """A series (T,), or None until it is known."""
        return self._known.get(key)

    def cancel(self) -> None:
        self._missing = []
        self._task.cancel()

    def stop(self) -> None:
        self.cancel()
        self._task.stop()

    def reset(self) -> None:
        """Release the result and its series."""
        self.cancel()
        self._result = None
        self._turn += 1
        self._known.clear()

    def _take(self, found: tuple[int, dict[SeriesKey, FloatArray]]) -> None:
        turn, read = found
        if turn == self._turn:
            if list(read) == self._missing:
                self._missing = []
            for key, values in read.items():
                self._keep(key, values)
            self.ready.emit()

    def _keep(self, key: SeriesKey, values: FloatArray) -> None:
        self._known.put(key, values, values.nbytes)


def _frames(result: RunResult, key: SeriesKey) -> float:
    """How much of the work of a frame it is to read a series."""
    trace = result[key.engine]
    if stored_array(key.quantity, trace) is None:
        return series_effort(result, key) / _AT_ONCE
    return result.shape[2] * min(trace.hidden.strides[2], _PAGE) / (_PAGES_AT_ONCE * _PAGE)
