"""A cell's equations for one unit, symbol by symbol, with as many digits as the numbers need."""

from collections.abc import Sequence
from math import isfinite

from rnnviz.cells.interpreters.graph import Node
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import Symbol, short_equations
from rnnviz.core import number_format
from rnnviz.explain.step_breakdown import StepBreakdown, StoredValue
from rnnviz.frozen import dataclass

_TWO_DIGITS_FROM, _THREE_DECIMALS_FROM = 1e-3, 0.01
_MOST_DECIMALS = 17
_BRIEF = 10


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


def told_apart_briefly(one: float, other: float) -> tuple[str, str]:
    """The same in at most ten characters: "0.382…23" and "0.382…24"; as `format_short` has them if those "
    "do not show."""
    pair = format_distinct(one, other)
    if max(map(len, pair)) <= _BRIEF:
        return pair
    same = next((place for place, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), 0)
    head = pair[0].find(".") + 1 + number_format.DECIMALS
    brief = f"{pair[0][:head]}…{pair[0][same - 1 :]}", f"{pair[1][:head]}…{pair[1][same - 1 :]}"
    if same <= head or max(map(len, brief)) > _BRIEF:
        return format_short(one), format_short(other)
    return brief


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
    """A piece of an equation: a sign, or a symbol with its number.

    `gate` is the symbol of the gate that the number is of; "h[t-1]" and "c[t-1]" are the previous state.
    """

    text: str
    value: float | None = None
    gate: str | None = None

    @property
    def number(self) -> str:
        """The number as text; of a sign the sign."""
        return self.text if self.value is None else format_short(self.value)


@dataclass(frozen=True)
class EquationLine:
    """One equation, its result first: c = f · c[t-1] + i · g."""

    tokens: tuple[Token, ...]

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


def equations(arithmetic: StepBreakdown) -> tuple[EquationLine, ...]:
    """The gates in their order, then c of an LSTM, then h: each line uses only earlier ones."""
    return tuple(
        _line(_token(arithmetic, line.name, line.node), " = ", *(_piece(arithmetic, symbol) for symbol in line.symbols))
        for line in short_equations(arithmetic.cell)
        if line.name in arithmetic.lines
    )


def _piece(arithmetic: StepBreakdown, symbol: Symbol) -> Token | str:
    if symbol.node is None or symbol.node.op == "number" or symbol.across or len(symbol.node.shape) == 2:
        return symbol.text
    return _token(arithmetic, symbol.text, symbol.node)


def _token(arithmetic: StepBreakdown, name: str, node: Node) -> Token:
    return Token(name, arithmetic.number(node), name if name in arithmetic.by_symbol else None)


def outcomes(stored: Sequence[StoredValue]) -> dict[str, EquationLine]:
    """By symbol: the engine's own value, its difference from the arithmetic's, and its limit."""
    return {own.symbol: _outcome(own) for own in stored}


def _outcome(own: StoredValue) -> EquationLine:
    return _line(
        Token(f"stored {own.symbol}", own.stored),
        " - ",
        Token(own.symbol, own.computed),
        " = ",
        Token("Δ", own.difference),
        ", |Δ| ≤ ",
        Token("bound", ALLOWED * own.bound),
    )


def _line(*parts: Token | str) -> EquationLine:
    """The parts, of which signs that follow each other are one."""
    tokens: list[Token] = []
    for part in parts:
        if isinstance(part, Token):
            tokens.append(part)
        elif tokens and tokens[-1].value is None:
            tokens[-1] = Token(tokens[-1].text + part)
        else:
            tokens.append(Token(part))
    return EquationLine(tuple(tokens))
