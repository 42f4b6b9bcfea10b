"""The command line called in this process, and small configs to call it with."""

import json
from pathlib import Path
from typing import Any

import pytest

from rnnviz.cli import main

WRONG = "manual,bug:no-h2h-bias"
"""Two engines that disagree; neither needs MXNet."""
DISAGREEING = {"reference": "manual", "candidates": ["bug:no-h2h-bias"]}
"""The same in a config."""
DETECTABLE = {
    "sequence": {"timesteps": 4, "batch_size": 3},
    "parameters": {"initializer": "normal", "scale": 0.4},
    "initial_state": {"source": "normal"},
}
"""Tables of a config in which every known bug changes numbers."""


def toml(value: Any) -> str:
    return json.dumps(value)


def write(folder: Path, name: str = "config.toml", /, **tables: dict[str, Any]) -> Path:
    """A config file with the given keys and the required ones."""
    tables["network"] = {"cell": "lstm", "input_size": 3, "hidden_size": 4} | tables.get("network", {})
    text = ""
    for table, keys in tables.items():
        text += f"[{table}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class Called:
    """The command line called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Answer:
        code = main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def refused(self, *words: str | Path, code: int = 2) -> str:
        """The sentence of a call that fails: one line on standard error, nothing on standard output."""
        answer = self(*words)
        assert answer.code == code, answer.err
        assert answer.out == ""
        assert answer.err.startswith("rnnviz: ")
        assert answer.err.endswith((".\n", "?\n"))
        assert answer.err.count("\n") == 1
        return answer.err.removeprefix("rnnviz: ").strip()
