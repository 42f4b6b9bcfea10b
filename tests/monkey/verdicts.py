"""Whether what the window found is what the command line finds of the same config."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rnnviz.analysis.result import RunResult
from rnnviz.files.config_toml import dump_config
from rnnviz.files.summary import json_text
from rnnviz.model.config import Config
from rnnviz.model.engine_names import is_own

_AT_ONCE = 2
_LONGEST_SECONDS = 300
_PLACE = ("layer", "direction", "timestep", "sample", "unit")


class Verdicts:
    """Keeps what each config came to in the window."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: dict[str, dict[str, Any]] = {}
        self.runs = 0

    def add(self, result: RunResult, config: Config) -> None:
        """Remember a finished run, unless it computes with code of the user's, which must be named to be run."""
        self.runs += 1
        if any(is_own(name) for name in config.compare.engines):
            return
        self.found[dump_config(config, self._folder)] = judged(json.loads(json_text(result)))

    def wrong(self, most: int) -> Iterator[str]:
        """A sentence for each config of which the command line says something else."""
        configs = list(self.found)[:most]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for text, said in zip(configs, pool.map(self._ask, range(len(configs)), configs), strict=True):
                if said != self.found[text]:
                    yield f"The window found {self.found[text]}, the command line {said} for this config:\n{text}"

    def _ask(self, number: int, text: str) -> dict[str, Any] | str:
        path = self._folder / f"config-{number}.toml"
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "rnnviz", "run", str(path), "--json", "-", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST_SECONDS)
        if done.returncode not in (0, 1):
            return f"ended with {done.returncode}: {done.stderr.strip()}"
        return judged(json.loads(done.stdout))


def judged(summary: dict[str, Any]) -> dict[str, Any]:
    """What a summary says that two runs of one config must have in common, whatever the machine does beside them."""
    first = summary["first_mismatch"]
    found = {key: summary[key] for key in ("verdict", "reference", "candidate", "elements", "mismatched", "nonfinite")}
    found["first_mismatch"] = None if first is None else {key: first[key] for key in _PLACE}
    found["checks"] = [(check["name"], check["engine"], check["holds"]) for check in summary["checks"]]
    found["audit"] = {engine: audit["verdict"] for engine, audit in summary["audit"].items()}
    found["comparisons"] = [judged(one) for one in summary.get("comparisons", ())]
    return found
