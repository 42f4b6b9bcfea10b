"""Curves of units over time: of one engine each, for the selected unit or a pinned one."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QPen

from rnnviz.core import number_format
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.gui.views.time_plot import Curve, GapMarks, TimePlot, cosmetic_pen
from rnnviz.reading.arrays import SeriesKey, series_effort, series_key, unit_series
from rnnviz.reading.quantities import Quantity, is_gradient, stored_array
from rnnviz.series.outlines import Outline, block_for, finite_range, outline_of, unit_outline
from rnnviz.steps.inputs import followed
from rnnviz.verify.result import RunResult

DASHES = ((4.0, 4.0), (1.0, 2.0), (8.0, 3.0, 1.0, 3.0), (10.0, 2.0))
"""Dash patterns of the candidates, in their order."""
_TESTS: dict[str, Callable[[Any], NDArray[np.bool_]]] = {number_format.NAN: np.isnan, number_format.INFINITY: np.isinf}
_DENSE_ALPHA = 0.5
"""Opacity of a candidate's curve with many time steps."""


_AT_ONCE = 1 << 21
"""Maximum number of values of series that are computed within a frame."""
_PAGE = 4096
_PAGES_AT_ONCE = 1 << 12
"""Maximum number of pages of files, of `_PAGE` bytes, that are read within a frame."""
_KEPT = 24


class _Columns(NamedTuple):
    """The values of one curve: an engine, its array, the unit at a location, the time steps in sight and of a block."""

    engine: str
    name: str
    where: Location
    seen: range
    block: int


_Fetched: TypeAlias = tuple[int, Location, Quantity, dict[_Columns, Outline]]
"""Number of the result, location and quantity of some curves, and the curves."""


class SeriesCache(QObject):
    """The latest time series of gates of one result. Long ones are computed on a thread until `stop`."""

    series_ready = Signal()
    """A requested series is available."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._known: ByteCache[SeriesKey, FloatArray] = ByteCache("series")
        self._missing: list[SeriesKey] = []
        self._task = LatestTask("series", self)
        self._task.done.connect(self._take)

    def ask(self, result: RunResult, keys: Sequence[SeriesKey]) -> None:
        """Request series, and cancel earlier requests. Short series are available at once."""
        if result is not self._result:
            self.reset()
            self._result = result
        self._missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if sum(series_effort(result, key) for key in self._missing) <= _AT_ONCE:
            for key in self._missing:
                self._keep(key, unit_series(result, key))
            self._missing = []
        self._ask_next()

    def get(self, key: SeriesKey) -> FloatArray | None:
        """A series of shape (T,), or None until it is available."""
        return self._known.get(key)

    def stop(self) -> None:
        self._task.stop()

    def reset(self) -> None:
        """Cancel, and release the result and the cached series."""
        self._task.cancel()
        self._result = None
        self._known.clear()

    def _ask_next(self) -> None:
        result = self._result
        if result is None or not self._missing:
            self._task.cancel()
            return
        key = self._missing.pop(0)

        def work(check: Check) -> tuple[SeriesKey, FloatArray]:
            return key, unit_series(result, key, check=check)

        self._task.ask(work)

    def _take(self, found: tuple[SeriesKey, FloatArray]) -> None:
        self._keep(*found)
        self._ask_next()
        self.series_ready.emit()

    def _keep(self, key: SeriesKey, values: FloatArray) -> None:
        self._known.put(key, values, values.nbytes)


@dataclass
class UnitLine:
    """One curve: engine, unit, color, and the values read last.

    `dashes` are multiples of the line width, empty for the reference. `pinned` is the unit of a pinned curve, else
    None.
    """

    engine: str
    pinned: int | None
    color: str
    depth: float
    dashes: tuple[float, ...]
    curve: Curve
    unit: int = 0
    whole: Outline | None = None

    @property
    def pen(self) -> QPen:
        """Pen of the curve. Solid curves are wide and below thin dashed ones, so that equal curves are both visible."""
        pen = cosmetic_pen(QColor(self.color), 1.5 if self.dashes else 2.5)
        if self.dashes:
            pen.setDashPattern(list(self.dashes))
        return pen


class UnitLines(QObject):
    """Owns the curves of a plot, and the marks of time steps without a finite value."""

    fetched = Signal(object, str)
    """The curves of a quantity at a `Location` can be read at once."""

    def __init__(self, plot: TimePlot) -> None:
        super().__init__(plot)
        self._plot = plot
        self._lines: list[UnitLine] = []
        self._result: RunResult | None = None
        self._location = Location()
        self.gaps = {
            number_format.NAN: GapMarks(plot, number_format.NAN, "nan"),
            number_format.INFINITY: GapMarks(plot, number_format.INFINITY, "infinite"),
        }
        self._quantity: Quantity = "value"
        self._outlines: OrderedDict[_Columns, Outline] = OrderedDict()
        self._fetching: list[_Columns] = []
        self._turn = 0
        """Number of the result."""
        # Curves appear while a key is held, too.
        self._reader = LatestTask("curves", self, finish=True)
        self._reader.done.connect(self._take)
        self._series = SeriesCache(plot)
        self.series_ready = self._series.series_ready
        plot.seen_changed.connect(self.draw)

    def __iter__(self) -> Iterator[UnitLine]:
        return iter(self._lines)

    def clear(self) -> None:
        for line in self._lines:
            self._plot.remove_curve(line.curve)
        self._lines.clear()
        self._result = None

    def reset(self) -> None:
        """Clear the curves until other values are read, because T may change."""
        self._result = None
        self._turn += 1
        self.cancel()
        self._outlines.clear()
        self._series.reset()

    def add(
        self, engine: str, pinned: int | None, color: str, depth: float, *, dashes: tuple[float, ...], shown: bool
    ) -> UnitLine:
        """Add a curve for `read`. Curves of greater depth are above."""
        line = UnitLine(engine, pinned, color, depth, dashes, self._plot.add_curve(QPen(color), depth))
        dense = QColor(color)
        # With many time steps nothing is dashed: the reference must be seen through the candidates.
        dense.setAlphaF(_DENSE_ALPHA if dashes else 1.0)
        line.curve.draw_with(line.pen, depth, cosmetic_pen(dense, 1.0))
        line.curve.set_visible(shown)
        self._lines.append(line)
        return line

    def fetch(self, result: RunResult, location: Location, quantity: Quantity) -> bool:
        """Whether the curves of a location can be read at once. If not, a thread reads them until `fetched`."""
        whole, seen, pixels = range(result.shape[2]), self._plot.timesteps_in_sight, self._plot.pixels
        parts = [whole] if block_for(seen, pixels) == block_for(whole, pixels) else [whole, seen]
        keys = [
            _columns(line.engine, name, location, location.unit if line.pinned is None else line.pinned, part, pixels)
            for line in self._lines
            if (name := stored_array(quantity, result[line.engine])) is not None
            for part in parts
        ]
        missing = [key for key in keys if key not in self._outlines]
        page = min(result.reference.hidden.strides[2], _PAGE)
        if sum(len(key.seen) for key in missing) * page <= _PAGES_AT_ONCE * _PAGE:
            self.cancel()
            return True
        if missing != self._fetching:
            self._fetching, turn = missing, self._turn
            length = result.inputs.length(location.sample)

            def work(check: Check) -> _Fetched:
                read = {}
                for key in missing:
                    check()
                    read[key] = _read(result[key.engine], key, length)
                return turn, location, quantity, read

            self._reader.ask(work)
        return False

    def cancel(self) -> None:
        """Fetch no curves."""
        self._fetching = []
        self._reader.cancel()

    def read(self, result: RunResult, location: Location, quantity: Quantity = "value") -> None:
        """Read the values of every curve for the whole sequence, independent of the selected time step.

        A curve that has to be computed appears when its computation ends, as `series_ready` reports.
        """
        self._result, self._location, self._quantity = result, location, quantity
        for line in self._lines:
            line.unit = location.unit if line.pinned is None else line.pinned
        self._series.ask(result, [self._key(line) for line in self._lines if self._array(line) is None])
        whole = range(result.shape[2])
        for line in self._lines:
            line.whole = self._outline(result, line, whole)
        ends = [end for outline in self._whole for end in (outline.low, outline.high)]
        self._plot.show_values(*finite_range(ends))
        self.draw()

    def nonfinite(self) -> str:
        """Number of time steps without a finite value, as text; empty if there are none."""
        texts = []
        lines = [(line.whole, self._recorded(line)) for line in self._lines if line.whole is not None]
        for word, test in _TESTS.items():
            count = sum(int(last - first) + 1 for first, last in _gaps(lines, test))
            if count:
                exactly = "" if lines[0][0].block == 1 else "up to "
                texts.append(
                    f"{word} at {exactly}{number_format.count(count)} {'time step' if count == 1 else 'time steps'}"
                )
        return ", ".join(texts)

    def draw(self) -> None:
        """Draw the visible time steps at the resolution of the screen."""
        result = self._result
        if result is None:
            return
        seen, pixels = self._plot.timesteps_in_sight, self._plot.pixels
        block = block_for(seen, pixels)
        outlines: list[tuple[Outline, range]] = []
        for line in self._lines:
            drawn = line.whole
            if drawn is None or drawn.block != block:
                drawn = self._outline(result, line, seen) or _nothing(result)
            line.curve.show_outline(drawn)
            outlines.append((drawn, self._recorded(line)))
        drawn_ones = [(outline, recorded) for outline, recorded in outlines if len(outline.low)]
        for word, test in _TESTS.items():
            self.gaps[word].show_runs(_gaps(drawn_ones, test))

    @property
    def complete(self) -> bool:
        return all(line.whole is not None for line in self._lines)

    def value(self, line: UnitLine, timestep: int) -> Any:
        """Value of a curve at a time step; None until computed."""
        if self._result is None:
            return None
        name = self._array(line)
        if name is not None:
            return self._result[line.engine][name][self._location.moved(timestep=timestep, unit=line.unit).index]
        values = self._series.get(self._key(line))
        return None if values is None else values[timestep]

    def has_value(self, line: UnitLine, timestep: int) -> bool:
        """Whether a curve has a value at a time step. Recorded outputs may lack some."""
        return self._result is not None and timestep in self._recorded(line)

    def values(self, line: UnitLine, times: range) -> FloatArray | None:
        """Values of a curve at some time steps, of shape (len(times),); None until computed."""
        if self._result is None:
            return None
        if self._array(line) is not None:
            return unit_series(self._result, self._key(line), times)
        values = self._series.get(self._key(line))
        return None if values is None else values[times.start : times.stop]

    def stop(self) -> None:
        self._series.stop()
        self.cancel()
        self._reader.stop()

    def _take(self, found: "_Fetched") -> None:
        turn, location, quantity, read = found
        if turn == self._turn:
            if list(read) == self._fetching:
                self._fetching = []
            for key, outline in read.items():
                self._keep(key, outline)
            self.fetched.emit(location, quantity)

    def _keep(self, key: _Columns, outline: Outline) -> None:
        self._outlines[key] = outline
        while len(self._outlines) > max(_KEPT, 4 * len(self._lines)):
            self._outlines.popitem(last=False)

    def _array(self, line: UnitLine) -> str | None:
        """The array of an engine that has the values of a curve; None if they are computed."""
        assert self._result is not None
        return stored_array(self._quantity, self._result[line.engine])

    def _key(self, line: UnitLine) -> SeriesKey:
        return series_key(line.engine, self._location, line.unit, self._quantity)

    def _outline(self, result: RunResult, line: UnitLine, seen: range) -> Outline | None:
        where, pixels = self._location, self._plot.pixels
        length = result.inputs.length(where.sample)
        name = self._array(line)
        if name is None:
            values = self._series.get(self._key(line))
            return None if values is None else _within_sample(outline_of(values, seen, pixels), length)
        # Kept for the way back, as to another sample: each block of a unit lies in another page of a file.
        key = _columns(line.engine, name, where, line.unit, seen, pixels)
        if key not in self._outlines:
            self._keep(key, _read(result[line.engine], key, length))
        self._outlines.move_to_end(key)
        return self._outlines[key]

    def _recorded(self, line: UnitLine) -> range:
        """Time steps at which a curve has values. Recorded outputs may lack some, and padding has none."""
        assert self._result is not None
        trace, where = self._result[line.engine], self._location
        if is_gradient(self._quantity):
            times = range(trace.shape[2] if self._quantity in trace else 0)
        elif self._quantity in ("value", "norm"):
            times = trace.recorded(where.layer, where.direction)
        else:
            times = followed(self._result.inputs, trace, where.layer, where.direction)
        return times[: max(0, trace.places.length(where.sample) - times.start)]

    @property
    def _whole(self) -> list[Outline]:
        return [line.whole for line in self._lines if line.whole is not None]


def _columns(engine: str, name: str, where: Location, unit: int, seen: range, pixels: int) -> _Columns:
    return _Columns(engine, name, where.moved(timestep=0, unit=unit), seen, block_for(seen, pixels))


def _read(trace: Trace, key: _Columns, length: int) -> Outline:
    return _within_sample(unit_outline(trace, key.where, key.seen, key.block, key.name), length)


def _within_sample(outline: Outline, length: int) -> Outline:
    # A curve ends with its sample: gaps of padding would take longer to draw.
    blocks = max(0, -(-(length - outline.first) // outline.block))
    return replace(outline, low=outline.low[:blocks], high=outline.high[:blocks], timesteps=length)


def _nothing(result: RunResult) -> Outline:
    empty = np.zeros(0)
    return Outline(0, 1, empty, empty, result.shape[2])


def _gaps(outlines: Sequence[tuple[Outline, range]], test: Callable[[Any], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """First and last time step of each run in which any outline passes a test, of shape (K, 2).

    Each outline comes with the time steps that have values: a step that was not recorded is not NaN.
    """
    if all(outline.finite for outline, _ in outlines):
        return np.zeros((0, 2), np.int64)
    mask = np.any([(test(o.low) | test(o.high)) & _within(o, recorded) for o, recorded in outlines], axis=0)
    return outlines[0][0].steps(mask)


def _within(outline: Outline, recorded: range) -> NDArray[np.bool_]:
    """Mask of the blocks that contain any of some time steps, of shape (P,)."""
    starts = outline.first + outline.block * np.arange(len(outline.low))
    return np.asarray((starts < recorded.stop) & (starts + outline.block > recorded.start))
