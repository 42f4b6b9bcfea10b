"""Numbers of an arithmetic as paper and pencil need them: three decimals, and more where those hide the number."""

from collections.abc import Sequence

from rnnviz.analysis import numbers

_SMALLEST_SHOWN = 0.01


def enough(value: float) -> str:
    """Three decimals, or two digits of what is smaller than those can tell: "0.652", "0.0031", "4.1e-7", "0.000"."""
    if value == 0.0:
        return numbers.short(0.0)
    return numbers.error(value) if abs(value) < _SMALLEST_SHOWN else numbers.short(value)


def on_the_point(texts: Sequence[str]) -> list[str]:
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
