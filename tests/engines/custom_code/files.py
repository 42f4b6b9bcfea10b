"""Files of custom steps, and their use as engines, in a process and without one."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import LINE, Trace, create_trace
from rnnviz.engines.base import EngineReport, run_stack
from rnnviz.engines.custom_code.custom_step import CustomCodeError, CustomStep
from rnnviz.engines.custom_code.parent import CustomEngine
from tests.oracles.computed import empty_trace

SIZES = {"hidden_size": 4, "num_layers": 2, "bidirectional": True}

IMPATIENT = (
    "import sys; from rnnviz.engines.custom_code import worker; worker.STEP_SECONDS = worker._OUTSIDE_SECONDS = 0.4; "
    "sys.exit(worker.main(sys.argv[1:]))"
)
"""The program of a process for which half a second counts as endless."""


def written(folder: Path, code: str, name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def new_trace(inputs: Inputs, folder: Path) -> Trace:
    names = inputs.network.kind.state_symbols
    return create_trace(folder, "mine", inputs.network, inputs.places, names)


def run(path: Path, inputs: Inputs, trace_folder: Path) -> tuple[Trace, EngineReport]:
    """The file as an engine, in a process, as a run has it."""
    trace = new_trace(inputs, trace_folder)
    return trace, CustomEngine(str(path)).run(inputs, trace, lambda done: None)


def sentence_of(path: Path, inputs: Inputs, trace_folder: Path) -> str:
    """The error of the engine, without the path of the file."""
    with pytest.raises(EngineError) as caught:
        run(path, inputs, trace_folder)
    return without_path(str(caught.value), path)


def without_path(sentence: str, path: Path) -> str:
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence.removeprefix(str(path))


def computed(inputs: Inputs, path: Path) -> Trace:
    """The trace of a custom step with its returned lines, in this process."""
    lines: dict[str, FloatArray | None] = {}
    trace = empty_trace(inputs, cell="c" in inputs.network.kind.state_symbols)

    def add_line(name: str, units: int) -> FloatArray:
        lines[f"{LINE}{name}"] = array = np.full((*trace.shape[:4], units), np.nan, trace.hidden.dtype)
        return array

    run_stack(inputs, trace, CustomStep(path, add_line=add_line).run_layer, lambda done: None)
    return trace.with_arrays(lines)


def refusal(inputs: Inputs, path: Path) -> str:
    """The error of a custom step in this process, without the path of the file."""
    with pytest.raises(CustomCodeError) as caught:
        computed(inputs, path)
    return without_path(str(caught.value), path)
