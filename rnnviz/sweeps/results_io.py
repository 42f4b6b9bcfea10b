"""The results of a sweep as CSV and as JSON; both read back to the same rows.

CSV columns: one for each thing that differs between rows (the keys of the grid, seed, engine), verdict,
max_error_ratio, max_abs_error, audit_worst_ratio, first_wrong.engine and first_wrong.layer to first_wrong.unit,
seconds.NAME for everything that was timed, reason, and config, the whole config of the row as JSON.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnviz import __version__
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError, check_regular, in_short
from rnnviz.core.schema import display_key
from rnnviz.core.words import unreadable
from rnnviz.io.outputs import atomic_write
from rnnviz.sweeps.grid import ENGINE, SEED, Point, checked_value, declaration
from rnnviz.sweeps.results import NUMBERS, SweepResult, SweepRow, SweepTable

_PLACE = ("engine", "layer", "direction", "timestep", "sample", "unit")
_WRONG, _SECONDS, _ASSUMPTIONS, _BACKWARD = "first_wrong.", "seconds.", "assumptions", "backward_verdict"
_LONGEST_CELL = 1 << 30
_TRUTH = {"true": True, "false": False}
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, csv.Error)


def write_sweep_csv(table: SweepTable, path: Path) -> None:
    """Write the rows that have a finding. Raises an InputError if the file cannot be written."""
    rows = [row for row in table.rows if row.finding is not None]
    columns = _columns(table.keys, rows)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_sweep_json(table: SweepTable, path: Path) -> None:
    """Write `sweep_json`. Raises an InputError if the file cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_text(sweep_json(table), encoding="utf-8", errors="backslashreplace")


def sweep_json(table: SweepTable) -> str:
    """`{"rnnviz": version, "keys": [...], "rows": [{"values", "verdict", ..., "config"}]}` as text."""
    rows = [
        {
            "values": dict(zip(table.keys, row.point.values, strict=True)),
            **row.finding.to_mapping(),
            "config": None if row.point.config is None else row.point.config.to_mapping(),
        }
        for row in table.rows
        if row.finding is not None
    ]
    content = {"rnnviz": __version__, "keys": list(table.keys), "rows": rows}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load_sweep_results(path: Path) -> SweepTable:
    """Read a file that a sweep has written.

    Raises an InputError if it cannot be read, or is something else; the sentence names the file.
    """
    check_regular(path)
    try:
        return _read_json(path) if path.suffix.lower() == ".json" else _read_csv(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except _DAMAGE as error:
        raise InputError(f"{path} is not a table written by rnnviz sweep: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """The reason why a file cannot be read, as the end of a sentence; Python's own message would not help."""
    if isinstance(error, KeyError):
        return f"{display_key(error.args[0])} is missing in it"
    if isinstance(error, TypeError | AttributeError | LookupError):
        return "a value in it has an unexpected type"
    if isinstance(error, RecursionError):
        return "its brackets are nested too deep"
    return in_short(str(error))


def _columns(keys: Sequence[str], rows: Sequence[SweepRow]) -> dict[str, list[Any]]:
    found = [row.finding.to_mapping() for row in rows if row.finding is not None]
    wrong = [finding["first_wrong"] or {} for finding in found]
    timed = dict.fromkeys(name for finding in found for name in finding["seconds"])
    texts: dict[str, list[Any]] = {
        key: [_text(row.point.values[place]) for row in rows] for place, key in enumerate(keys)
    }
    texts["verdict"] = [finding["verdict"] for finding in found]
    texts |= {name: [_text(finding[name]) for finding in found] for name in NUMBERS}
    texts |= {_WRONG + name: [_text(place.get(name)) for place in wrong] for name in _PLACE}
    texts |= {_SECONDS + name: [_text(finding["seconds"].get(name)) for finding in found] for name in timed}
    texts["reason"] = [_text(finding["reason"]) for finding in found]
    if any("assumptions" in finding for finding in found):
        texts[_ASSUMPTIONS] = [json.dumps(finding.get("assumptions", []), ensure_ascii=False) for finding in found]
    if any(_BACKWARD in finding for finding in found):
        texts[_BACKWARD] = [finding.get(_BACKWARD) for finding in found]
    texts["config"] = [
        None if row.point.config is None else _text(json.dumps(row.point.config.to_mapping(), ensure_ascii=False))
        for row in rows
    ]
    return texts


def _text(value: Any) -> str | None:
    """A value as a CSV cell: numbers in the digits that read back, true and false as TOML writes them."""
    if value is None:
        return None
    if isinstance(value, tuple):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _read_csv(path: Path) -> SweepTable:
    # A config may list the lengths of many samples.
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows, [])
        if "verdict" not in header:
            raise InputError("it has no column verdict.")
        keys = _checked_keys(header[: header.index("verdict")])
        return SweepTable(keys, tuple(_csv_row(keys, index, _named(header, row)) for index, row in enumerate(rows)))


def _named(header: Sequence[str], row: Sequence[str]) -> dict[str, str | None]:
    """The cells of a row by column, None where one is empty."""
    if len(row) != len(header):
        raise InputError(f"a row in it has {len(row)} cells, but the first has {len(header)}.")
    return {name: cell or None for name, cell in zip(header, row, strict=True)}


def _csv_row(keys: tuple[str, ...], index: int, cells: Mapping[str, str | None]) -> SweepRow:
    wrong = {name: cells[_WRONG + name] for name in _PLACE}
    finding = SweepResult.from_mapping(
        {
            "verdict": cells["verdict"],
            **{name: None if cells[name] is None else float(str(cells[name])) for name in NUMBERS},
            "first_wrong": None if wrong["engine"] is None else wrong,
            "seconds": {
                name.removeprefix(_SECONDS): value
                for name, value in cells.items()
                if name.startswith(_SECONDS) and value is not None
            },
            "reason": cells["reason"] or "",
            "assumptions": json.loads(cells.get(_ASSUMPTIONS) or "[]"),
            _BACKWARD: cells.get(_BACKWARD),
        }
    )
    config = cells["config"]
    return _row(
        index, {key: _value(key, cells[key]) for key in keys}, None if config is None else json.loads(config), finding
    )


_LISTS = ("names", "activations", "counts", "texts", "paths", "indices")
"""Kinds of values that are lists."""


def _value(key: str, text: str | None) -> Any:
    """A cell as the number, truth or text that the key holds."""
    kind = "int" if key == SEED else "text"
    config_field = declaration(key)
    if key not in (SEED, ENGINE) and config_field is not None:
        kind = config_field.kind
    if text is None:
        raise InputError(f"{key} is empty in a row.")
    if kind == "bool":
        return _TRUTH[text]
    if kind in _LISTS and text.startswith("["):
        return json.loads(text)
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def _read_json(path: Path) -> SweepTable:
    content = json.loads(path.read_text(encoding="utf-8"))
    keys = _checked_keys(content["keys"])
    return SweepTable(
        keys,
        tuple(
            _row(index, {key: row["values"][key] for key in keys}, row["config"], SweepResult.from_mapping(row))
            for index, row in enumerate(content["rows"])
        ),
    )


def _checked_keys(keys: Sequence[Any]) -> tuple[str, ...]:
    for key in keys:
        if key not in (SEED, ENGINE) and (not isinstance(key, str) or declaration(key) is None):
            raise InputError(f"{display_key(key)} is not a key of a sweep.")
    return tuple(keys)


def _row(index: int, values: Mapping[str, Any], config: Any, finding: SweepResult) -> SweepRow:
    refusal = finding.reason if config is None else ""
    called = tuple(checked_value(key, value) for key, value in values.items())
    return SweepRow(Point(index, called, None if config is None else Config.from_mapping(config), refusal), finding)
