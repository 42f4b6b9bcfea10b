"""Recurrent cells, each a few lines of algebra, and the interpreters that compute, bound, explain and derive them."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from rnnviz.cells.activations import ACTIVATIONS, clip
from rnnviz.cells.base import CellError, CellSpec, Gate, ParameterSpec, Sizes, StateSpec, Step, Values, recurrent


def _declared() -> Iterator[CellSpec]:
    """The cells that the modules of this package declare."""
    for module in iter_modules(__path__):
        if not module.ispkg:
            yield from (x for x in vars(import_module(f"{__name__}.{module.name}")).values() if isinstance(x, CellSpec))


def _place(cell: CellSpec) -> tuple[bool, int, int, str]:
    """Gluon's fused layers first, then by class, those with the most gates first."""
    named = cell.onnx.name if cell.onnx else cell.torch
    return not cell.is_fused, "RNN LSTM GRU".find(named) if named else 99, -cell.gate_count, cell.name


CELLS: dict[str, CellSpec] = {cell.name: cell for cell in sorted(_declared(), key=_place)}
"""The cells that the program has, by the names that a config gives to them."""

# The files of custom cells import these from here.
globals().update(ACTIVATIONS | {"clip": clip, "recurrent": recurrent})

__all__ = [
    "CELLS",
    "CellError",
    "CellSpec",
    "Gate",
    "ParameterSpec",
    "Sizes",
    "StateSpec",
    "Step",
    "Values",
    "recurrent",
]
