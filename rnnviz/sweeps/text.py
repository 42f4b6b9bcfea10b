"""A sweep in words: the same on the command line and in the window."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.sweeps.results import SweepResult, SweepRow
from rnnviz.text.verdict_text import MARKS

ROW_MARKS = {**MARKS, "refused": "–", "failed": "!"}
"""A sign for each verdict, which says it without a color."""

_MOST_LISTED = 10


def counted(counts: Mapping[str, int]) -> str:
    """Number of rows by verdict: "✔ 18 agree · ✘ 2 disagree"."""
    texts = [
        f"{mark} {number_format.count(counts[name])} {name}" for name, mark in ROW_MARKS.items() if counts.get(name)
    ]
    return " · ".join(texts) or "no row yet"


def value_text(value: Any) -> str:
    """A value of a key as people read it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else display_name(str(value))


def called(keys: Sequence[str], values: Sequence[Any]) -> str:
    """A row by its values: "cell lstm, hidden_size 16, seed 0, engine manual"."""
    return ", ".join(f"{short_key(key, keys)} {value_text(v)}" for key, v in zip(keys, values, strict=True))


def short_key(key: str, keys: Sequence[str]) -> str:
    """A dotted key without its table, where no other key of the sweep is then called the same."""
    short = key.rpartition(".")[2]
    return short if sum(other.rpartition(".")[2] == short for other in keys) == 1 else key


def report(keys: Sequence[str], rows: Sequence[SweepRow]) -> str:
    """The counts, and a line for each of the rows that are not right, the worst first; for a terminal."""
    found = [(row.point, row.finding) for row in rows if row.finding is not None]
    bad = [(point, finding) for point, finding in found if finding.verdict != "agree"]
    order = ("disagree", "failed", "refused", "drift")
    bad.sort(key=lambda pair: (order.index(pair[1].verdict), -_error_ratio(pair[1]), pair[0].index))
    lines = [counted(Counter(finding.verdict for _, finding in found))]
    for point, finding in bad[:_MOST_LISTED]:
        lines.append(f"  {ROW_MARKS[finding.verdict]} {called(keys, point.values)}: {finding.reason}")
    if len(bad) > _MOST_LISTED:
        lines.append(f"  and {number_format.count(len(bad) - _MOST_LISTED)} more")
    assumed = dict.fromkeys(clause for _, finding in found for clause in finding.assumptions)
    return "\n".join([*lines, *(f"  Assumption: {clause}." for clause in assumed)])


def _error_ratio(finding: SweepResult) -> float:
    value = finding.max_error_ratio
    if value is None:
        return 0.0
    return value if value == value else float("inf")
