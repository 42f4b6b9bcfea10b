"""The source of a compiled step: a schedule's calls as a Python function that loops over time steps."""

import linecache
from collections.abc import Mapping
from functools import lru_cache

from rnnviz.cells.activations import Activation
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.generator import Loop, loop
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.schedule import Call, Schedule, Storage, schedule
from rnnviz.frozen import dataclass

_SERIES = "next", "out"
"""The kinds of places that have a row of each time step: new states and wanted values."""

_NUMBERS = {0.0: "zero", 0.5: "half", 1.0: "one"}


@dataclass(frozen=True, eq=False)
class Source:
    """The source of a program: its `loop`, of the states, then the input parts and the series, time first.

    `lines` are its calls, each with the lines of the cell's file that ask for it. `places` has what each name is;
    those of kind "u" are the input parts, "next" and "out" the `series`, in the order of the loop's arguments.
    `slots` has the place of each part of a buffer in it, `weights` the operation of each matrix and its gate or
    parameter, `activations` those that are called.
    """

    lines: tuple[tuple[str, tuple[int, ...]], ...]
    loop: Loop
    places: Mapping[str, Storage]
    weights: Mapping[str, tuple[str, str]]
    activations: Mapping[str, Activation]
    slots: Mapping[str, int | slice]
    series: tuple[str, ...]


@lru_cache(maxsize=256)
def program_source(
    cell: CellSpec, wanted: tuple[str, ...] = (), *, features: bool = False, stacked: bool = False
) -> Source:
    """The source of a cell's program, in which the values named in `wanted` are kept besides the states.

    `features` is whether values are feature-major, `stacked` whether the recurrent product is a stack.
    """
    return _Writer(schedule(cell, wanted), cell, features=features, stacked=stacked).source()


class _Writer:
    """Writes a schedule as the source of a loop."""

    def __init__(self, calls: Schedule, cell: CellSpec, *, features: bool, stacked: bool) -> None:
        self._schedule, self._cell = calls, cell
        self._features, self._stacked = features, stacked
        self._names: dict[Storage, str] = {}
        # A user may choose the names of states and parameters.
        self._taken = {*cell.state_symbols, *cell.own_parameters}
        self._activations: dict[str, Activation] = {}
        self._weights: dict[str, tuple[str, str]] = {}

    def source(self) -> Source:
        states = self._cell.state_symbols
        lines = tuple((text, call.lines) for call in self._schedule.calls for text in self._calls(call))
        for symbol in states:
            self._name(Storage("next", symbol))
        places = {name: place for place, name in self._names.items()}
        each = [name for kinds in (("u",), _SERIES) for name, place in places.items() if place.kind in kinds]
        compiled = loop(
            tuple(text for text, _ in lines), tuple(each), states=states, name=f"program of {self._cell.name}"
        )
        slots = {name: self._schedule.index(place) for name, place in places.items() if place.slots}
        series = tuple(place.name for place in places.values() if place.kind in _SERIES)
        return Source(lines, compiled, places, self._weights, self._activations, slots, series)

    def _calls(self, call: Call) -> list[str]:
        operands = [self._name(place) for place in call.operands]
        if call.function == "product":
            # Of two matrices dot is the quicker one; of a stack it makes something else.
            function = "matmul" if self._stacked else "dot"
            return [f"{function}({self._factors(call, self._cell.state_symbols[0])}, product)"]
        out = self._name(call.out)
        match call.function:
            case "recurrent" | "matrix":
                return [f"matmul({self._factors(call, operands[0])}, {out})"]
            case "finish":
                half = self._name(Storage("number", number=0.5))
                return [f"multiply({operands[0]}, {half}, {out})", f"add({out}, {half}, {out})"]
            case "activate":
                assert call.activation is not None, call
                return [f"{self._activation(call.activation)}({operands[0]}, {out})"]
            case "copyto":
                return [f"copyto({out}, {operands[0]})"]
            case "maximum":
                # The only one of these functions that NumPy 2.5 wants the keyword of.
                return [f"maximum({', '.join(operands)}, out={out})"]
        return [f"{call.function}({', '.join((*operands, out))})"]

    def _factors(self, call: Call, x: str) -> str:
        weight = f"W_{call.name or 'h2h'}"
        self._weights[weight] = (call.function, call.name)
        return f"{weight}, {x}" if self._features else f"{x}, {weight}"

    def _activation(self, activation: Activation) -> str:
        for name, known in self._activations.items():
            if known == activation:
                return name
        name = f"{activation.name}_{len(self._activations)}"
        self._activations[name] = activation
        return name

    def _name(self, place: Storage) -> str:
        if place not in self._names:
            name = self._new_name(place)
            # A state or a parameter has its own name.
            while name in self._taken and name != place.name:
                name += "_"
            self._taken.add(name)
            self._names[place] = name
        return self._names[place]

    def _new_name(self, place: Storage) -> str:
        if place.slots:
            every = place.slots == self._schedule.slots
            return place.kind if every else f"{place.kind}_{_joined(place.slots)}"
        match place.kind:
            case "next" | "out":
                return f"{place.name}_{place.kind}"
            case "temporary":
                return f"t{place.name}"
            case "number":
                return _NUMBERS.get(place.number, f"number_{len(self._names)}")
        name = f"b_{place.name}" if place.kind == "bias" else place.name
        return name.replace("+", "_and_") + ("" if place.scale == 1.0 else "_halved")


def _joined(symbols: tuple[str, ...]) -> str:
    return ("" if all(len(symbol) == 1 for symbol in symbols) else "_").join(symbols)


def listing(cell: CellSpec, *, stacked: bool = False) -> str:
    """The lines of a cell's step, each followed by the calls that compute it, in a program of this form."""
    path = trace(cell).path
    text: list[str] = []
    shown: set[int] = set()
    for call, lines in program_source(cell, stacked=stacked).lines:
        text += [linecache.getline(path, line).strip() for line in lines if line not in shown]
        shown.update(lines)
        text.append(f"    {call}")
    return "\n".join(text)
