"""The results of a run as JSON."""

import json
from pathlib import Path
from typing import Any

from rnnviz.io.config_toml import as_in_session
from rnnviz.io.outputs import atomic_write
from rnnviz.results.summary import Commands, no_commands, run_summary, to_json
from rnnviz.verify.result import RunResult


def summary(result: RunResult, commands: Commands = no_commands) -> dict[str, Any]:
    """The figures of a run by their JSON keys."""
    found: dict[str, Any] = to_json(run_summary(result, commands))
    return found


def json_text(result: RunResult, commands: Commands = no_commands) -> str:
    """`summary` as JSON text; it holds no bare NaN, which JSON does not know."""
    return as_in_session(json.dumps(summary(result, commands), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def write_json(result: RunResult, path: Path, commands: Commands = no_commands) -> None:
    """Write `summary` as JSON text."""
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(result, commands), encoding="utf-8", errors="backslashreplace")
