"""Custom cells with further states, a projection, and activations that a config changes, against plain loops."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.cli import main
from tests.cases import cases
from tests.cli.calls import write
from tests.io.export.notebook.running import code_of, run_as_is
from tests.needs import missing

pytestmark = pytest.mark.usefixtures("shared_worker")

Arrays = dict[str, NDArray[Any]]

ENGINES = [name for name, package in (("gluon", "mxnet"), ("torch", "torch")) if not missing(package)]

CELLS = cases(__file__)["cells"]


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    return 1.0 / (1.0 + np.exp(-x))


def three_states(p: Arrays, x: NDArray[Any], s: Arrays, candidate: Any = np.tanh) -> Arrays:
    f, g = np.split(x @ p["i2h_weight"].T + p["i2h_bias"] + s["h"] @ p["h2h_weight"].T + p["h2h_bias"], 2, axis=-1)
    f, g = sigmoid(f), candidate(g + p["m2g_weight"] * s["m"])
    c = f * s["c"] + (1.0 - f) * g
    m = 0.75 * s["m"] + 0.25 * c
    return {"h": np.tanh(c - m), "c": c, "m": m}


def projected(p: Arrays, x: NDArray[Any], s: Arrays) -> Arrays:
    f, g = np.split(x @ p["i2h_weight"].T + p["i2h_bias"] + s["h"] @ p["h2h_weight"].T + p["h2h_bias"], 2, axis=-1)
    f = sigmoid(f)
    inner = f * s["s"] + (1.0 - f) * np.tanh(g)
    q = 0.5 * s["q"] + 0.5 * inner @ p["s2h_weight"].T
    return {"h": np.tanh(inner @ p["s2h_weight"].T + q), "s": inner, "q": q}


STEPS = {"three_states": three_states, "projected": projected}


def series(arrays: Arrays, step: Callable[..., Arrays], **options: Any) -> dict[str, NDArray[np.float64]]:
    """Each state (L, D, T, N, H) of two layers in two directions, in float64."""
    given = {name: array.astype(np.float64) for name, array in arrays.items() if array.dtype.kind == "f"}
    x, found = given["input"], []
    for layer in range(2):
        lanes = []
        for direction in range(2):
            prefix = f"parameters.{'lr'[direction]}{layer}_"
            p = {n.removeprefix(prefix): a for n, a in given.items() if n.startswith(prefix)}
            states = (n.removeprefix("initial_state.") for n in given if n.startswith("initial_state."))
            state = {s: given[f"initial_state.{s}"][2 * layer + direction] for s in states}
            steps: list[Mapping[str, Any]] = []
            for row in x[::-1] if direction else x:
                state = step(p, row, state, **options)
                steps.append(state)
            steps = steps[::-1] if direction else steps
            lanes.append({name: np.array([step[name] for step in steps]) for name in state})
        found.append(lanes)
        x = np.concatenate([lane["h"] for lane in lanes], axis=-1)
    return {name: np.array([[lane[name] for lane in lanes] for lanes in found]) for name in found[0][0]}


def config_of(folder: Path, cell: str, **network: Any) -> tuple[Path, Path]:
    """The config of a network of a cell, and the cell's file."""
    file = folder / f"{cell}.py"
    file.write_text(CELLS[cell], encoding="utf-8")
    sizes = {"num_layers": 2, "bidirectional": True} | ({"projection_size": 3} if cell == "projected" else {})
    compare = {"reference": "manual", "candidates": ENGINES or ["bug:no-i2h-bias"]}
    config = write(
        folder,
        network={"cell": f"./{file.name}"} | sizes | network,
        sequence={"timesteps": 5, "batch_size": 2},
        initial_state={"source": "normal"},
        compare=compare,
    )
    return config, file


def run(config: Path, file: Path, *words: str) -> Arrays:
    output = config.parent / "run.npz"
    files = ["--npz", str(output), "--json", str(config.parent / "run.json")]
    assert main(["run", str(config), "--cell", str(file), "--quiet", *files, *words]) == (0 if ENGINES else 1)
    with np.load(output) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, shared_worker):
    @cache
    def of(cell):
        folder = tmp_path_factory.mktemp(cell)
        config, file = config_of(folder, cell)
        files = ["--csv", str(folder / "run.csv"), "--notebook", str(folder / "run.ipynb")]
        return config, run(config, file, "--audit", "full", "--gates", *files)

    return of


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_every_engine_computes_every_state(cell, whole_run):
    config, arrays = whole_run(cell)
    for name, expected in series(arrays, STEPS[cell]).items():
        stored = {"h": "hidden", "c": "cell"}.get(name, name)
        for engine in ("manual", *ENGINES):
            np.testing.assert_allclose(arrays[f"{engine}.{stored}"], expected, rtol=0.0, atol=1e-5, err_msg=name)
        if name != "h":
            np.testing.assert_allclose(arrays[f"manual.gate.{name}"], expected, rtol=0.0, atol=1e-5)
    found = json.loads((config.parent / "run.json").read_text(encoding="utf-8"))
    assert {audit["verdict"] for audit in found["audit"].values()} == {"right"} or not ENGINES


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_the_notebook_computes_the_run(cell, whole_run):
    config, arrays = whole_run(cell)
    variables, _ = run_as_is(code_of(config.parent / "run.ipynb"))
    np.testing.assert_allclose(variables["out_numpy"], arrays["manual.output"], rtol=0.0, atol=1e-5)


@pytest.mark.slow
def test_a_config_changes_the_activations(tmp_path):
    config, file = config_of(tmp_path, "three_states", activations=["sigmoid", "relu"])
    arrays = run(config, file)
    expected = series(arrays, three_states, candidate=lambda v: np.maximum(v, 0.0))["h"]
    assert np.abs(expected - series(arrays, three_states)["h"]).max() > 1e-3
    for engine in ("manual", *ENGINES):
        np.testing.assert_allclose(arrays[f"{engine}.hidden"], expected, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("bug", ["state-not-carried", pytest.param("no-h2h-bias", marks=pytest.mark.slow)])
def test_a_known_bug_is_its_likely_cause(bug, rnnviz, tmp_path):
    config, file = config_of(tmp_path, "three_states")
    answer = rnnviz("run", config, "--cell", file, "--engines", f"manual,bug:{bug}", "--json", "-")
    assert answer.code == 1, answer.err
    assert bug in json.dumps(json.loads(answer.out)["diagnosis"])


def test_a_recording_has_the_further_states(rnnviz, whole_run):
    config, _ = whole_run("three_states")
    recording = f"recording:{config.parent / 'run.npz'}#manual"
    file = config.parent / "three_states.py"
    answer = rnnviz("run", config, "--cell", file, "--engines", f"manual,{recording}", "--json", "-")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["verdict"] == "agree"
    assert "m" in found["arrays"]
