"""Hypothesis strategies for configs that are wrong in every way: as typed tables, and as text."""

from datetime import date, datetime, time
from typing import Any

import tomli_w
from hypothesis import strategies as st

from rnnviz.core.config import SECTIONS
from rnnviz.core.schema import declarations
from tests.strategies import any_config_mappings, config_mappings

NUMBERS = st.one_of(
    st.integers(-3, 12), st.integers(), st.sampled_from([10**9, 2**63, 10**30, -(10**400)]), st.floats()
)
NAMES = st.one_of(
    st.sampled_from(
        ["gluon", "manual", "torch", "bug:no-i2h-bias", "bug:", "./x.py", "recording:x.npz", "trace:#", "x.npz#y"]
    ),
    st.text(max_size=6),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=8), NAMES, st.dates(), st.datetimes(), st.times(), st.binary()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
KEYS = st.one_of(
    st.sampled_from([key for section in SECTIONS.values() for key in declarations(section)]), st.text(max_size=6)
)
CHOICES = st.sampled_from(
    [choice for section in SECTIONS.values() for limits in declarations(section).values() for choice in limits.choices]
)
RIGHT = st.one_of(config_mappings(), any_config_mappings())


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """A right config with a few of its keys set to something else, or no config at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(VALUES | st.dictionaries(st.sampled_from(list(SECTIONS)) | st.text(max_size=4), VALUES))
    values = {name: dict(table) for name, table in draw(RIGHT).items()}
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        section = draw(st.sampled_from(list(SECTIONS)))
        table = values.setdefault(section, {})
        keys = st.sampled_from(list(declarations(SECTIONS[section])))
        table[draw(keys if draw(st.integers(0, 5)) else KEYS)] = draw(st.one_of(CHOICES, NUMBERS, SCALARS, VALUES))
    if draw(st.integers(0, 19)) == 0:
        values[draw(st.sampled_from(list(SECTIONS)) | st.text(max_size=4))] = draw(VALUES)
    return values


FRAGMENTS = st.one_of(
    st.sampled_from(
        [
            *(f"[{section}]\n" for section in SECTIONS),
            *(
                *"[]{}=,.\"'#\\\n\r\x00\u2028\ufeffé",
                "[[network]]\n",
                '"""',
                "'''",
                "= nan",
                "= 0x_1",
                "1979-05-27T07:32:00Z",
            ),
            *("\\u0000", '"\\u001b[2J"', '["a\\nb"]\n', '"\\u009b" = 1\n', "[" * 2_000, "9" * 5_000, "a." * 500),
        ]
    ),
    st.text(max_size=5),
)


def _toml(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _toml(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_toml(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str | date | datetime | time) else str(value)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The text of a drawn table with a few pieces of it cut out, put elsewhere, or replaced."""
    values = _toml(draw(tables()))
    try:
        text = tomli_w.dumps(values if isinstance(values, dict) else {"network": values})
    except ValueError:  # a number of more digits than Python writes
        text = "x = 1"
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        begin = draw(st.integers(0, len(text)))
        end = begin + draw(st.sampled_from([0, 0, 1, 3, 20]))
        text = text[:begin] + draw(FRAGMENTS) + text[end:]
    return text
