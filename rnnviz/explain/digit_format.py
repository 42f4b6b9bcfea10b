"""Numbers of an arithmetic as paper and pencil need them: three decimals, and more where those hide the number."""

from collections.abc import Sequence
from math import isfinite

from rnnviz.core import number_format

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
            pair = f"{one:.{decimals}f}", f"{other:.{decimals}f}"
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
