"""Test vectors as files: folders as a port reads and writes them, archives, node tests of ONNX, and arrays in C."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.port.protocol import port_name, write_inputs
from rnnviz.engines.registry import ENGINES
from rnnviz.io.outputs import write_text
from rnnviz.ports import files
from rnnviz.ports.vectors import Coverage, VectorCase, ladder

COVERAGE = "coverage.json"
TABLE = "README.md"


def write_ladder(config: Config, folder: Path, form: str) -> tuple[dict[str, Any], list[str]]:
    """Choose the cases of a config's cell and write them; returns the content of coverage.json and the names of the
    cases. To be called in a subprocess."""
    cases, coverage = ladder(config)
    return write_vectors(cases, coverage, folder, form)


def write_vectors(
    cases: Sequence[VectorCase], coverage: Coverage, folder: Path, form: str
) -> tuple[dict[str, Any], list[str]]:
    """Write the cases in a form of `FORMATS`, and how well each wrong variant is seen; see `write_ladder`. Raises an
    InputError for a network that the form cannot hold."""
    folder.mkdir(parents=True, exist_ok=True)
    written = FORMATS[form](cases, folder)
    content: dict[str, Any] = {
        "bugs": {name: {"case": seen.case, "ratio": _finite(seen.ratio)} for name, seen in coverage.bugs.items()},
        "undetected": list(coverage.undetected),
        "equivalent": list(coverage.equivalent),
    }
    write_text(folder / COVERAGE, json.dumps(content, indent=2) + "\n")
    write_text(folder / TABLE, _table(cases, coverage))
    return content, written


def _finite(ratio: float) -> float:
    return min(round(ratio, 1), 1e300)


def _table(cases: Sequence[VectorCase], coverage: Coverage) -> str:
    lines = [
        "# Test vectors",
        "",
        f"{len(coverage.bugs)} wrong variants, {len(coverage.undetected)} of them unseen.",
        "",
    ]
    lines += ["| case | T | N | I | H | layers | directions | wrong variants | least bounds |", "|" + " --- |" * 9]
    for case in cases:
        network = case.inputs.network
        sizes = case.inputs.timesteps, case.inputs.batch_size, network.input_size, network.hidden_size
        least = min(case.ratios.values(), default=0.0)
        row = case.name, *sizes, network.num_layers, network.directions, len(case.ratios), f"{least:.0f}"
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines) + "\n"


def expected_of(inputs: Inputs) -> tuple[dict[str, FloatArray], FloatArray]:
    """The arrays that a port has to give by their names in OUT, and eight rounding bounds of each step of h."""
    right = files.right_steps(inputs)
    return _outputs(right.trace), 8.0 * right.bound


def _outputs(trace: Trace) -> dict[str, FloatArray]:
    names = {"state.h": "state", "state.c": "cell_state"}
    return {names.get(name, name): array for name, array in trace.items()}


def _folders(cases: Sequence[VectorCase], folder: Path) -> list[str]:
    for case in cases:
        place = folder / case.name
        shutil.rmtree(place, ignore_errors=True)
        write_inputs(case.inputs, place / "in")
        arrays, bound = expected_of(case.inputs)
        for part, written in (("expected", arrays), ("bound", {"h": bound})):
            (place / part).mkdir()
            for name, array in written.items():
                kind = np.dtype(case.inputs.network.dtype).newbyteorder("<")
                (place / part / f"{name}.bin").write_bytes(np.ascontiguousarray(array, kind).tobytes())
    return [case.name for case in cases]


def _archives(cases: Sequence[VectorCase], folder: Path) -> list[str]:
    for case in cases:
        inputs = case.inputs
        arrays, bound = expected_of(inputs)
        content = {"input": inputs.sequence, "bound.h": bound}
        content |= {f"{symbol}0": array for symbol, array in inputs.initial_state.items()}
        content |= {port_name(inputs.network, name): array for name, array in inputs.parameters.items()}
        content |= {f"expected.{name}": array for name, array in arrays.items()}
        if inputs.lengths:
            content["lengths"] = np.array(inputs.lengths, np.int32)
        np.savez(folder / f"{case.name}.npz", **content)
    return [case.name for case in cases]


def _onnx(cases: Sequence[VectorCase], folder: Path) -> list[str]:
    """One node a case, as ONNX's own node tests; a case of several layers has no node."""
    entry = ENGINES["onnx"]
    reason = entry.unavailable or entry.unsupported_reason(cases[0].inputs.network)
    if reason is not None:
        raise InputError(f"--format onnx: {reason}")
    from rnnviz.engines.onnx import write_node_test

    single = [case for case in cases if case.inputs.network.num_layers == 1]
    for case in single:
        arrays, _ = expected_of(case.inputs)
        try:
            write_node_test(case.inputs, arrays, folder / f"test_{case.name.replace('-', '_')}")
        except EngineError as error:
            raise InputError(str(error)) from error
    return [case.name for case in single]


def _c(cases: Sequence[VectorCase], folder: Path) -> list[str]:
    """A test for each case that calls rnnport_step, and one that runs all of them."""
    symbols = cases[0].inputs.network.kind.state_symbols
    if not set(symbols) <= {"h", "c"}:
        raise InputError(f"--format c: rnnport_step has the states h and c, but the cell has {', '.join(symbols)}.")
    names = [case.name.replace("-", "_") for case in cases]
    for case, name in zip(cases, names, strict=True):
        text = files.c_test(case.inputs)
        write_text(folder / f"vector_{name}.c", text.replace("int main(void)", f"int vector_{name}(void)"))
    write_text(folder / "rnnport.h", files.header())
    declared = "".join(f"int vector_{name}(void);\n" for name in names)
    calls = "".join(
        f'    failed += run("{case.name}", vector_{name});\n' for case, name in zip(cases, names, strict=True)
    )
    write_text(folder / "vectors.c", _VECTORS_C.format(declared=declared, calls=calls))
    return [case.name for case in cases]


_VECTORS_C = """/* Every case: cc vectors.c vector_*.c port.c -lm -o vectors && ./vectors */
#include <stdio.h>
#define SKIP 77 /* rnnport_step does not compute these sizes */
{declared}
static int run(const char *name, int (*vector)(void)) {{
    int code;
    printf("%s: ", name);
    fflush(stdout);
    code = vector();
    return code != 0 && code != SKIP;
}}

int main(void) {{
    int failed = 0;
{calls}    return failed != 0;
}}
"""

FORMATS: dict[str, Callable[[Sequence[VectorCase], Path], list[str]]] = {
    "folder": _folders,
    "npz": _archives,
    "onnx": _onnx,
    "c": _c,
}
"""The forms of test vectors."""
