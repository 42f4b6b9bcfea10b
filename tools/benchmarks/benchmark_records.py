"""A run of the benchmarks as a file: its rows, the machine, the versions and the date."""

import json
import math
import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from rnnviz.io.outputs import atomic_write
from tools.benchmarks.rows import Row, Table

_PACKAGES = ("rnnviz", "numpy", "mxnet", "PySide6-Essentials", "pyqtgraph")


@dataclass(frozen=True)
class Recorded:
    """The content of a file of an earlier run."""

    date: str
    commit: str
    quick: bool
    machine: dict[str, Any]
    rows: tuple[Row, ...]


def write_run(table: Table, path: Path, *, quick: bool) -> Path:
    """Write the table as JSON and return the path; a figure that is not finite becomes null."""
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "quick": quick,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions()},
        "rows": [{**asdict(row), "figure": _finite(row.figure), "passed": row.passed} for row in table.rows],
        "details": table.details,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def read_run(path: Path) -> Recorded:
    """The run that `write_run` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(
        Row(
            row["group"],
            row["what"],
            math.nan if row["figure"] is None else row["figure"],
            row["unit"],
            row["target"],
            row["op"],
            row["note"],
        )
        for row in content["rows"]
    )
    return Recorded(content["date"], content["commit"], content["quick"], content["machine"], rows)


def machine() -> dict[str, Any]:
    """The properties of the machine that the figures depend on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    here = Path(__file__).parent
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(asked, cwd=here, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
