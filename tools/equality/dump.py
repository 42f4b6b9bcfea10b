"""Write digests of all that drawn runs give: python -m tools.equality.dump COUNT FILE.

Each config follows from its number alone. Times and folders are left out, so that two dumps of the same code are equal.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import rnnviz
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import open_inputs
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.execution.events import RunRequest, open_traces
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.explain.explanation import explain
from rnnviz.explain.report import report, to_json
from rnnviz.io.export.data import npz_arrays, summary, write_csv
from rnnviz.io.export.interactive_page import page_html
from rnnviz.io.export.notebook import write_notebook
from rnnviz.io.export.report import report_html
from rnnviz.io.inputs import load_inputs
from rnnviz.text.verdict_text import run_in_words
from rnnviz.verify.result import RunResult

CELLS = (
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_peephole", "lstm_coupled", "lstm_coupled_peephole"),
    "gru_reset_before",
)
STEP = """import numpy as np


def step(x, state, p):
    a = x @ p.i2h_weight.T + p.i2h_bias + state[0] @ p.h2h_weight.T + p.h2h_bias
    return (np.tanh(a) * (1 + {change}),)
"""
RECORDING = "recording:recording.npz"


def draw(number: int) -> tuple[str, Random]:
    """The text of the config of that number, and what draws the rest."""
    random = Random(number)
    kind = random.choices(["network", "bug", "recording", "saturated", "drift", "custom"], [30, 40, 16, 5, 4, 5])[0]
    cell = "rnn_tanh" if kind == "custom" else random.choice(CELLS)
    both = random.random() < 0.5
    samples, timesteps = random.randint(1, 4), 300 if kind == "drift" else random.randint(1, 9)
    lengths = [timesteps, *(random.randint(1, timesteps) for _ in range(samples - 1))]
    hidden = random.randint(2, 6)
    backward = random.random() < 0.7 and kind not in ("drift", "custom")
    candidates = {"recording": [RECORDING], "custom": ["./step.py"]}.get(kind, [])
    reverse = not both and random.random() < 0.3
    scale = 200.0 if kind == "saturated" else 1.6 if kind == "drift" else random.choice([0.3, 0.8, 4.0])
    lines = [
        "[network]",
        f'cell = "{cell}"',
        f"input_size = {random.randint(1, 5)}",
        f"hidden_size = {hidden}",
        f"num_layers = {random.randint(1, 3)}",
        f"bidirectional = {str(both).lower()}",
        f"reverse = {str(reverse).lower()}",
        f'layout = "{random.choice(["NTC", "TNC"])}"',
        f'dtype = "{random.choice(["float32", "float64"])}"',
        f"projection_size = {hidden - 1}" if cell == "lstm" and random.random() < 0.3 else "",
        "clip = 0.7" if cell == "lstm" and random.random() < 0.2 else "",
        "[sequence]",
        f'source = "{random.choice(["normal", "uniform"])}"',
        f"batch_size = {samples}",
        f"timesteps = {timesteps}",
        f"seed = {random.randrange(1000)}",
        f"lengths = {lengths}" if random.random() < 0.5 and kind != "custom" else "",
        "[parameters]",
        f'initializer = "{random.choice(["normal", "uniform"])}"',
        f'bias = "{random.choice(["uniform", "zeros"])}"',
        f"scale = {scale}",
        "[initial_state]",
        f'source = "{random.choice(["normal", "zeros"])}"',
        "[compare]",
        'reference = "manual"',
        f"candidates = {json.dumps(candidates)}",
        "[backward]",
        f"enabled = {str(backward).lower()}",
        f'loss = "{random.choice(["sum", "normal"])}"',
        f"truncate = {random.randint(1, timesteps)}" if backward and random.random() < 0.2 else "",
    ]
    text = "\n".join(line for line in lines if line)
    if kind == "bug":
        network = rnnviz.Config.from_mapping(tomllib.loads(text)).network
        bugs = [bug.engine for bug in known_bugs_of(network) if backward or not bug.of_gradients]
        text = text.replace(
            "candidates = []", f"candidates = {json.dumps(random.sample(bugs, random.choice([1, 1, 2])))}"
        )
    return text, random


def digests(number: int, folder: Path) -> dict[str, str]:
    """All that the run of a config writes, each text and array as its digest."""
    text, random = draw(number)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    os.chdir(folder)
    if RECORDING in text:
        _record(text, folder, random)
    if "./step.py" in text:
        (folder / "step.py").write_text(STEP.format(change=random.choice(["0.0", "1e-3"])), encoding="utf-8")
        os.utime(folder / "step.py", (1e9, 1e9))
    config = rnnviz.load_config(folder / "config.toml")
    request = RunRequest(config, load_inputs, random.choice(["auto", "full"]), frozenset(config.compare.engines))
    run = folder / "run"
    run.mkdir()
    outcome = compute(request, run, lambda *_: None)
    judgment = judge_computed(request, run, outcome, lambda *_: None)
    found = {key: value for key, value in vars(outcome).items() if key != "config"}
    found["seconds"] = dict.fromkeys(outcome.seconds, 0.0)
    found["checks"] = outcome.checks + judgment.checks
    inputs = replace(open_inputs(run / "inputs"), config=outcome.config)
    result = RunResult(1, inputs, traces=open_traces(run), folder=run, judgment=judgment, **found)
    return {
        name.replace(str(folder), "FOLDER"): _clean(value, folder) for name, value in _written(result, folder, random)
    }


def _written(result: RunResult, folder: Path, random: Random) -> Iterator[tuple[str, str | bytes]]:
    yield from _flat("json", summary(result))
    for name, array in npz_arrays(result).items():
        yield (
            f"npz.{name}",
            str(array) if array.dtype.kind in "US" else f"{array.shape}{array.dtype}".encode() + array.tobytes(),
        )
    for gates in (False, True):
        write_csv(result, folder / "out.csv", gates=gates)
        yield f"csv.{gates}", (folder / "out.csv").read_bytes()
    when = datetime(2026, 1, 1)
    yield "report", report_html(result, [], when)
    # Its script may be written in another way, and has a test of its own.
    yield "page", re.sub(r"<script>.*?</script>|sha256-[\w+/=]+", "", page_html(result, when), flags=re.DOTALL)
    try:
        write_notebook(result, folder / "out.ipynb")
        yield "notebook", (folder / "out.ipynb").read_bytes()
    except InputError as error:
        yield "notebook", str(error)
    yield "words", run_in_words(result)
    layers, directions, _, samples, units = result.shape
    for _ in range(4):
        sample = random.randrange(samples)
        timestep = random.randrange(result.inputs.length(sample))
        index = random.randrange(layers), random.randrange(directions), timestep, sample, random.randrange(units)
        at = Location(*index, reverse=result.inputs.network.reverse)
        try:
            value = explain(result, Place.at("h", at))
            yield f"explain {at.short}", json.dumps(to_json(value), ensure_ascii=False) + report(value, 3)
        except InputError as error:
            yield f"explain {at.short}", str(error)
        if result.has_gradients:
            gradients = explain(result, Place.at(gradient("h"), at))
            yield f"gradient {at.short}", json.dumps(to_json(gradients), ensure_ascii=False) + report(gradients, 3)


def _record(text: str, folder: Path, random: Random) -> None:
    """Make the recording that the config compares with: whole, or output and state alone, in some type."""
    config = rnnviz.load_config(folder / "config.toml").with_engines(("manual", "bug:no-h2h-bias"))
    outcome = compute(RunRequest(config, load_inputs), folder / "first", lambda *_: None)
    trace = open_traces(folder / "first")[random.choice(["manual", "bug:no-h2h-bias"])]
    arrays = {"output": trace.output_in(outcome.config.network.layout), "state": trace["state.h"]}
    if random.random() < 0.6:
        arrays["hidden"] = trace.hidden
    dtype = random.choice([None, None, "float16"])
    extra = {"computed_in": np.array("float16")} if dtype and random.random() < 0.5 else {}
    saved = {name: np.asarray(array).astype(dtype or array.dtype) for name, array in arrays.items()}
    np.savez(folder / "recording.npz", **saved, **extra)
    os.utime(folder / "recording.npz", (1e9, 1e9))


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    else:
        yield path, json.dumps(value, ensure_ascii=False, default=str)


def _clean(value: str | bytes, folder: Path) -> str:
    if isinstance(value, bytes):
        value = value.replace(os.fsencode(folder), b"FOLDER")
        return hashlib.sha256(value).hexdigest()[:16]
    value = value.replace(str(folder), "FOLDER")
    return value if len(value) < 40 else hashlib.sha256(value.encode()).hexdigest()[:16]


def main(count: int, target: Path) -> None:
    """Dump the first `count` configs to a file."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found: dict[str, dict[str, str]] = {}
    target = target.absolute()
    for number in range(count):
        folder = Path(tempfile.gettempdir()) / "rnnviz-equality"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            found[str(number)] = digests(number, folder)
        except Exception as error:  # noqa: BLE001 (an error is a result like others: the same one before and after)
            found[str(number)] = {"error": f"{type(error).__name__}: {error}".replace(str(folder), "FOLDER")}
    target.write_text(json.dumps(found, indent=0, ensure_ascii=False), encoding="utf-8")
    errors = [entries["error"] for entries in found.values() if "error" in entries]
    print(f"{count} configs, {sum(map(len, found.values()))} entries, {len(errors)} errors", *errors[:5], sep="\n  ")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
