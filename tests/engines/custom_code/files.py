"""Files of custom steps, and their use as engines."""

from pathlib import Path

import pytest

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, create_trace
from rnnviz.engines.base import EngineReport
from rnnviz.engines.custom_code.parent import CustomEngine

SIZES = {"hidden_size": 4, "num_layers": 2, "bidirectional": True}


def written(folder: Path, code: str, name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def run(path: Path, inputs: Inputs, trace_folder: Path) -> tuple[Trace, EngineReport]:
    """The file as an engine, in its own process, as a run has it."""
    names = ("h", "c") if CustomEngine.provides_cell_state else ("h",)
    trace = create_trace(trace_folder, str(path), inputs.network, inputs.places, names)
    return trace, CustomEngine(str(path)).run(inputs, trace, lambda done: None)


def sentence_of(path: Path, inputs: Inputs, trace_folder: Path) -> str:
    with pytest.raises(EngineError) as caught:
        run(path, inputs, trace_folder)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence.removeprefix(str(path))
