"""Numbers in words and digits, the same in every view, message and copied table.

A value is shown as a notebook prints it, with three decimals, or with one digit where these would be 0. It is read in
full on demand: `full` gives the shortest digits that read back to the same float of the same dtype. NaN and infinities
are spelled out, in words that `float` reads back.
"""

import re
from decimal import ROUND_CEILING, Decimal
from math import isfinite, isnan
from typing import Any, TypeAlias

import numpy as np

Number: TypeAlias = float | np.floating[Any]

DECIMALS = 3
LARGEST_PLAIN = 1e6
"""From here on a value is written with an exponent: its decimals would only take room."""
_SMALLEST_PLAIN = 0.5 * 10.0**-DECIMALS
_SMALLEST_PLAIN_ERROR, _LARGEST_PLAIN_ERROR = 1e-3, 1e4
_LARGEST_PLAIN_ULP = 100_000

_NUMBER_MINUS = re.compile(r"(?<![\w-])-(?=\d)|(?<=\de)-(?=\d)|(?<=\d )-(?= \d)")

NAN, INFINITY = "NaN", "infinity"
UNDEFINED_ULP = 2**64 - 1
"""Result of `ulp_distance` if one of the two numbers is NaN."""


def short(value: Number) -> str:
    """Three decimals: "0.652", "NaN", "-infinity", "1.235e+6"; one digit, "3e-4", of what would read "0.000"."""
    number = float(value)
    if not isfinite(number):
        return _spelled(number)
    if abs(number) >= LARGEST_PLAIN:
        return _exponent(f"{number:.{DECIMALS}e}")
    if 0.0 < abs(number) < _SMALLEST_PLAIN:
        return _exponent(f"{number:.0e}")
    return f"{number:z.{DECIMALS}f}"


def true_minus(text: str) -> str:
    """A number's text for the screen, with true minus signs. Copied and exported text keeps the hyphens."""
    return text.replace("-", "\N{MINUS SIGN}")


def true_minus_in(sentence: str) -> str:
    """A sentence for the screen, with true minus signs in its numbers. Names keep their hyphens."""
    return _NUMBER_MINUS.sub("\N{MINUS SIGN}", sentence)


def full(value: Number) -> str:
    """The shortest digits that read back to the same float: of float32 for a numpy float32, else of float64."""
    number = float(value)
    if not isfinite(number):
        return _spelled(number)
    return _exponent(str(value) if isinstance(value, np.floating) else repr(number))


def json_number(value: float) -> float | str:
    """The number, or its name "NaN", "Infinity" or "-Infinity" where JSON has none for it."""
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def format_pair(one: Number, other: Number) -> tuple[str, str]:
    """Two values that differ, with three decimals if those distinguish them, else with every digit."""
    pair = short(one), short(other)
    return pair if pair[0] != pair[1] else (full(one), full(other))


def error(value: Number) -> str:
    """A difference in two digits: "0", "6e-8", "0.041", "-1.3", "120", "infinity"."""
    number = float(value)
    if not isfinite(number):
        return _spelled(number)
    if number == 0.0:
        return "0"
    rounded = float(f"{number:.1e}")
    if _SMALLEST_PLAIN_ERROR <= abs(rounded) < _LARGEST_PLAIN_ERROR:
        return np.format_float_positional(rounded, trim="-")
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    return _exponent(f"{mantissa.removesuffix('.0')}e{exponent}")


def format_ceil(value: Number) -> str:
    """A limit in two digits, rounded up, so that `value` is within the displayed limit."""
    number = float(value)
    if not isfinite(number):
        return error(number)
    exact = Decimal(number)
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    return error(float(exact.quantize(step, ROUND_CEILING)))


def percent(fraction: float) -> str:
    """A share in percent, two digits: "0.59%", "100%", "0%"."""
    return f"{error(100.0 * fraction)}%"


def times(ratio: Number) -> str:
    """A ratio in two digits: "0.59%" up to 1, then "1.5×", "10,000×", "1.2e+9×"."""
    if ratio <= 1.0:
        return percent(float(ratio))
    rounded = float(f"{float(ratio):.1e}")
    return f"{rounded:,.0f}×" if _LARGEST_PLAIN_ERROR <= rounded < LARGEST_PLAIN else f"{error(ratio)}×"


def count(value: int) -> str:
    """An integer with thousands separators: "3,200"."""
    return f"{value:,}"


def ulp(value: int) -> str:
    """A distance in floats: "1", "12,345", "4.3e+9"; "none" if one number is NaN, which has no order."""
    if value == UNDEFINED_ULP:
        return "none"
    return count(value) if value < _LARGEST_PLAIN_ULP else error(value)


def duration(seconds: float) -> str:
    """How long something took, or will take: "0.3 ms", "41 ms", "1.2 s", "14 s", "2 min 5 s", "1 h 4 min"."""
    if seconds < 0.0095:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _spelled(number: float) -> str:
    if isnan(number):
        return NAN
    return INFINITY if number > 0 else f"-{INFINITY}"


def _exponent(text: str) -> str:
    """1.5e-08 as 1.5e-8."""
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    sign = "-" if exponent.startswith("-") else "+"
    return f"{mantissa}e{sign}{exponent.lstrip('+-').lstrip('0')}"
