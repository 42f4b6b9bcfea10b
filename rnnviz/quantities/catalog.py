"""Quantities that can color the lanes, with their titles."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.trace import Trace
from rnnviz.quantities.gates import GateQuantity, gate_quantities

Quantity: TypeAlias = Literal[
    "value",
    "error_ratio",
    "difference",
    "i",
    "f",
    "g",
    "o",
    "r",
    "z",
    "n",
    "c",
    "change",
    "norm",
    "pre_h",
    "pre_i",
    "pre_f",
    "pre_g",
    "pre_o",
    "pre_r",
    "pre_z",
    "pre_n",
]
"""h, results of a comparison, and all other quantities of the cells."""

GATES, STATES, ARGUMENTS = "Gates", "States", "Before the activation"


@dataclass(frozen=True)
class Choice:
    """A quantity in the menu: name, title and group."""

    name: Quantity
    title: str
    group: str

    @property
    def text(self) -> str:
        """The name with a short description."""
        return f"{self.name} of h" if self.name in ("change", "norm") else f"{self.name}  {self.title}"


def quantities_of_lanes(cell: CellSpec) -> tuple[GateQuantity, ...]:
    """Quantities with the units of h; the gates and the cell state of a projection have others."""
    return tuple(quantity for quantity in gate_quantities(cell) if quantity.size == cell.states[0].size)


def choices_of(cell: CellSpec) -> tuple[Choice, ...]:
    """Quantities of a cell other than h, by group: gates, states, pre-activations."""
    offered = []
    for quantity in quantities_of_lanes(cell):
        group = STATES if quantity.name in ("c", "change", "norm", *cell.further_states) else GATES
        group = ARGUMENTS if quantity.name.startswith("pre_") else group
        offered.append(Choice(cast(Quantity, quantity.name), _title(cell, quantity), group))
    order = GATES, STATES, ARGUMENTS
    return tuple(sorted(offered, key=lambda choice: order.index(choice.group)))


def color_names(cell: CellSpec | None) -> tuple[str, ...]:
    """The quantities of every built-in cell, and those of a custom one."""
    own = () if cell is None else tuple(quantity.name for quantity in quantities_of_lanes(cell))
    return tuple(dict.fromkeys((*get_args(Quantity), *own)))


def per_unit_choices(cell: CellSpec) -> tuple[Choice, ...]:
    """Those of `choices_of` that each unit has for itself."""
    quantities = {quantity.name: quantity for quantity in quantities_of_lanes(cell)}
    return tuple(choice for choice in choices_of(cell) if quantities[choice.name].per_unit)


def quantity_for(wanted: Quantity, cell: CellSpec, *, compared: bool) -> Quantity:
    """The `wanted` quantity, or h if the cell lacks it or nothing is compared."""
    if wanted in ("error_ratio", "difference"):
        return wanted if compared else "value"
    return wanted if gate_quantity(wanted, cell) is not None else "value"


def gate_quantity(quantity: Quantity, cell: CellSpec) -> GateQuantity | None:
    """The gate quantity of that name; None for h, for results of a comparison and for other cells' quantities."""
    return next((found for found in quantities_of_lanes(cell) if found.name == quantity), None)


def stored_array(quantity: Quantity, trace: Trace) -> str | None:
    """The name of the trace's array that has the numbers of a quantity; None if they are computed from other arrays."""
    name = "h" if quantity in ("value", "error_ratio", "difference") else quantity
    return trace.stored(name)


def heading_of(quantity: Quantity, cell: CellSpec) -> tuple[str, ...]:
    """A quantity's name and short description over a color bar, line by line."""
    if quantity == "change":
        return "change", "from last step"
    if quantity == "norm":
        return "norm", "‖h‖"
    return quantity, next(choice.title for choice in choices_of(cell) if choice.name == quantity)


def _title(cell: CellSpec, quantity: GateQuantity) -> str:
    if not quantity.name.startswith("pre_"):
        return quantity.title
    symbol = quantity.name.removeprefix("pre_")
    return f"before {graph_of(cell).activation(symbol)}"
