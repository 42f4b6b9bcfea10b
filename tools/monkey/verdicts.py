"""Whether what the window found is what the command line finds of the same config."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnviz.cells import CELLS
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_own
from rnnviz.io.config_toml import dump_config
from rnnviz.io.export.data import json_text
from rnnviz.io.session import paths_in
from rnnviz.verify.result import RunResult
from tools.monkey.command_line import CommandLine

_PLACE = ("layer", "direction", "timestep", "sample", "unit")

Judged = dict[str, Any]
State = tuple[tuple[str, float, int], ...]
"""The paths that a config names, with when each was written last, and its size."""


@dataclass(frozen=True)
class _Asked:
    """A config, its result in the window, and that of the command line."""

    text: str
    found: Judged
    answer: "Future[Judged | str | None]"


class Verdicts:
    """Has the command line repeat every config at once, in parallel, as its files may change later.

    Each config is repeated once for each state of its files. `changed` counts those whose files were written meanwhile,
    so that the two runs say nothing of each other.
    """

    def __init__(self, folder: Path, most: int) -> None:
        """`folder` takes the configs; no more than `most` are repeated."""
        self._folder, self._most = folder, most
        self._command_line = CommandLine()
        self._pool = ThreadPoolExecutor(1)
        self._asked: dict[tuple[str, State], _Asked] = {}
        self._again: list[_Asked] = []
        self.runs = self.changed = 0

    @property
    def configs(self) -> int:
        """How many were repeated, and could be compared."""
        return len(self._asked) - self.changed

    def add(self, result: RunResult, config: Config) -> None:
        """Take a finished run; what the window may run of the user's, the command line may run as well."""
        self.runs += 1
        text, state, found = dump_config(config, self._folder), _state(config), evaluated(json.loads(json_text(result)))
        asked = self._asked.get((text, state))
        if asked is None and len(self._asked) < self._most:
            answer = self._pool.submit(self._ask, len(self._asked), text, config, state)
            self._asked[text, state] = _Asked(text, found, answer)
        elif asked is not None and asked.found != found:
            self._again.append(_Asked(text, found, asked.answer))

    def wrong(self) -> Iterator[str]:
        """Wait for the answers; a sentence for each run of which the command line says something else."""
        for asked in [*self._asked.values(), *self._again]:
            said = asked.answer.result()
            if said is None:
                self.changed += 1
            elif said != asked.found:
                yield f"The window found {asked.found}, the command line {said} for this config:\n{asked.text}"
        self._pool.shutdown()
        self._command_line.close()

    def _ask(self, number: int, text: str, config: Config, state: State) -> Judged | str | None:
        path = self._folder / f"config-{number}.toml"
        path.write_text(text, encoding="utf-8")
        words = ["run", str(path), "--json", "-", "--quiet"]
        if any(is_own(name) for name in config.compare.engines):
            # Code of the user's runs only where it is named here.
            words += ["--engines", ",".join(config.compare.engines)]
        if config.network.cell not in CELLS:
            words += ["--cell", config.network.cell]
        code, out, err = self._command_line.answer(*words)
        if _state(config) != state:
            return None
        return evaluated(json.loads(out)) if code in (0, 1) else f"ended with {code}: {err.strip()}"


def evaluated(summary: Judged) -> Judged:
    """The part of a summary that two runs of one config have in common at any load of the machine."""
    first = summary["first_mismatch"]
    found = {key: summary[key] for key in ("verdict", "reference", "candidate", "elements", "mismatched", "nonfinite")}
    found["first_mismatch"] = None if first is None else {key: first[key] for key in _PLACE}
    found["checks"] = [(check["name"], check["engine"], check["holds"]) for check in summary["checks"]]
    found["audit"] = {engine: audit["verdict"] for engine, audit in summary["audit"].items()}
    found["comparisons"] = [evaluated(one) for one in summary.get("comparisons", ())]
    return found


def _state(config: Config) -> State:
    found = []
    for name in paths_in(config):
        path = Path(name)
        for file in (path, *sorted(path.iterdir())) if path.is_dir() else (path,):
            known = file.stat() if file.exists() else None
            found.append((str(file), known.st_mtime if known else 0.0, known.st_size if known else -1))
    return tuple(found)
