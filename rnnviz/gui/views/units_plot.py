"""View of units over time: the selected unit of every engine, and pinned units."""

from collections.abc import Collection, Iterable, Sequence
from typing import Self

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QToolButton

from rnnviz.cells import CellSpec
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import join_words
from rnnviz.explain.value_sources import quantity_place
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, LegendKey, hint
from rnnviz.gui.views.seams import at_seam
from rnnviz.gui.views.time_plot import TimePlot
from rnnviz.gui.views.unit_lines import DASHES, UnitLine, UnitLines
from rnnviz.reading.quantities import RECOMPUTED, Quantity, choices_of, color_names, gradients_of, is_recomputed
from rnnviz.series.outlines import Outline
from rnnviz.verify.result import RunResult


class QuantityCombo(ComboBox):
    """Lists the quantities of the current cell. The selected one stays for other cells that have it."""

    chosen = Signal()

    def __init__(self, why: str) -> None:
        super().__init__()
        self.quantity: Quantity = "value"
        """The selected quantity; "value" is h."""
        self._followed = "h"
        self.setAccessibleName("Quantity")
        self.setToolTip(wrapped(why))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
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


MOST_PINNED = 4


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

    Its methods draw the curves, read them out, and choose, pin and restore units.
    """

    title, label, group = "Units over time", "Units", "Over time"
    help_page = "window#plots"
    figure_width = 600

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = self._asked = Location()
        """The shown location, and the requested one, whose curves may have to be read first."""
        self._theme = LIGHT
        self._hidden: set[str] = set()
        self._keys: list[tuple[LegendKey, UnitLine]] = []
        self._built: tuple[object, ...] | None = None
        self._shown: tuple[object, ...] | None = None

        self.heading = ElidedLabel(bold=True)
        self.nonfinite = ElidedLabel()
        self.choice = self.array = QuantityCombo("Quantity of the curves: h, a gate, a state, a change or a gradient.")
        self.choice.chosen.connect(self._redraw)
        self._legend = QHBoxLayout()
        self._legend.setSpacing(4)
        self.pin_button = PinButton()
        self.pin_button.toggled_unit.connect(self._refresh)
        for chosen in (self.choice.chosen, self.pin_button.toggled_unit):
            chosen.connect(self.state_changed)
        self.plot = TimePlot()
        self.plot.apply_theme(LIGHT)
        self.plot.setAccessibleName(self.title)
        self.plot.timestep_requested.connect(self._on_timestep)
        self.plot.explanation_requested.connect(self._on_explanation)
        self._lines = UnitLines(self.plot)
        self._lines.series_ready.connect(self._redraw)
        self._lines.fetched.connect(self._on_fetched)
        self.gaps = self._lines.gaps
        empty = hint("A run (F5) shows the selected unit over time, of every engine.")
        texts = (self.heading, 3), (self.nonfinite, 2)
        top = across(self.choice, 8, *texts, self._legend, self.pin_button, margins=(4, 0, 0, 0))
        self._pages = pages(self, empty, down(top, (self.plot, 1), margins=(4, 4, 4, 0), spacing=4))
        self.muted = empty, self.nonfinite
        self.themed = self.pin_button, self.plot, *self.gaps.values()

    @property
    def pinned(self) -> tuple[int, ...]:
        return self.pin_button.pinned

    @property
    def keys(self) -> tuple[LegendKey, ...]:
        return tuple(key for key, _ in self._keys)

    def curve(self, engine: str, unit: int) -> Outline | None:
        for line in self._lines:
            if (line.engine, line.unit) == (engine, unit) and line.curve.visible:
                return line.curve.outline
        return None

    def copy_text(self) -> str:
        if self._result is None:
            return ""
        name = "" if self.choice.quantity == "value" else f"{self.choice.quantity} "
        there = [line for line in self._lines if line.whole is not None]
        heading = ["timestep", *(f"{line.engine} {name}unit {line.unit}" for line in there)]
        seen, length = self.plot.timesteps_in_sight, self._result.inputs.length(self._location.sample)
        seen = range(seen.start, max(seen.start, min(seen.stop, length)))
        columns = [values for line in there if (values := self._lines.values(line, seen)) is not None]
        rows = zip(seen, *columns, strict=True)
        lines = [heading] + [[str(t), *map(number_format.full, row)] for t, *row in rows]
        return "".join("\t".join(line) + "\n" for line in lines)

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
        if not known:
            self._shown = None
            self._lines.reset()
        if result is not None and not known:
            self.pin_button.fit(result.shape[-1])
            self._location = self._asked = self._location.within(result.shape)
            self.plot.show_timesteps(result.shape[2], result.inputs.seams)
            cell = result.config.network.kind
            self.choice.offer(cell, gradients_of(result.traces.values(), cell))
        if known and result is not None:
            self.show_location(self._asked)
        else:
            self._refresh()

    def show_location(self, location: Location) -> None:
        """Show a location, if need be when its curves are read; the earlier ones stay until then."""
        self._asked, result = location, self._result
        if result is None or self._shown == self._choices(location):
            self._lines.cancel()
        elif not self._lines.fetch(result, location, self.choice.quantity):
            return
        self._location = location
        self._refresh()

    def _on_fetched(self, location: Location, quantity: str) -> None:
        if quantity != self.choice.quantity:
            return
        # Other time steps of the same curves may have been requested meanwhile.
        moved = self._asked.moved(timestep=location.timestep) != location
        self._location = location if moved else self._asked
        self._refresh()

    def finish_pending(self) -> None:
        self._lines.cancel()
        if self._asked != self._location or self._shown != self._choices(self._asked):
            self._location = self._asked
            self._refresh()

    def show_part_of(self, view: Self) -> None:
        self.plot.show_part_of(view.plot)

    def hide_selection(self) -> None:
        self.plot.hide_selection()
        for key, _ in self._keys:
            key.show_value("")

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        super().apply_theme(theme)
        self._shown = None
        self._refresh()

    def _refresh(self) -> None:
        result, where = self._result, self._location
        self._pages.setCurrentIndex(0 if result is None else 1)
        if result is None:
            self._clear()
            return
        pinned = tuple(unit for unit in self.pinned if unit != where.unit)
        # A candidate has separate curves only if units are pinned.
        candidate = self._candidate if pinned else None
        built = (tuple(result.traces), result.reference.engine, candidate, pinned, self._theme)
        if built != self._built:
            self._built = built
            self._build(result, pinned)
            self._shown = None
        shown = self._choices(where)
        if shown != self._shown:
            self._shown = shown
            self._lines.read(result, where, self.choice.quantity)
            # The axis has no room for the description that follows the name.
            self.plot.name_values(self.choice.currentText().partition("  ")[0])
            nonfinite = self._lines.nonfinite()
            self.nonfinite.setText(nonfinite)
            self.nonfinite.setVisible(bool(nonfinite))
            text = f"Unit {where.unit}, {lane_text(result.inputs.network, where)}, sample {where.sample}"
            if self.choice.quantity != "value":
                text = f"{self.choice.quantity} of {text[0].lower()}{text[1:]}{self._recomputed(result)}"
            self.heading.setText(text if self._lines.complete else f"{text}: computing {self.choice.quantity} …")
            self.pin_button.show_unit(where.unit)
        self.plot.show_selection(where.timestep)
        for key, line in self._keys:
            value = self._lines.value(line, where.timestep)
            there = self._lines.has_value(line, where.timestep)
            key.show_value("…" if value is None else number_format.short(value) if there else "none")
        values = ", ".join(key.accessibleName() for key, _ in self._keys)
        begins = at_seam(result.inputs.seams, where.timestep)
        self.plot.setAccessibleDescription(f"{self.heading.text()}, t = {where.timestep}{begins}: {values}")

    def _recomputed(self, result: RunResult) -> str:
        """Clause on the engines that do not give the drawn quantity."""
        cell = result.config.network.kind
        engines = [name for name, trace in result.traces.items() if is_recomputed(self.choice.quantity, trace, cell)]
        if not engines:
            return ""
        of = "" if len(engines) == len(result.traces) else f" for {join_words(map(display_name, engines))}"
        return f", {RECOMPUTED}{of}"

    def _choices(self, where: Location) -> tuple[object, ...]:
        """Everything that determines the curves."""
        return self._result, where.moved(timestep=0), self.pinned, self.choice.quantity

    def _redraw(self) -> None:
        self._shown = None
        self.show_location(self._asked)

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop computing. A closing window hides its views."""
        self._lines.stop()
        self._shown = None
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Resume the computation."""
        super().showEvent(event)
        self.show_location(self._asked)

    def _clear(self) -> None:
        self._lines.clear()
        for key, _ in self._keys:
            self._legend.removeWidget(key)
            key.deleteLater()
        self._keys.clear()
        self._built = None

    def _build(self, result: RunResult, pinned: tuple[int, ...]) -> None:
        """Create curves and legend. `read` sets their lane and unit."""
        built = self._built
        self._clear()
        self._built = built
        reference = result.reference.engine
        series = self._theme.series
        engines = [reference, *(name for name in result.traces if name != reference)]
        for place, engine in enumerate(engines):
            line = self._add_line(engine, None, series[place % len(series)], 10.0 + place)
            self._add_engine_key(line, reference)
        for unit in pinned:
            color = series[(len(engines) + self.pinned.index(unit)) % len(series)]
            first = self._add_line(reference, unit, color, 2.0)
            if self._candidate is not None:
                self._add_line(self._candidate, unit, color, 3.0)
            self._add_pinned_key(first, unit)

    def _add_line(self, engine: str, pinned: int | None, color: str, depth: float) -> UnitLine:
        assert self._result is not None
        shown = engine not in self._hidden
        return self._lines.add(engine, pinned, color, depth, dashes=self._dashes(engine), shown=shown)

    def _dashes(self, engine: str) -> tuple[float, ...]:
        """Dash pattern of an engine, empty for the reference. Engines thus differ in more than color."""
        assert self._result is not None
        others = [name for name in self._result.traces if name != self._result.reference.engine]
        return DASHES[others.index(engine) % len(DASHES)] if engine in others else ()

    def _add_engine_key(self, line: UnitLine, reference: str) -> None:
        role = "the reference" if line.engine == reference else f"compared with {reference}"
        key = LegendKey(display_name(line.engine), f"{line.engine}, {role}. Click to hide or show its curves.")
        key.setCheckable(True)
        key.setChecked(line.engine not in self._hidden)
        key.toggled.connect(lambda shown, engine=line.engine: self._show_engine(engine, shown))
        self._add_key(key, line)

    def _add_pinned_key(self, line: UnitLine, unit: int) -> None:
        key = LegendKey(f"unit {unit}", f"Unit {unit} is pinned. Click to select it.")
        key.clicked.connect(lambda: self.location_requested.emit(self._location.moved(unit=unit)))
        self._add_key(key, line)

    def _add_key(self, key: LegendKey, line: UnitLine) -> None:
        key.show_line(line.pen, self._theme)
        self._legend.addWidget(key)
        self._keys.append((key, line))

    def _show_engine(self, engine: str, shown: bool) -> None:
        (self._hidden.discard if shown else self._hidden.add)(engine)
        for line in self._lines:
            if line.engine == engine:
                line.curve.set_visible(shown)

    def _on_explanation(self, timestep: int) -> None:
        self.explanation_requested.emit(quantity_place(self._location.moved(timestep=timestep), self.choice.quantity))

    def _on_timestep(self, timestep: int) -> None:
        self.location_requested.emit(self._location.moved(timestep=timestep))
