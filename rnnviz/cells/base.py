"""The algebra in which a cell is written, and what a cell declares.

A cell is one function, `step`, which gives the values of a time step from

    u.k        the input part of gate k:      W_i2h x_t + b_i2h, its rows
    v.k        the recurrent part of gate k:  W_h2h h_{t-1} + b_h2h, its rows
    state.h    the previous state, by its name
    p.name     a further parameter of the cell, such as a peephole

by these operations and no others:

    +  -  *              of two values, or of a value and a number; -x is -1 · x
    sigmoid(x), ...      the named activations
    recurrent("k", x)    the recurrent part of gate k, read from x in place of h_{t-1}
    p.name @ x           a parameter that is a matrix, times a value

`step` runs once, on symbols that record its operations (`interpreters.graph`). Each interpreter runs the operations in
another way: as a compiled program (`numpy_program`), with rounding bounds (`bounded`), as text (`symbols`), and as they
are written, on arrays of any library (`arrays`). `backward_graph` derives the gradients, which are computed on arrays
(`numpy_backward`), and with rounding bounds (`bounded_backward`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, replace
from functools import cached_property, lru_cache
from inspect import Parameter as Argument
from inspect import signature
from math import prod
from typing import Any, Literal, Self, TypeAlias

from rnnviz.cells.activations import Activation, Function, clipped
from rnnviz.frozen import dataclass

Initializer: TypeAlias = Literal["weight", "bias", "vector"]
"""How a parameter is drawn: as a weight matrix, as a bias, or as weights of which each unit has one."""


class CellError(ValueError):
    """A cell is declared or written wrongly; `line` is that of its file, where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


Combination: TypeAlias = Literal["plus", "minus", "times"]


class Value(ABC):
    """A number for each unit, in the form that an interpreter needs: the operators of its sums and products."""

    @abstractmethod
    def constant(self, number: float) -> Self:
        """The number as a value of this type."""

    @abstractmethod
    def combined(self, op: Combination, other: Self) -> Self:
        """self + other, self - other or self · other, unit by unit."""

    @abstractmethod
    def activated(self, activation: Activation) -> Self:
        """activation(self)."""

    def _with_number(self, number: object) -> Self | None:
        if isinstance(number, type(self)):
            return number
        return self.constant(float(number)) if isinstance(number, int | float) else None

    def __add__(self, other: Self | float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else self.combined("plus", x)

    def __radd__(self, other: float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else x.combined("plus", self)

    def __sub__(self, other: Self | float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else self.combined("minus", x)

    def __rsub__(self, other: float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else x.combined("minus", self)

    def __mul__(self, other: Self | float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else self.combined("times", x)

    def __rmul__(self, other: float) -> Self:
        return NotImplemented if (x := self._with_number(other)) is None else x.combined("times", self)

    def __neg__(self) -> Self:
        return self.constant(-1.0).combined("times", self)


def recurrent(gate: str, x: Any) -> Any:
    """W_h2h x + b_h2h with the rows of one gate, which then does not use `v`: the recurrent part, read from x."""
    return x.recurrent(gate)


class Values(Mapping[str, Any]):
    """Values by name, which a step reads as attributes: `u.i`, `state.h`."""

    def __init__(self, what: str, values: Mapping[str, Any]) -> None:
        self._what, self._values = what, dict(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(self._values) or "none"
            raise CellError(f"The step reads {self._what}.{name}, but the cell declares {known}.") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Step(Values):
    """The values that a step computes, by name: the new state, and the gates and candidates on the way to it."""

    def __init__(self, **values: Any) -> None:
        super().__init__("step", values)


StepFunction: TypeAlias = Callable[..., Step]
"""step(u, v, state, p, *, role=activation, ...): a cell's lines."""


@dataclass(frozen=True)
class Gate:
    """One block of H rows in a layer's weights: its symbol in the equations, and its name in words."""

    symbol: str
    name: str


@dataclass(frozen=True)
class StateSpec:
    """One of the states that a step hands to the next: its symbol, and "H" or "P" for its size."""

    symbol: str
    size: str = "H"


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter besides the four that every cell has; `shape` has "I", "H" or "P" for each of its axes."""

    name: str
    shape: tuple[str, ...] = ("H",)
    initializer: Initializer = "vector"


@dataclass(frozen=True)
class Sizes:
    """The sizes that shapes are made of: I, H and P; without a projection P is H."""

    input_size: int
    hidden_size: int
    projection_size: int | None = None

    def of(self, letter: str) -> int:
        """Size of the axis with this letter: I, H or P."""
        projection = self.hidden_size if self.projection_size is None else self.projection_size
        return {"I": self.input_size, "H": self.hidden_size, "P": projection}[letter]


@dataclass(frozen=True)
class OnnxOperator:
    """The operator of ONNX, "RNN", "LSTM" or "GRU", that computes a cell.

    `gates` is the order of its rows; rows of a gate that the cell lacks are not read. A node is this cell if it has
    the `attributes`, each 0 by default. `peepholes` are the parameters in the parts of the input P, None of an unread
    part.
    """

    name: str
    gates: tuple[str, ...]
    attributes: tuple[tuple[str, int], ...] = ()
    peepholes: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class KerasLayer:
    """The layer of Keras, "SimpleRNN", "LSTM" or "GRU", that computes a cell.

    `gates` is the order of its columns. A layer is this cell if it has the `settings`. Of `biases`, 1 or 2, a single
    one is the cell's i2h bias.
    """

    name: str
    gates: tuple[str, ...]
    settings: tuple[tuple[str, bool], ...] = ()
    biases: int = 1


@lru_cache(maxsize=256)
def _defaults(step: StepFunction) -> dict[str, Any]:
    """The defaults of a step's arguments by name. Each known bug makes a cell, and `signature` is slow."""
    parameters = signature(step).parameters.items()
    return {name: argument.default for name, argument in parameters if argument.default is not Argument.empty}


@dataclass(frozen=True)
class CellSpec:
    """One kind of recurrent cell: what it declares, and its step.

    name, title: Its name in a config, and in words.
    step: The function that gives the values of a time step; see the module.
    gates: The gates, in the order of the rows of `i2h_weight (G·H, I)` and `i2h_bias (G·H,)`.
    recurrent_gates: Those that have rows in `h2h_weight (G·H, H or P)` and `h2h_bias (G·H,)`, in their order.
    states: What a step hands to the next one. The first is h, the output of the cell.
    parameters: Further parameters, which the step reads from `p`.
    activations: The activation of each role: the keyword arguments of `step`, with its defaults.
    source: Where the equations were published.
    gluon, torch: The class of Gluon, and that of PyTorch, which computes the cell with its own activations; "" for
        none.
    keras, onnx: The layer of Keras, and the operator of ONNX; None for none.
    projection_of: The name of the cell that becomes this one by the key `projection_size` of a config; "" for none.
    """

    name: str
    title: str
    step: StepFunction
    gates: tuple[Gate, ...]
    recurrent_gates: tuple[str, ...] = field(default=("*",))
    states: tuple[StateSpec, ...] = (StateSpec("h"),)
    parameters: tuple[ParameterSpec, ...] = ()
    activations: tuple[tuple[str, Function], ...] = ()
    source: str = ""
    gluon: str = ""
    torch: str = ""
    keras: KerasLayer | None = None
    onnx: OnnxOperator | None = None
    projection_of: str = ""

    def __post_init__(self) -> None:
        if self.recurrent_gates == ("*",):
            object.__setattr__(self, "recurrent_gates", self.gate_symbols)
        object.__setattr__(self, "activations", tuple((_defaults(self.step) | dict(self.activations)).items()))
        # What is made of a cell is kept by it, and looked for often.
        object.__setattr__(self, "_hash", hash((self.name, self.step, self.gates, self.activations)))

    def __reduce__(self) -> tuple[type["CellSpec"], tuple[Any, ...]]:
        # Hashes differ between processes.
        return CellSpec, tuple(getattr(self, f.name) for f in fields(self))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    @cached_property
    def gate_symbols(self) -> tuple[str, ...]:
        """The symbols of the gates: ("i", "f", "g", "o")."""
        return tuple(gate.symbol for gate in self.gates)

    @property
    def gate_count(self) -> int:
        """G: how many blocks of H rows `i2h_weight` and `i2h_bias` have."""
        return len(self.gates)

    @property
    def has_cell_state(self) -> bool:
        """Whether it has c besides h."""
        return "c" in self.state_symbols

    @cached_property
    def further_states(self) -> tuple[str, ...]:
        """The states other than h and c, of a custom cell."""
        return tuple(symbol for symbol in self.state_symbols if symbol not in ("h", "c"))

    @cached_property
    def state_symbols(self) -> tuple[str, ...]:
        """("h",) or ("h", "c"), or the states of a custom cell, h first."""
        return tuple(state.symbol for state in self.states)

    @cached_property
    def own_parameters(self) -> tuple[str, ...]:
        """The names of the parameters besides the four that every cell has."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def is_fused(self) -> bool:
        """Whether a fused layer of Gluon computes it; LSTMPCell computes single steps."""
        return self.gluon not in ("", "LSTMPCell")

    @property
    def projects(self) -> bool:
        """Whether h has its own size, P."""
        return self.states[0].size == "P"

    def with_activations(self, **roles: Function) -> "CellSpec":
        """The cell with other activations in some roles, such as gate=hard_sigmoid; CellError for an unknown role."""
        known = dict(self.activations)
        for role in roles:
            if role not in known:
                raise CellError(f"The cell {self.name} has no activation {role}: it has {', '.join(known) or 'none'}.")
        return replace(self, activations=tuple((known | roles).items()))

    def with_clip(self, limit: float) -> "CellSpec":
        """The cell with every pre-activation cut to [-limit, limit], as ONNX Runtime does; c is not cut."""
        roles = [role for role, _ in self.activations if role != "output"]
        return self.with_activations(**{role: clipped(dict(self.activations)[role], limit) for role in roles})

    def state_sizes(self, sizes: Sizes) -> dict[str, int]:
        """The size of each state: {"h": P, "c": H} of an LSTM with a projection."""
        return {state.symbol: sizes.of(state.size) for state in self.states}

    @cached_property
    def _declared(self) -> list[tuple[str, int, tuple[str, ...], Initializer]]:
        """Name, blocks of rows, letters of the axes, and way of drawing of each parameter."""
        gates, recurrent, h = len(self.gates), len(self.recurrent_gates), self.states[0].size
        of_gates: list[tuple[str, int, tuple[str, ...], Initializer]] = [
            ("i2h_weight", gates, ("H", "I"), "weight"),
            ("h2h_weight", recurrent, ("H", h), "weight"),
            ("i2h_bias", gates, ("H",), "bias"),
            ("h2h_bias", recurrent, ("H",), "bias"),
        ]
        own = [(p.name, 1, p.shape, p.initializer) for p in self.parameters]
        return [*(declared for declared in of_gates if declared[1]), *own]

    @property
    def parameter_axes(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Of each parameter, the number of blocks of rows, one for each gate, and "I", "H" or "P" for each axis."""
        return {name: (blocks, axes) for name, blocks, axes, _ in self._declared}

    def parameter_shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of one layer in one direction, in the order in which they are drawn.

        >>> LSTM.parameter_shapes(Sizes(input_size=5, hidden_size=10))
        {'i2h_weight': (40, 5), 'h2h_weight': (40, 10), 'i2h_bias': (40,), 'h2h_bias': (40,)}
        """
        return {name: (n * sizes.of(first), *map(sizes.of, axes)) for name, n, (first, *axes), _ in self._declared}

    def initializers(self) -> dict[str, Initializer]:
        """How each parameter is drawn, in the order of `parameter_shapes`."""
        return {name: initializer for name, _, _, initializer in self._declared}

    def parameter_count(self, sizes: Sizes) -> int:
        return sum(prod(shape) for shape in self.parameter_shapes(sizes).values())
