"""The source of a compiled step: a schedule's calls as a Python function that loops over time steps."""

import linecache
from functools import lru_cache
from typing import TypeAlias

from rnnviz.cells.activations import Activation
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.generator import Loop, loop
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.schedule import Call, Schedule, Storage, schedule
from rnnviz.frozen import dataclass

_NUMBERS = {0.0: "zero", 0.5: "half", 1.0: "one"}

Index: TypeAlias = int | slice
"""One slot of a buffer, or some that lie next to each other."""


@dataclass(frozen=True)
class Form:
    """Whether values are feature-major, and whether the recurrent product is a stack."""

    features: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Source:
    """The source of a program: its `loop`, of the states, then the input parts and the series, time first.

    `lines` are its calls, each with the lines of the cell's file that ask for it. `inputs` are the slots of the input
    parts, and `series` the states and wanted values, in the order of its arguments. The others have names: `slots` of
    each part of a buffer and of the buffer, `fixed` of each number, parameter, bias and temporary with its place,
    `weights` of each matrix with its operation and its gate or parameter, `activations` of each function.
    """

    lines: tuple[tuple[str, tuple[int, ...]], ...]
    loop: Loop
    inputs: tuple[Index, ...]
    series: tuple[str, ...]
    slots: tuple[tuple[str, str, Index], ...]
    fixed: tuple[tuple[str, Storage], ...]
    weights: tuple[tuple[str, str, str], ...]
    activations: tuple[tuple[str, Activation], ...]


_USUAL = Form()


@lru_cache(maxsize=256)
def program_source(cell: CellSpec, wanted: tuple[str, ...] = (), form: Form = _USUAL) -> Source:
    """The source of a cell's program, in which the values named in `wanted` are kept besides the states."""
    return _Writer(schedule(cell, wanted), cell, form).source()


class _Writer:
    """Writes a schedule as the source of a loop."""

    def __init__(self, calls: Schedule, cell: CellSpec, form: Form) -> None:
        self._schedule, self._cell, self._form = calls, cell, form
        self._names: dict[Storage, str] = {}
        # A user may choose the names of states and parameters.
        self._taken = {*cell.state_symbols, *cell.own_parameters}
        self._activations: dict[str, Activation] = {}
        self._weights: dict[str, tuple[str, str]] = {}
        self._lines: list[tuple[str, tuple[int, ...]]] = []

    def source(self) -> Source:
        for call in self._schedule.calls:
            for text in self._calls(call):
                self._lines.append((text, call.lines))
        states = self._cell.state_symbols
        for symbol in states:
            self._name(Storage("next", symbol))
        inputs = {name: self._index(place) for place, name in self._names.items() if place.kind == "u"}
        series = {name: place.name for place, name in self._names.items() if place.kind in ("next", "out")}
        calls = tuple(line for line, _ in self._lines)
        places = [(name, place) for place, name in self._names.items() if name not in inputs and name not in series]
        return Source(
            tuple(self._lines),
            loop(calls, (*inputs, *series), states=states, name=f"program of {self._cell.name}"),
            tuple(inputs.values()),
            tuple(series.values()),
            tuple((name, place.kind, self._index(place)) for name, place in places if place.slots),
            tuple((name, place) for name, place in places if not place.slots and place.kind != "state"),
            tuple((name, *of) for name, of in self._weights.items()),
            tuple(self._activations.items()),
        )

    def _calls(self, call: Call) -> list[str]:
        operands = [self._name(place) for place in call.operands]
        if call.function == "product":
            # Of two matrices dot is the quicker one; of a stack it makes something else.
            function = "matmul" if self._form.stacked else "dot"
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
        return f"{weight}, {x}" if self._form.features else f"{x}, {weight}"

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

    def _index(self, place: Storage) -> Index:
        first = self._schedule.slots.index(place.slots[0])
        return first if len(place.slots) == 1 else slice(first, first + len(place.slots))


def _joined(symbols: tuple[str, ...]) -> str:
    return ("" if all(len(symbol) == 1 for symbol in symbols) else "_").join(symbols)


def listing(cell: CellSpec, wanted: tuple[str, ...] = (), form: Form = _USUAL) -> str:
    """The lines of a cell's step, each followed by the calls that compute it, in a program of this form."""
    path = trace(cell).path
    text: list[str] = []
    shown: set[int] = set()
    for call, lines in program_source(cell, wanted, form).lines:
        new = [line for line in lines if line not in shown]
        shown.update(new)
        text += [linecache.getline(path, line).strip() for line in new]
        text.append(f"    {call}")
    return "\n".join(text)
