"""A cell as a program of NumPy calls, compiled once for a layer, whose steps allocate nothing.

`schedule` says which calls a time step takes, `layout` how their arrays lie in memory. Here are the source of the loop
that makes these calls, and the arrays that it reads.
"""

import linecache
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from rnnviz.cells.activations import Activation, FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import gate_rows
from rnnviz.cells.interpreters.generator import FUNCTIONS, in_place, loop
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.layout import Layout, Order, aligned
from rnnviz.cells.interpreters.schedule import Call, Schedule, Storage, schedule

_SERIES = "next", "out"
"""The kinds of places that have a row of each time step: new states and wanted values."""

_NUMBERS = {0.0: "zero", 0.5: "half", 1.0: "one"}


class Source:
    """A schedule as the source of a loop, of the states, then the input parts and the series, time first.

    `lines` are its calls, each with the lines of the cell's file that ask for it. `places` has what each name is;
    arrays of kind "u" are the input parts, "next" and "out" the `series`, in the order of the loop's arguments.
    `slots` has the place of each part of a buffer in it, `weights` the operation of each matrix and its gate or
    parameter, `activations` those that are called.
    """

    def __init__(self, calls: Schedule, cell: CellSpec, *, features: bool, stacked: bool) -> None:
        """Write it; `features` is whether values are feature-major, `stacked` whether the product is a stack."""
        self._schedule, self._features, self._stacked = calls, features, stacked
        # A user may choose the names of states and parameters, which have these here unless a function has.
        self._taken = {*FUNCTIONS, "product"}
        self._states = {symbol: self._unique(symbol) for symbol in cell.state_symbols}
        self._names = {Storage("next", symbol): self._unique(f"{name}_next") for symbol, name in self._states.items()}
        self._parameters = {name: self._unique(name) for name in cell.own_parameters}
        self.activations: dict[str, Activation] = {}
        self.weights: dict[str, tuple[str, str]] = {}
        self.lines = tuple((text, call.lines) for call in calls.calls for text in self._calls(call))
        self.places = {name: place for place, name in self._names.items()}
        each = [name for kinds in (("u",), _SERIES) for name, place in self.places.items() if place.kind in kinds]
        texts, states = tuple(text for text, _ in self.lines), tuple(self._states.values())
        self.loop = loop(texts, tuple(each), states=states, name=f"program of {cell.name}")
        self.slots = {name: calls.index(place) for name, place in self.places.items() if place.slots}
        self.series = tuple(place.name for place in self.places.values() if place.kind in _SERIES)

    def _calls(self, call: Call) -> list[str]:
        operands = [self._name(place) for place in call.operands]
        if call.function == "product":
            # Of two matrices dot is the quicker one; of a stack it makes something else.
            function = "matmul" if self._stacked else "dot"
            return [f"{function}({self._factors(call, next(iter(self._states.values())))}, product)"]
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
        of = call.function, call.name
        known = (name for name, other in self.weights.items() if other == of)
        weight = next(known, None) or self._unique(f"W_{call.name or 'h2h'}")
        self.weights[weight] = of
        return f"{weight}, {x}" if self._features else f"{x}, {weight}"

    def _activation(self, activation: Activation) -> str:
        known = (name for name, other in self.activations.items() if other == activation)
        name = next(known, None) or self._unique(f"{activation.name}_{len(self.activations)}")
        self.activations[name] = activation
        return name

    def _unique(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _name(self, place: Storage) -> str:
        if place.kind == "state":
            return self._states[place.name]
        if place not in self._names:
            own = place.kind == "parameter" and place.scale == 1.0 and place.name in self._parameters
            self._names[place] = self._parameters[place.name] if own else self._unique(self._new_name(place))
        return self._names[place]

    def _new_name(self, place: Storage) -> str:
        if place.slots:
            every = place.slots == self._schedule.slots
            return place.kind if every else f"{place.kind}_{_joined(place.slots)}"
        match place.kind:
            case "out":
                return f"{place.name}_out"
            case "temporary":
                return f"t{place.name}"
            case "number":
                return _NUMBERS.get(place.number, f"number_{len(self._names)}")
        name = f"b_{place.name}" if place.kind == "bias" else place.name
        return name.replace("+", "_and_") + ("" if place.scale == 1.0 else "_halved")


@lru_cache(maxsize=256)
def program_source(
    cell: CellSpec, wanted: tuple[str, ...] = (), *, features: bool = False, stacked: bool = False
) -> Source:
    """The source of a cell's program, in which the values named in `wanted` are kept besides the states."""
    return Source(schedule(cell, wanted), cell, features=features, stacked=stacked)


def _joined(symbols: tuple[str, ...]) -> str:
    return ("" if all(len(symbol) == 1 for symbol in symbols) else "_").join(symbols)


def listing(cell: CellSpec) -> str:
    """The lines of a cell's step, each followed by the calls that compute it, in its program."""
    path = trace(cell).path
    text: list[str] = []
    shown: set[int] = set()
    for call, lines in program_source(cell).lines:
        text += [linecache.getline(path, line).strip() for line in lines if line not in shown]
        shown.update(lines)
        text.append(f"    {call}")
    return "\n".join(text)


class NumpyProgram:
    """The program of one layer in one direction: its compiled loop and every array that this reads."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        batch_size: int,
        wanted: tuple[str, ...] = (),
        order: Order | None = None,
        arranged: dict[Hashable, FloatArray] | None = None,
    ) -> None:
        self._arranged = {} if arranged is None else arranged
        self.cell, self._parameters = cell, parameters
        bias = parameters["i2h_bias"]
        self._dtype = bias.dtype
        self._sizes = {"H": len(bias) // len(cell.gates)}
        for p in cell.parameters:
            self._sizes[p.shape[0]] = len(parameters[p.name])
        self._states = {state.symbol: self._sizes[state.size] for state in cell.states}
        self._plan = plan = schedule(cell, wanted)
        gates, inputs = len(cell.gates), self._states[cell.state_symbols[0]]
        self._layout = layout = Layout(batch_size, gates, plan.products, inputs, self._sizes["H"], self._dtype, order)
        features = not layout.rows_are_samples
        self._source = program_source(cell, wanted, features=features, stacked=layout.stacked)
        self._input_weight, self._input_bias = self._input_rows()
        self._run = self._source.loop.bound_to(self._names())

    @property
    def order(self) -> Order:
        return self._layout.order

    def run(
        self,
        x: FloatArray,
        state: Mapping[str, FloatArray],
        out: Mapping[str, FloatArray],
        *,
        backward: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> dict[str, FloatArray]:
        """Compute all time steps.

        `x` is (T, N, I); `state` is (N, H); `out` is (T, N, H). Returns dict: the state after the last step that is
        computed, (N, H) or (N, P) by name. Raises KeyError if `out` has a name that is neither a state nor wanted.
        """
        layout, source, timesteps = self._layout, self._source, len(x)
        if not out.keys() <= set(source.series):
            raise KeyError(f"The program computes {', '.join(source.series)} alone, but out has {', '.join(out)}.")
        values = tuple([layout.from_rows(state[symbol]) for symbol in self.cell.state_symbols])
        length = layout.block_length(timesteps, x.shape[2])
        rooms = {
            name: layout.values(length, self._states.get(name, self._sizes["H"]))
            for name in source.series
            if not (layout.rows_are_samples and name in out)
        }
        step = -1 if backward else 1
        for times, u in layout.input_parts(x, self._input_weight, self._input_bias, backward=backward):
            count = times.stop - times.start
            # Time comes first: (B, N, H) of one slot, (B, k, N, H) of several.
            series = [u[::step, source.slots[name]] for name, place in source.places.items() if place.kind == "u"]
            series += [(rooms[name][:count] if name in rooms else out[name][times])[::step] for name in source.series]
            # The next block uses the memory again.
            values = tuple([value.copy() for value in self._run(*values, *series)])
            for name, room in rooms.items():
                if name in out:
                    kept = room[:count]
                    np.copyto(out[name][times], kept if layout.rows_are_samples else kept.swapaxes(1, 2))
            progress((timesteps - times.start if backward else times.stop) / timesteps)
        if not layout.rows_are_samples:
            values = tuple(value.T for value in values)
        return dict(zip(self.cell.state_symbols, values, strict=True))

    def _input_rows(self) -> tuple[FloatArray, FloatArray]:
        """The weight of the input parts, and their bias (G·H,) in the order of the slots; scaled and hoisted."""
        cell, p, size, slots = self.cell, self._parameters, self._sizes["H"], self._plan.slots
        bias = p["i2h_bias"].copy()
        for gate in self._plan.hoisted:
            own, recurrent = (gates.index(gate) * size for gates in (cell.gate_symbols, cell.recurrent_gates))
            bias[own : own + size] += p["h2h_bias"][recurrent : recurrent + size]
        key = self._layout.input_key(p["i2h_weight"].shape[1])
        if key not in self._arranged:
            self._arranged[key] = self._layout.input_weight(self._rows("u", p["i2h_weight"], slots))
        return self._arranged[key], self._rows("u", bias, slots)

    def _rows(self, part: str, array: FloatArray, chosen: tuple[str, ...]) -> FloatArray:
        """The `chosen` gates' rows (k·H, ...) of an input part "u" or a recurrent part "v", halved where needed."""
        gates = self.cell.gate_symbols if part == "u" else self.cell.recurrent_gates
        order, scales = _order_and_scales(self._plan, part, gates, chosen)
        if order is None and scales is None:
            return array
        by_gate = array.reshape(len(array) // self._sizes["H"], -1)
        by_gate = by_gate if order is None else by_gate.take(order, axis=0)
        by_gate = by_gate if scales is None else by_gate * scales
        return by_gate.reshape(-1, *array.shape[1:])

    def _names(self) -> dict[str, Any]:
        """The arrays and functions that the source names."""
        layout, source = self._layout, self._source
        names: dict[str, Any] = dict(FUNCTIONS)
        buffers = {f"w{k}": layout.slots() for k in range(self._plan.buffers)}
        buffers["v"], names["product"] = layout.product_slots()
        for name, place in source.places.items():
            if place.kind in buffers:
                names[name] = buffers[place.kind][source.slots[name]]
            elif place.kind in ("number", "temporary", "parameter", "bias"):
                names[name] = self._fixed(place)
        for name, (operation, of) in source.weights.items():
            key = operation, of, layout.recurrent_key
            if key not in self._arranged:
                self._arranged[key] = self._weight(operation, of)
            names[name] = self._arranged[key]
        return names | {name: in_place(activation.values) for name, activation in source.activations.items()}

    def _weight(self, operation: str, of: str) -> FloatArray:
        if operation == "matrix":
            return self._layout.matrix(self._parameters[of])
        chosen = self._plan.slots[: self._plan.products] if operation == "product" else (of,)
        weight = self._rows("v", self._parameters["h2h_weight"], chosen)
        return self._layout.recurrent_weight(weight) if operation == "product" else self._layout.matrix(weight)

    def _fixed(self, place: Storage) -> FloatArray:
        """A number, a temporary, or a parameter or bias of each unit, repeated for every sample."""
        if place.kind == "number":
            return _number(place.number, self._dtype)
        if place.kind == "temporary":
            size = self._sizes[self._plan.temporaries[int(place.name)]]
            return aligned(self._layout.value_shape(size), self._dtype)
        parts = place.name.split("+")
        if place.kind == "bias":
            by_gate = gate_rows(self._parameters["h2h_bias"], self.cell.recurrent_gates)
            vectors = [by_gate[gate] for gate in parts]
        else:
            vectors = [self._parameters[part] for part in parts]
        spread = self._layout.spread(vectors, _number(place.scale, self._dtype))
        return spread if len(parts) > 1 else np.asarray(spread[0])


@lru_cache(maxsize=256)
def _number(number: float, dtype: np.dtype[Any]) -> FloatArray:
    return np.array(number, dtype)


_HALF, _ONE = np.float32(0.5), np.float32(1.0)
"""Scales that keep the type of an array."""


@lru_cache(maxsize=256)
def _order_and_scales(
    plan: Schedule, part: str, gates: tuple[str, ...], chosen: tuple[str, ...]
) -> tuple[list[int] | None, FloatArray | None]:
    """The places of the `chosen` gates among `gates`, and the scale of each (k, 1); None of no change."""
    order = [gates.index(gate) for gate in chosen]
    scales = [_HALF if (part, gate) in plan.halved else _ONE for gate in chosen]
    return None if chosen == gates else order, np.array(scales).reshape(-1, 1) if _HALF in scales else None
