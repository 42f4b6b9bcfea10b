"""Sweeps and their results: tables in which some values or bytes are changed."""

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import tomli_w

from rnnviz.core.trace_index import Location
from rnnviz.sweeps.grid import Sweep
from rnnviz.sweeps.results import (
    ROW_VERDICTS,
    FirstWrong,
    SweepResult,
    SweepRow,
    SweepTable,
    write_sweep_csv,
    write_sweep_json,
)
from tests.io.model_formats.damage import damaged

_NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 3}
_GRID: dict[str, list[Any]] = {
    "network.cell": ["gru", "lstm", "rnn_tanh"],
    "network.hidden_size": [1, 2, 40],
    "sequence.timesteps": [1, 10**9],
    "sequence.path": ["x.npy", "../y.csv"],
    "parameters.scale": [0.1, 1e300],
    "compare.reference": ["manual", "gluon", "./mine.py"],
    "initial_state.source": ["zeros", "normal", "file"],
}
_ODD: tuple[Any, ...] = (
    True, -1, 0, 1.5, 10**30, float("nan"), "", "x", "\x1b[2J", "\n", "é", "a.b", [], {}, [[]], [1, 1], [1, 1.0],
    {"a": [1]}, "trace:#", "x" * 3_000, list(range(60)),
)  # fmt: skip
_BASES = (
    "base.toml",
    "base.toml",
    "./base.toml",
    "none.toml",
    ".",
    "",
    "base.toml/x",
    "\0",
    "b" * 300,
    3,
    [],
    "../base",
)


def sweep(chance: Random, folder: Path) -> bytes:
    """A sweep, and sometimes the config that it starts from."""
    keys = chance.sample(sorted(_GRID), chance.randrange(4))
    grid: dict[str, Any] = {key: chance.sample(_GRID[key], chance.randrange(1, len(_GRID[key]) + 1)) for key in keys}
    values: dict[str, Any] = {"network": dict(_NETWORK), "grid": grid}
    values |= {"engines": ["manual", "bug:no-h2h-bias", "./mine.py"][: chance.randrange(1, 4)]}
    if chance.random() < 0.5:
        values["seeds"] = chance.sample(range(9), chance.randrange(1, 5))
    if chance.random() < 0.3:
        values |= {"audit": "off", "compare": {"reference": "manual"}}
    if chance.random() < 0.3:
        _write_base(values, chance, folder)
    for _ in range(chance.choice([0, 0, 1, 2])):
        change_value(values, chance, _ODD, _KEYS)
    content = tomli_w.dumps(values).encode()
    if chance.random() < 0.2:
        content = content.replace(b'"network.', b"network.").replace(b'_size"', b"_size")
    return damaged(content, chance) if chance.random() < 0.25 else content


def results_csv(chance: Random, folder: Path) -> bytes:
    """A table of rows as the program writes it, with some of its cells, or of its bytes, changed."""
    path = folder / "written"
    write_sweep_csv(_table(chance), path)
    content = path.read_bytes()
    path.unlink()
    if chance.random() < 0.4:
        rows = [line.split(b",") for line in content.split(b"\n")]
        for _ in range(chance.choice([1, 2])):
            cells = chance.choice(rows)
            cells[chance.randrange(len(cells))] = str(chance.choice(_ODD)).encode()
        content = b"\n".join(b",".join(cells) for cells in rows)
    return damaged(content, chance) if chance.random() < 0.3 else content


def results_json(chance: Random, folder: Path) -> bytes:
    path = folder / "written"
    write_sweep_json(_table(chance), path)
    values = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    for _ in range(chance.choice([0, 1, 1, 2])):
        change_value(values, chance, _ODD, _KEYS)
    text = json.dumps(values) if chance.random() < 0.95 else "[" * chance.choice([10, 100_000])
    return damaged(text.encode(), chance) if chance.random() < 0.2 else text.encode()


def _write_base(values: dict[str, Any], chance: Random, folder: Path) -> None:
    values["base"] = chance.choice(_BASES)
    network = values.pop("network")
    if chance.random() < 0.3:
        values["network"] = {"hidden_size": 5}
    base = tomli_w.dumps({"network": network, "sequence": {"timesteps": 3}}).encode()
    (folder / "base.toml").write_bytes(damaged(base, chance) if chance.random() < 0.3 else base)


def change_value(tables: Any, chance: Random, odd: Sequence[Any], keys: Sequence[str] = ()) -> None:
    """An odd value in one place of a tree of tables and lists, or under one more of the keys."""
    while True:
        places = list(tables) if isinstance(tables, dict) else list(range(len(tables)))
        if not places:
            return
        place = chance.choice(places)
        if keys and isinstance(tables, dict) and chance.random() < 0.1:
            place = chance.choice(keys)
        elif isinstance(tables[place], dict | list) and chance.random() < 0.8:
            tables = tables[place]
            continue
        tables[place] = deepcopy(chance.choice(odd))
        return


_KEYS = ("x", "grid", "a.b", "\x1b", "network.none", "n" * 3_000)


def _table(chance: Random) -> SweepTable:
    drawn = Sweep.from_mapping(
        {
            "network": _NETWORK,
            "grid": {"network.hidden_size": [1, 2], "network.cell": ["gru", "lstm"]},
            "seeds": [0, 1][: chance.randrange(1, 3)],
            "engines": ["manual", "onnx"],
        }
    )
    rows = (SweepRow(point, _finding(chance)) for point in drawn.points() if chance.random() < 0.8)
    return SweepTable(drawn.keys, tuple(rows))


def _finding(chance: Random) -> SweepResult:
    numbers = [chance.choice([None, 0.0, 1e-9, 3.0, float("inf"), float("nan")]) for _ in range(3)]
    wrong = FirstWrong("manual", Location(1, 1, 2, 0, 3)) if chance.random() < 0.5 else None
    return SweepResult(chance.choice(ROW_VERDICTS), chance.choice(["", "It failed."]), *numbers, wrong, {"manual": 0.5})
