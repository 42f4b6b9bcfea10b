"""Gates, pre-activations and cell states over time, computed for what is asked for and never stored.

They follow from an engine's own hidden states and the true parameters, in float64: the cell's equations
for each step separately. They equal the values of a correct engine within rounding. At the end is the catalog of
quantities that can color the lanes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from math import isfinite
from typing import TypeAlias

import numpy as np

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.arrays import ArrayBlock, ArrayLayer
from rnnviz.cells.interpreters.graph import Graph, Node, value_limits
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.symbols import short_equations
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.gradients import GRADIENT, OF_OUTPUT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import padding_mask, time_blocks
from rnnviz.explain.lines import Floats
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import layer_input, previous_hidden, previous_state
from rnnviz.steps.states import CellStates, SampleUnitBlock
from rnnviz.verify.metrics import largest_magnitude

_BLOCK_VALUES = 1 << 18
_EXPORTED_VALUES = 1 << 20
_PRE = "pre_"
_OF, _BEFORE = "gradient of the ", "'s pre-activation"


@dataclass(frozen=True)
class GateQuantity:
    """A quantity of a lane other than h.

    `low` and `high` are the least and largest values it can have, None where there is no limit; `per_unit` is
    False for a quantity with one value for each time step. `size` is the number of its units, "H" or "P".
    """

    name: str
    title: str
    low: float | None = None
    high: float | None = None
    per_unit: bool = True
    size: str = "H"


@lru_cache(maxsize=256)
def gate_quantities(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Quantities of a cell: gates, cell state, pre-activations, and those that every cell has.

    An RNN's only gate is h itself, so that only its argument is listed.
    """
    graph, names = graph_of(cell), {gate.symbol: gate.name for gate in cell.gates}
    texts = {line.name: "".join(symbol.text for symbol in line.symbols) for line in short_equations(cell)}
    named = {name: node for name, node in graph.values.items() if name not in cell.state_symbols}
    order = sorted(named, key=lambda name: list(names).index(name) if name in names else len(names))
    found = []
    for name in order:
        low, high = (float(v) if isfinite(v) else None for v in value_limits(named[name]))
        found.append(GateQuantity(name, names.get(name, texts.get(name, name)), low, high, size=named[name].shape[0]))
    titles = {"c": "cell state"}
    found += [GateQuantity(s.symbol, titles.get(s.symbol, "state"), size=s.size) for s in cell.states[1:]]
    found += [
        GateQuantity(_PRE + symbol, f"pre-activation of {symbol}", size=graph.values[symbol].shape[0])
        for symbol in names
        if symbol in graph.values and graph.pre_activation(symbol) is not None
    ]
    return (
        *found,
        GateQuantity("change", "change from the previous step", size=cell.states[0].size),
        GateQuantity("norm", "norm of the hidden state", 0.0, per_unit=False, size=cell.states[0].size),
    )


@lru_cache(maxsize=256)
def gradient_quantities(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Gradients over time of a cell: those of the states, of the pre-activations of its gates, and of the output."""
    names = {"h": "hidden state", "c": "cell state"}
    found = [GateQuantity(gradient(s.symbol), f"{_OF}{names.get(s.symbol, 'state')}", size=s.size) for s in cell.states]
    found += [
        GateQuantity(gradient(g.symbol), f"{_OF}{g.name}{_BEFORE}")
        for g in cell.gates
        if g.symbol not in cell.state_symbols
    ]
    return *found, GateQuantity(OF_OUTPUT, f"{_OF}output", size=cell.states[0].size)


def is_gradient(quantity: str) -> bool:
    """Whether a quantity is a gradient of the loss, which only engines with a backward pass give."""
    return quantity.startswith(GRADIENT)


def gradients_of(traces: Iterable[Trace], cell: CellSpec) -> tuple[str, ...]:
    """The gradients over time of a cell that any of the traces has."""
    return _gradients_among(frozenset().union(*traces), cell)


@lru_cache
def _gradients_among(names: frozenset[str], cell: CellSpec) -> tuple[str, ...]:
    return tuple(quantity.name for quantity in gradient_quantities(cell) if quantity.name in names)


def gradient_extents(trace: Trace) -> dict[str, float]:
    """The largest finite magnitude of each gradient of a trace; over time with that of the initial states."""
    found = {}
    for name in filter(is_gradient, trace):
        array = trace[name]
        lanes = [array[lane] for lane in np.ndindex(array.shape[:2])] if array.ndim == 5 else [array]
        found[name] = max(map(largest_magnitude, lanes))
    return {name: max(largest, found.get(f"{name}0", 0.0)) for name, largest in found.items()}


class GateReader:
    """The gates of one engine's trace; keeps the weights and cell states that it needed last."""

    def __init__(self, inputs: Inputs, trace: Trace) -> None:
        self.inputs, self.trace = inputs, trace
        self.cell = inputs.network.kind
        self.graph = inputs.network.graph
        self._rows: ByteCache[tuple[int, int, str, int, int], dict[str, tuple[Floats, Floats]]] = ByteCache("weights")
        self.cell_states = None
        if self.cell.has_cell_state and trace.stored("c") is None:
            self.cell_states = CellStates(inputs, trace, blocks=self._block)

    def lane(self, layer: int, direction: int, sample: int, name: str, times: slice, units: slice) -> FloatArray:
        """(T', U') in the trace's dtype: a quantity of one lane; (T', 1), if it is not per unit."""
        return self.samples(layer, direction, slice(sample, sample + 1), (name,), times, units)[name][:, 0]

    def samples(
        self, layer: int, direction: int, samples: slice, names: Sequence[str], times: slice, units: slice
    ) -> dict[str, FloatArray]:
        """(T', S, U') or (T', S, 1) by name: quantities of several samples, NaN in padding.

        The slices have both ends and no step.
        """
        steps, count, width = (part.stop - part.start for part in (times, samples, units))
        out = {
            name: np.empty((steps, count, width if self._quantity(name).per_unit else 1), self.trace.hidden.dtype)
            for name in names
        }
        lengths = self.inputs.lengths[samples]
        stop = max(times.start, min(times.stop, max(lengths, default=times.stop)))
        with np.errstate(all="ignore"):
            for block in self._blocks(slice(times.start, stop), direction, samples):
                rows = slice(block.start - times.start, block.stop - times.start)
                read = _Block(self, layer, direction, samples, block, units)
                for name in names:
                    out[name][rows] = read.quantity(name)
        if lengths:
            padding = padding_mask(lengths, times)
            for array in out.values():
                array[padding] = np.nan
        return out

    def _quantity(self, name: str) -> GateQuantity:
        for quantity in (*gate_quantities(self.cell), *gradient_quantities(self.cell)):
            if quantity.name == name:
                return quantity
        known = ", ".join(quantity.name for quantity in gate_quantities(self.cell))
        raise KeyError(f"{name} is not a quantity of the cell {self.cell.name}: it has {known}")

    def _block(self, columns: SampleUnitBlock, times: slice) -> "_Block":
        return _Block(self, columns.layer, columns.direction, slice(*columns.samples), times, slice(*columns.units))

    def _blocks(self, times: slice, direction: int, samples: slice) -> Iterator[slice]:
        """Slices of time in the order of computation, so that a cell state is carried from one to the next."""
        network = self.inputs.network
        widest = max(network.directions * network.hidden_size, network.input_size) * (samples.stop - samples.start)
        length = max(1, _BLOCK_VALUES // widest)
        return time_blocks(times, length, backward=network.backward(direction))

    def rows_of(self, layer: int, direction: int, symbol: str, units: slice) -> dict[str, tuple[Floats, Floats]]:
        """The weights (U, K) and biases (U,) of some units' rows of one gate in float64, kept for the next block.

        By "i2h", and by "h2h" where the gate has recurrent rows.
        """
        key = layer, direction, symbol, units.start, units.stop
        rows = self._rows.get(key)
        if rows is None:
            p = vars(self.inputs.parameters.layer(layer, direction))
            rows = {}
            for kind, gates in (("i2h", self.cell.gate_symbols), ("h2h", self.cell.recurrent_gates)):
                if symbol in gates:
                    first = gates.index(symbol) * self.inputs.network.hidden_size
                    own = slice(first + units.start, first + units.stop)
                    weight, bias = (p[f"{kind}_{part}"][own].astype(np.float64) for part in ("weight", "bias"))
                    rows[kind] = weight, bias
            self._rows.put(key, rows, sum(weight.nbytes for weight, _ in rows.values()))
        return rows

    def array_layer(self, layer: int, direction: int) -> ArrayLayer:
        """The matrices that a step multiplies with its values; none, where it has no such product."""
        if not self.graph.mixes_units:
            return _NO_LAYER
        return ArrayLayer.of(self.cell, vars(self.inputs.parameters.layer(layer, direction)))


_NO_LAYER = ArrayLayer()


class _Block(ArrayBlock):
    """Some time steps of one lane (B, S, U)."""

    def __init__(
        self, reader: GateReader, layer: int, direction: int, samples: slice, times: slice, units: slice
    ) -> None:
        super().__init__(reader.graph, times.stop - times.start)
        self._reader, self._units = reader, units
        self._at = layer, direction, times, samples
        self.layer = reader.array_layer(layer, direction)

    def quantity(self, name: str) -> FloatArray:
        """(B, S, U) or (B, S, 1) in float64."""
        layer, direction, times, samples = self._at
        stored = self._reader.trace.stored(name)
        if stored is not None:
            return np.asarray(self._reader.trace[stored][self._at][..., self._units].astype(np.float64))
        if is_gradient(name):
            # The engine does not give it.
            shape = times.stop - times.start, samples.stop - samples.start, self._units.stop - self._units.start
            return np.full(shape, np.nan)
        if name == "c":
            return self._cells.after(layer, direction, times, samples, self._units).value
        if name in ("change", "norm"):
            hidden: Floats = self._reader.trace.hidden[self._at].astype(np.float64)
            if name == "change":
                return hidden[..., self._units] - self._before[..., self._units]
            return np.asarray(np.sqrt(np.square(hidden).sum(axis=-1, keepdims=True)))
        node = self.graph.values[name] if not name.startswith(_PRE) else self.graph.pre_activation(name[len(_PRE) :])
        assert node is not None, name
        if self._units != self._all_units and self.graph.depends(
            node, lambda other: other.op in ("recurrent", "matrix")
        ):
            # A unit is computed from others.
            whole = _Block(self._reader, layer, direction, samples, times, self._all_units)
            return np.asarray(whole.value(node))[..., self._units]
        return np.asarray(self.value(node))

    def leaf(self, node: Node) -> Floats | float:
        layer, direction, times, samples = self._at
        match node.op:
            case "number":
                return node.number
            case "parameter":
                array = vars(self._reader.inputs.parameters.layer(layer, direction))[node.name].astype(np.float64)
                return np.asarray(array[self._units] if array.ndim == 1 else array)
            case "u":
                return _affine(self._x, *self._reader.rows_of(layer, direction, node.name, self._units)["i2h"])
            case "v":
                return _affine(self._before, *self._reader.rows_of(layer, direction, node.name, self._units)["h2h"])
        if node.name == "h":
            return self._before if self._units == self._all_units else self._before[..., self._units]
        inputs, trace = self._reader.inputs, self._reader.trace
        if trace.stored(node.name) is None:
            return self._cells.previous(layer, direction, times, samples, self._units)
        before = previous_state(inputs, trace, node.name, layer, direction, times, samples)
        return before[..., self._units].astype(np.float64)

    @property
    def _all_units(self) -> slice:
        return slice(0, self._reader.inputs.network.hidden_size)

    @property
    def _cells(self) -> CellStates:
        cells = self._reader.cell_states
        assert cells is not None, "the cell has no cell state"
        return cells

    @cached_property
    def _before(self) -> Floats:
        layer, direction, times, samples = self._at
        inputs, trace = self._reader.inputs, self._reader.trace
        return previous_hidden(inputs, trace, layer, direction, times, samples).astype(np.float64)

    @cached_property
    def _x(self) -> Floats:
        layer, _, times, samples = self._at
        return layer_input(self._reader.inputs, self._reader.trace, layer, times, samples).astype(np.float64)


def _affine(v: Floats, weight: Floats, bias: Floats) -> Floats:
    """W v + b (B, S, U): one matrix product for all time steps and samples."""
    product = v.reshape(-1, v.shape[-1]) @ weight.T
    product += bias
    return product.reshape(*v.shape[:2], -1)


def gate_blocks(
    inputs: Inputs, trace: Trace, layer: int, direction: int, names: Sequence[str], length: int | None = None
) -> Iterator[tuple[slice, dict[str, FloatArray]]]:
    """A lane's quantities in blocks of time, in the order of time, for all samples and units: never held as a whole.

    The quantities have the same number of units. Yields the block's time steps and by name (B, N, H), or (B, N, 1) of
    what is not per unit, in the trace's dtype, 0 in padding. `length` is the number of time steps of a block.
    Raises a KeyError if the cell has no such quantity.
    """
    reader = GateReader(inputs, trace)
    sizes = {quantity.name: quantity.size for quantity in gate_quantities(inputs.network.kind)}
    size = inputs.network.sizes(layer).of(sizes[names[0]] if names else "H")
    timesteps, samples = inputs.timesteps, inputs.batch_size
    step = max(1, _EXPORTED_VALUES // (samples * size)) if length is None else length
    for start in range(0, timesteps, step):
        times = slice(start, min(start + step, timesteps))
        block = reader.samples(layer, direction, slice(0, samples), names, times, slice(0, size))
        if inputs.lengths:
            for array in block.values():
                array[padding_mask(inputs.lengths, times)] = 0
        yield times, block


Quantity: TypeAlias = str
""""value" for h, "error_ratio" or "difference" of a comparison, or the name of another quantity of a cell."""

GATES, STATES, ARGUMENTS, GRADIENTS = "Gates", "States", "Before the activation", "Gradients"


@dataclass(frozen=True)
class Choice:
    """A quantity in the menu: name, title and group."""

    name: Quantity
    title: str
    group: str

    @property
    def text(self) -> str:
        if is_gradient(self.name):
            # Its group says that it is a gradient.
            return f"{self.name}  {self.title.removeprefix(_OF).removesuffix(_BEFORE)}"
        return f"{self.name} of h" if self.name in ("change", "norm") else f"{self.name}  {self.title}"


@lru_cache(maxsize=256)
def quantities_of_lanes(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Quantities with the units of h; the gates and the cell state of a projection have others."""
    every = (*gate_quantities(cell), *gradient_quantities(cell))
    return tuple(quantity for quantity in every if quantity.size == cell.states[0].size)


def choices_of(cell: CellSpec, gradients: Collection[str] = ()) -> tuple[Choice, ...]:
    """Quantities of a cell other than h, by group: gates, states, pre-activations, and the given gradients."""
    offered = []
    for quantity in quantities_of_lanes(cell):
        if is_gradient(quantity.name):
            if quantity.name in gradients:
                offered.append(Choice(quantity.name, quantity.title, GRADIENTS))
            continue
        group = STATES if quantity.name in ("c", "change", "norm", *cell.further_states) else GATES
        group = ARGUMENTS if quantity.name.startswith("pre_") else group
        offered.append(Choice(quantity.name, _title(cell, quantity), group))
    order = GATES, STATES, ARGUMENTS, GRADIENTS
    return tuple(sorted(offered, key=lambda choice: order.index(choice.group)))


def color_names(custom: CellSpec | None = None) -> tuple[Quantity, ...]:
    """The quantities of every built-in cell, and those of a custom one."""
    cells = CELLS.values() if custom is None else (*CELLS.values(), custom)
    own = (quantity.name for cell in cells for quantity in quantities_of_lanes(cell))
    return tuple(dict.fromkeys(("value", "error_ratio", "difference", *own)))


def per_unit_choices(cell: CellSpec, gradients: Collection[str] = ()) -> tuple[Choice, ...]:
    quantities = {quantity.name: quantity for quantity in quantities_of_lanes(cell)}
    return tuple(choice for choice in choices_of(cell, gradients) if quantities[choice.name].per_unit)


def quantity_for(wanted: Quantity, cell: CellSpec, *, compared: bool, gradients: Collection[str] = ()) -> Quantity:
    """The `wanted` quantity, or h if the cell lacks it, nothing is compared or it is not one of the given gradients.

    A gradient that is not given is replaced by that of h, if that is.
    """
    if wanted in ("error_ratio", "difference"):
        return wanted if compared else "value"
    if is_gradient(wanted) and wanted not in gradients:
        return "grad.h" if "grad.h" in gradients else "value"
    return wanted if gate_quantity(wanted, cell) is not None else "value"


def gate_quantity(quantity: Quantity, cell: CellSpec) -> GateQuantity | None:
    """The gate quantity or gradient of that name.

    None for h, for results of a comparison and for other cells' quantities.
    """
    return next((found for found in quantities_of_lanes(cell) if found.name == quantity), None)


def stored_array(quantity: Quantity, trace: Trace) -> str | None:
    """The name of the trace's array that has the numbers of a quantity; None if they are computed from other arrays."""
    name = "h" if quantity in ("value", "error_ratio", "difference") else quantity
    return trace.stored(name)


_OF_OWN_VALUES = frozenset({"change", "norm"})
"""Quantities that say something of an engine's own h."""

RECOMPUTED = "recomputed"
"""The mark of values that follow from an engine's h, because the engine gives none."""


def is_recomputed(quantity: Quantity, trace: Trace, cell: CellSpec) -> bool:
    """Whether the values of a quantity are computed from an engine's h, and not given by the engine."""
    known = {own.name for own in gate_quantities(cell)} - _OF_OWN_VALUES
    return quantity in known and trace.stored(quantity) != quantity


@lru_cache
def is_bounded(graph: Graph) -> bool:
    """Whether h stays from -1 to 1 once it is there."""
    before = {node: (-1.0, 1.0) for node in graph.nodes if (node.op, node.name) == ("state", "h")}
    low, high = value_limits(graph.values["h"], before)
    return bool(low >= -1.0 and high <= 1.0 and low < 0.0)


def heading_of(quantity: Quantity, cell: CellSpec) -> tuple[str, ...]:
    """A quantity's name and short description over a color bar, line by line."""
    if quantity == "change":
        return "change", "from last step"
    if quantity == "norm":
        return "norm", "‖h‖"
    if is_gradient(quantity):
        return (quantity,)
    return quantity, next(choice.title for choice in choices_of(cell) if choice.name == quantity)


def _title(cell: CellSpec, quantity: GateQuantity) -> str:
    if not quantity.name.startswith("pre_"):
        return quantity.title
    symbol = quantity.name.removeprefix("pre_")
    return f"before {graph_of(cell).activation(symbol)}"
