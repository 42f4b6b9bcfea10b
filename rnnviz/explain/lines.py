"""An explanation as lines of named parts, for values and gradients alike: equations with their numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from math import inf, isfinite, isnan
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import Activation
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.frozen import dataclass

Floats: TypeAlias = NDArray[np.float64]

_TWO_DIGITS_FROM, _THREE_DECIMALS_FROM = 1e-3, 0.01
_MOST_DECIMALS = 17


def format_short(value: float) -> str:
    """Three decimals, or two digits of what is smaller than those can show: "0.652", "0.0030", "4.1e-7", "0.000"."""
    if value == 0.0:
        return number_format.short(0.0)
    if _TWO_DIGITS_FROM <= abs(value) < _THREE_DECIMALS_FROM:
        return f"{value:.4f}"
    return number_format.error(value) if abs(value) < _TWO_DIGITS_FROM else number_format.short(value)


def format_distinct(one: float, other: float) -> tuple[str, str]:
    """Two values that differ, with as many decimals as it takes to see that, but at least three."""
    if isfinite(one) and isfinite(other) and max(abs(one), abs(other)) < number_format.LARGEST_PLAIN:
        for decimals in range(number_format.DECIMALS, _MOST_DECIMALS):
            pair = f"{one:z.{decimals}f}", f"{other:z.{decimals}f}"
            if pair[0] != pair[1]:
                return pair
    return number_format.format_pair(one, other)


def align_decimals(texts: Sequence[str]) -> list[str]:
    """The texts of one width, their decimal points below each other."""
    splits = [_split(text) for text in texts]
    before = max((len(head) for head, _ in splits), default=0)
    after = max((len(tail) for _, tail in splits), default=0)
    return [f"{head:>{before}}{tail:<{after}}" for head, tail in splits]


def _split(text: str) -> tuple[str, str]:
    head, point, tail = text.partition(".")
    if point:
        return head, point + tail
    head, e, tail = text.partition("e")
    return (head, e + tail) if head.lstrip("-").isdigit() else (text, "")


@dataclass(frozen=True)
class Token:
    """A piece of an equation: a sign, or a symbol with its number, and the place that this comes from."""

    text: str
    value: float | None = None
    source: Place | None = None

    @property
    def number(self) -> str:
        return self.text if self.value is None else format_short(self.value)


@dataclass(frozen=True)
class EquationLine:
    """One equation, its result first: c = f · c[t-1] + i · g."""

    tokens: tuple[Token, ...]

    @classmethod
    def of(cls, pieces: Sequence[Token | str]) -> "EquationLine":
        """The pieces, of which signs that follow each other are one."""
        tokens: list[Token] = []
        for piece in pieces:
            token = Token(piece) if isinstance(piece, str) else piece
            if token.value is None and tokens and tokens[-1].value is None:
                tokens[-1] = Token(tokens[-1].text + token.text)
            else:
                tokens.append(token)
        return cls(tuple(tokens))

    @property
    def symbols(self) -> str:
        """The equation: "c = f · c[t-1] + i · g"."""
        return "".join(token.text for token in self.tokens)

    @property
    def cells(self) -> tuple[str, ...]:
        """The text below each token; a negative number after a sign is in brackets."""
        return self._bracketed([token.number for token in self.tokens])

    def cells_apart(self, other: "EquationLine") -> tuple[tuple[str, ...], tuple[str, ...]]:
        """`cells` of this line and of another engine's, with enough decimals to show where they differ."""
        pairs = [
            (one.number, two.number)
            if one.value is None or two.value is None or one.value == two.value
            else format_distinct(one.value, two.value)
            for one, two in zip(self.tokens, other.tokens, strict=True)
        ]
        return self._bracketed([pair[0] for pair in pairs]), other._bracketed([pair[1] for pair in pairs])

    def _bracketed(self, texts: Sequence[str]) -> tuple[str, ...]:
        parts: list[str] = []
        for token, text in zip(self.tokens, texts, strict=True):
            bare = not parts or parts[-1].endswith(("(", "= "))
            parts.append(f"({text})" if token.value is not None and text.startswith("-") and not bare else text)
        return tuple(parts)

    @property
    def numbers(self) -> str:
        """The same with numbers: "0.257 = 0.492 · 0.310 + 0.512 · (-0.204)"."""
        return "".join(self.cells)

    @property
    def result(self) -> Token:
        return self.tokens[0]


@dataclass(frozen=True)
class StoredValue:
    """An engine's own value of a state, a returned line or a gradient, the equations' value, and its rounding bound.

    `source` is the place of the computed value, if that is another one.
    """

    symbol: str
    stored: float
    computed: float
    bound: float
    source: Place | None = field(default=None, compare=False)

    @property
    def difference(self) -> float:
        return 0.0 if same_number(self.stored, self.computed) else float(np.subtract(self.stored, self.computed))

    @property
    def ratio(self) -> float:
        """|difference| in rounding bounds, as the audit counts them."""
        if same_number(self.stored, self.computed) or not isfinite(self.bound):
            return 0.0
        # No bound is left where relu cuts off what is not a number.
        ratio = abs(self.difference) / self.bound if self.bound else inf
        return ratio if isfinite(ratio) else inf

    @property
    def right(self) -> bool:
        return self.ratio <= ALLOWED

    @property
    def equation(self) -> EquationLine:
        """The engine's own value, its difference from the arithmetic's, and its limit."""
        stored, computed = Token(f"stored {self.symbol}", self.stored), Token(self.symbol, self.computed, self.source)
        difference, bound = Token("Δ", self.difference), Token("bound", ALLOWED * self.bound)
        return EquationLine.of((stored, " - ", computed, " = ", difference, ", |Δ| ≤ ", bound))


def same_number(a: float, b: float) -> bool:
    return a == b or (isnan(a) and isnan(b))


@dataclass(frozen=True)
class Scalar:
    """A number that a step reads, and its place: a bias, or a state of the unit before the step."""

    symbol: str
    value: float
    source: Place


Way: TypeAlias = Literal["i2h", "h2h", "matrix", "value", "loss", "above", "out", "step", "next", "time"]
"""Source of a part. Of a value: the layer input, the previous state, another matrix's product, or one number. Of a
gradient: the loss, the layer above, the output, the same step, the next step, or all of the "time" of a parameter."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a sum: scale · (factors · values + bias), both (K,).

    `total` is the sum without the scale, added up in the order of its arithmetic. `name` and `source` say what each
    term reads, `weight` which parameter its factor is. The scale is 1 but for the like of a GRU's reset gate.
    """

    way: Way
    text: str
    factors: Floats
    values: Floats
    total: float
    name: Callable[[int], str] = field(repr=False)
    source: Callable[[int], Place | None] = field(repr=False)
    weight: Callable[[int], Place | None] = field(default=lambda _: None, repr=False)
    bias: Scalar | None = None
    scale: float = 1.0
    scale_name: str = ""

    def __len__(self) -> int:
        return len(self.factors)

    @cached_property
    def products(self) -> Floats:
        """(K,): factors · values."""
        with np.errstate(all="ignore"):
            return self.factors * self.values

    @property
    def added(self) -> Floats:
        """(K,): what each term adds, scale · factors · values."""
        with np.errstate(all="ignore"):
            return self.products if self.scale == 1.0 else np.asarray(self.scale * self.products)


Kind: TypeAlias = Literal["gate", "state", "gradient"]


@dataclass(frozen=True, eq=False)
class Line:
    """One equation with the parts of its sum, and the value that it gives.

    The parts of a "gate" add up to the `argument` of its activation, those of a "state" or a "gradient" to the value.
    `sum_text` is what they add up to, such as "u + v". `point` is the activation, with its argument and result.
    """

    name: str
    kind: Kind
    equation: EquationLine
    parts: tuple[Part, ...]
    value: float
    sum_text: str
    title: str = ""
    argument: float | None = None
    own: StoredValue | None = None
    point: tuple[Activation, float, float] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def by_weight(self) -> NDArray[np.intp]:
        """(n,): the places of the terms, those first that add most; NaN and infinity weigh more than any number."""
        weight = np.abs(np.concatenate([*(part.added for part in self.parts), np.zeros(0)]))
        weight[np.isnan(weight)] = np.inf
        return np.argsort(-weight, kind="stable")

    @property
    def addends(self) -> tuple[float, ...]:
        """Addends of the parts, scale · total."""
        return tuple(float(np.multiply(part.scale, part.total)) for part in self.parts)

    @property
    def scaled_by(self) -> str:
        """The name of what multiplies the recurrent part before it is added: r in a GRU's candidate n, else ""."""
        return next((part.scale_name for part in self.parts if part.way == "h2h"), "")

    def part(self, way: Way) -> Part | None:
        """The first part that reads in a way."""
        return next((part for part in self.parts if part.way == way), None)


def written_out(line: Line) -> str:
    """The equation of a line with its input and recurrent part as products: n = tanh(W_in x + b_in + ...)."""
    pieces: list[str] = []
    for token in line.equation.tokens:
        text, gate = token.text, line.name
        if text in ("u", f"u_{gate}", "v", f"v_{gate}"):
            of_input = text.startswith("u")
            text = f"W_i{gate} x + b_i{gate}" if of_input else f"W_h{gate} h[t-1] + b_h{gate}"
            text = f"({text})" if pieces and pieces[-1].endswith("· ") else text
        pieces.append(text)
    return "".join(pieces)


@dataclass(frozen=True, eq=False)
class ReadVector:
    """A vector (K,) that a step reads, the layer input x or the previous state h[t-1], with its sources."""

    way: Literal["i2h", "h2h"]
    values: Floats
    source: Callable[[int], Place] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Breakdown:
    """A value or a gradient of one engine in float64: its lines in the order of computation.

    Of a step, `previous` are the states of the unit before it at `before` (None: the initial state), and `across` the
    named values of all units (H,) behind a product. `contributions` (T,) add up to the gradient of a parameter.
    """

    place: Place
    engine: str
    cell: CellSpec
    lines: tuple[Line, ...]
    names: Names = UNNAMED
    read: tuple[ReadVector, ...] = ()
    previous: tuple[Scalar, ...] = ()
    before: int | None = None
    across: Mapping[str, Floats] = field(default_factory=dict, repr=False)
    recomputed: frozenset[str] = frozenset()
    hidden_size: int = 0
    contributions: Floats | None = None

    @cached_property
    def by_name(self) -> dict[str, Line]:
        return {line.name: line for line in self.lines}

    @property
    def gates(self) -> tuple[Line, ...]:
        """The lines of gates, in the order of the weights' rows, then a projection."""
        order = (*self.cell.gate_symbols, *self.cell.state_symbols)
        return tuple(sorted((line for line in self.lines if line.kind == "gate"), key=lambda g: order.index(g.name)))

    @property
    def outcomes(self) -> tuple[StoredValue, ...]:
        """The engine's own values besides the equations' values: the one that the step computes last is last."""
        first, *states = self.cell.state_symbols
        own = (line.own for line in self.lines if line.own is not None)
        return tuple(sorted(own, key=lambda value: 2 if value.symbol == first else value.symbol in states))

    @property
    def right(self) -> bool:
        return all(value.right for value in self.outcomes)


def stored_symbols(each: Sequence[Breakdown]) -> list[str]:
    """The symbols of the values that any of some engines gives, in the order of computation."""
    given = {own.symbol for breakdown in each for own in breakdown.outcomes}
    return [line.name for line in each[0].lines if line.name in given]
