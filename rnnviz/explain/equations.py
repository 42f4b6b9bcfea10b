"""A cell's equations for one unit, symbol by symbol, each with its number."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnnviz.explain.digit_format import format_distinct, format_short
from rnnviz.explain.step_breakdown import GateArithmetic, StepBreakdown
from rnnviz.verify.running_error import ALLOWED


@dataclass(frozen=True)
class Token:
    """A piece of an equation: a sign, or a symbol with the number that it stands for.

    `gate` is the symbol of the gate that the number is of; "h'" and "c'" stand for the previous state.
    """

    text: str
    value: float | None = None
    gate: str | None = None

    @property
    def number(self) -> str:
        """What stands beneath: the number, negative ones in brackets where a sign stands before them, or the text."""
        return self.text if self.value is None else format_short(self.value)


@dataclass(frozen=True)
class EquationLine:
    """One equation, its result first: c = f · c' + i · g."""

    tokens: tuple[Token, ...]

    @property
    def symbols(self) -> str:
        """The equation: "c = f · c' + i · g"."""
        return "".join(token.text for token in self.tokens)

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands beneath each token; negative numbers in brackets where a sign stands before them."""
        return self._beneath([token.number for token in self.tokens])

    def cells_apart(self, other: "EquationLine") -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The same of this line and of another engine's, with as many decimals as tell their numbers apart."""
        pairs = [
            (one.number, two.number)
            if one.value is None or two.value is None or one.value == two.value
            else format_distinct(one.value, two.value)
            for one, two in zip(self.tokens, other.tokens, strict=True)
        ]
        return self._beneath([pair[0] for pair in pairs]), other._beneath([pair[1] for pair in pairs])

    def _beneath(self, texts: Sequence[str]) -> tuple[str, ...]:
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
        """What the equation gives."""
        return self.tokens[0]


def equations(arithmetic: StepBreakdown) -> tuple[EquationLine, ...]:
    """The gates in their order, then c of an LSTM, then h: each line uses only what stands before it."""
    gates = arithmetic.by_symbol
    if len(gates) == 1:
        return (_gate(arithmetic.gates[0]),)
    lines = [_gate(gate) for gate in arithmetic.gates]
    symbols = {symbol: Token(symbol, gate.value, symbol) for symbol, gate in gates.items()}
    h = Token("h", arithmetic.h)
    if arithmetic.c is not None:
        c = Token("c", arithmetic.c)
        c_previous = Token("c'", arithmetic.previous.c)
        lines += [
            _line(c, " = ", symbols["f"], " · ", c_previous, " + ", symbols["i"], " · ", symbols["g"]),
            _line(h, " = ", symbols["o"], " · tanh(", c, ")"),
        ]
    else:
        z, n, h_previous = symbols["z"], symbols["n"], Token("h'", arithmetic.previous.h)
        lines.append(_line(h, " = (1 - ", z, ") · ", n, " + ", z, " · ", h_previous))
    return tuple(lines)


def outcome(arithmetic: StepBreakdown) -> EquationLine:
    """What the engine stored, how far that is from the arithmetic's h, and how far rounding may take it."""
    return _line(
        Token("stored", arithmetic.stored),
        " - ",
        Token("h", arithmetic.h),
        " = ",
        Token("Δ", arithmetic.difference),
        ", |Δ| ≤ ",
        Token("bound", ALLOWED * arithmetic.bound),
    )


def _gate(gate: GateArithmetic) -> EquationLine:
    """i = sigmoid(a + b), or n = tanh(a_n + r · b_n)."""
    result = Token(gate.symbol, gate.value, gate.symbol)
    opening = f" = {gate.gate.activation}("
    if not gate.scaled:
        return _line(result, opening, Token("a", gate.pre.a.total), " + ", Token("b", gate.pre.b.total), ")")
    a, b = (Token(f"{name}_{gate.symbol}", side.total) for name, side in (("a", gate.pre.a), ("b", gate.pre.b)))
    return _line(result, opening, a, " + ", Token("r", gate.pre.b.factor, "r"), " · ", b, ")")


def _line(*parts: Token | str) -> EquationLine:
    return EquationLine(tuple(part if isinstance(part, Token) else Token(part) for part in parts))
