"""The catalog of quantities that can color the lanes: gates, pre-activations, states and gradients of a cell."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from math import isfinite
from typing import TypeAlias

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.graph import Graph, value_limits
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.symbols import short_equations
from rnnviz.core.gradients import GRADIENT, OF_OUTPUT, gradient
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass

Quantity: TypeAlias = str
""""value" for h, "error_ratio" or "difference" of a comparison, or the name of another quantity of a cell."""

GATES, STATES, ARGUMENTS, GRADIENTS = "Gates", "States", "Before the activation", "Gradients"
"""The groups of quantities in a menu, in their order."""
RECOMPUTED = "recomputed"
"""The mark of values that follow from an engine's h, because the engine gives none."""
PRE = "pre_"
"""The beginning of the names of pre-activations."""
_OF, _BEFORE = "gradient of the ", "'s pre-activation"
_TITLES = {"h": "hidden state", "c": "cell state"}
_OF_H = ("change", "norm")
"""Quantities that say something of an engine's own h."""


@dataclass(frozen=True)
class GateQuantity:
    """A quantity of a lane other than h, from `low` to `high` (None: no limit), with `size` "H" or "P" units.

    One that is not `per_unit` has one value for each time step. `before` is a pre-activation's title in a menu.
    """

    name: Quantity
    title: str
    low: float | None = None
    high: float | None = None
    per_unit: bool = True
    size: str = "H"
    group: str = GATES
    before: str = ""

    @property
    def menu_title(self) -> str:
        return self.before or self.title

    @property
    def text(self) -> str:
        if self.group == GRADIENTS:
            # Its group says that it is a gradient.
            return f"{self.name}  {self.title.removeprefix(_OF).removesuffix(_BEFORE)}"
        return f"{self.name} of h" if self.name in _OF_H else f"{self.name}  {self.menu_title}"


@lru_cache(maxsize=256)
def gate_quantities(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Quantities of a cell: gates, states, pre-activations, and what every cell has. An RNN's gate is h itself."""
    graph, names = graph_of(cell), {gate.symbol: gate.name for gate in cell.gates}
    texts = {line.name: "".join(symbol.text for symbol in line.symbols) for line in short_equations(graph)}
    named = {name: node for name, node in graph.values.items() if name not in cell.state_symbols}
    found = []
    for name in sorted(named, key=lambda name: list(names).index(name) if name in names else len(names)):
        low, high = (float(v) if isfinite(v) else None for v in value_limits(named[name]))
        found.append(GateQuantity(name, names.get(name, texts.get(name, name)), low, high, size=named[name].shape[0]))
    found += [
        GateQuantity(s.symbol, _TITLES.get(s.symbol, "state"), size=s.size, group=STATES) for s in cell.states[1:]
    ]
    for symbol in names:
        if symbol in graph.values and graph.pre_activation(symbol) is not None:
            title, before = f"pre-activation of {symbol}", f"before {graph.activation(symbol)}"
            size = graph.values[symbol].shape[0]
            found.append(GateQuantity(PRE + symbol, title, size=size, group=ARGUMENTS, before=before))
    of_h = cell.states[0].size
    return (
        *found,
        GateQuantity("change", "change from the previous step", size=of_h, group=STATES),
        GateQuantity("norm", "norm of the hidden state", 0.0, per_unit=False, size=of_h, group=STATES),
    )


@lru_cache(maxsize=256)
def gradient_quantities(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Gradients over time of a cell: of its states, of the pre-activations of its gates, and of the output."""
    of = [(s.symbol, _TITLES.get(s.symbol, "state"), s.size) for s in cell.states]
    of += [(g.symbol, f"{g.name}{_BEFORE}", "H") for g in cell.gates if g.symbol not in cell.state_symbols]
    named = [(gradient(symbol), title, size) for symbol, title, size in of]
    named.append((OF_OUTPUT, "output", cell.states[0].size))
    return tuple(GateQuantity(name, _OF + title, size=size, group=GRADIENTS) for name, title, size in named)


def is_gradient(quantity: Quantity) -> bool:
    """Whether a quantity is a gradient of the loss, which only engines with a backward pass give."""
    return quantity.startswith(GRADIENT)


def gradients_of(traces: Iterable[Trace], cell: CellSpec) -> tuple[Quantity, ...]:
    """The gradients over time of a cell that any of the traces has."""
    names = frozenset().union(*traces)
    return tuple(quantity.name for quantity in gradient_quantities(cell) if quantity.name in names)


@lru_cache(maxsize=256)
def quantities_of_lanes(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Quantities with the units of h; the gates and the cell state of a projection have others."""
    every = (*gate_quantities(cell), *gradient_quantities(cell))
    return tuple(quantity for quantity in every if quantity.size == cell.states[0].size)


def gate_quantity(quantity: Quantity, cell: CellSpec) -> GateQuantity | None:
    """The quantity of that name; None for h, for results of a comparison and for other cells' quantities."""
    return next((found for found in quantities_of_lanes(cell) if found.name == quantity), None)


def choices_of(cell: CellSpec, gradients: Collection[str] = (), *, per_unit: bool = False) -> tuple[GateQuantity, ...]:
    """Quantities other than h by group, with the given gradients; if `per_unit` those with a value a unit."""
    offered = (
        own
        for own in quantities_of_lanes(cell)
        if (own.per_unit or not per_unit) and (own.group != GRADIENTS or own.name in gradients)
    )
    return tuple(sorted(offered, key=lambda own: (GATES, STATES, ARGUMENTS, GRADIENTS).index(own.group)))


def color_names(custom: CellSpec | None = None) -> tuple[Quantity, ...]:
    """The quantities of every built-in cell, and of a custom one."""
    cells = CELLS.values() if custom is None else (*CELLS.values(), custom)
    own = (quantity.name for cell in cells for quantity in quantities_of_lanes(cell))
    return tuple(dict.fromkeys(("value", "error_ratio", "difference", *own)))


def quantity_for(wanted: Quantity, cell: CellSpec, *, compared: bool, gradients: Collection[str] = ()) -> Quantity:
    """The `wanted` quantity, or h where there is none; of a gradient that is not given the gradient of h, if any."""
    if wanted in ("error_ratio", "difference"):
        return wanted if compared else "value"
    if is_gradient(wanted) and wanted not in gradients:
        return "grad.h" if "grad.h" in gradients else "value"
    return wanted if gate_quantity(wanted, cell) is not None else "value"


def heading_of(quantity: Quantity, cell: CellSpec) -> tuple[str, ...]:
    """A quantity's name and short description over a color bar, line by line."""
    found = gate_quantity(quantity, cell)
    assert found is not None, quantity
    short = {"change": "from last step", "norm": "‖h‖"}
    return (quantity,) if found.group == GRADIENTS else (quantity, short.get(quantity, found.menu_title))


def stored_array(quantity: Quantity, trace: Trace) -> str | None:
    """The name of the trace's array that has the numbers of a quantity; None if they are computed from other arrays."""
    return trace.stored("h" if quantity in ("value", "error_ratio", "difference") else quantity)


def is_recomputed(quantity: Quantity, trace: Trace, cell: CellSpec) -> bool:
    """Whether the values of a quantity are computed from an engine's h, and not given by the engine."""
    known = {own.name for own in gate_quantities(cell)}.difference(_OF_H)
    return quantity in known and trace.stored(quantity) != quantity


@lru_cache
def is_bounded(graph: Graph) -> bool:
    """Whether h stays from -1 to 1 once it is there."""
    before = {node: (-1.0, 1.0) for node in graph.nodes if (node.op, node.name) == ("state", "h")}
    low, high = value_limits(graph.values["h"], before)
    return bool(low >= -1.0 and high <= 1.0 and low < 0.0)
