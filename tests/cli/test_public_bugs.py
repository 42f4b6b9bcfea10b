"""Recordings that behave as ports in public bug threads do are named by their cause and place.

Each thread's port is a loop in NumPy that computes in float32, and the user has its hidden values, outputs and states.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from rnnviz.io.config_toml import load_config
from rnnviz.io.inputs import load_inputs
from tests.cli.calls import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_worker")]

Arrays = dict[str, NDArray[np.floating]]
Lane = tuple[int, int]
Hook = Callable[..., Any]

BOTH, TWO = {"bidirectional": True}, {"num_layers": 2}
GRU, REVERSE = {"cell": "gru"}, {"reverse": True}


def sigmoid(v: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1 / (1 + np.exp(-v))


def hard_sigmoid(v: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.clip(v * v.dtype.type(0.2) + v.dtype.type(0.5), 0, 1)


@dataclass(frozen=True)
class Port:
    """A port and how it differs: its parameters, the states at its start, those that a step reads, the layer input, the
    order of the steps, and the lines of the step. Each hook gets the port's lane first, and what is right."""

    parameters: Hook = lambda run, lane, p: p
    start: Hook = lambda run, lane, s: s
    reads: Hook = lambda run, lane, step, states: states[-1]
    layer_input: Hook = lambda run, lane, x: x
    stored: Hook = lambda run, lane, order: order
    gate: Callable[[NDArray[np.floating]], NDArray[np.floating]] = sigmoid
    cut: float = np.inf
    reset_before: bool = False
    again: Callable[[int], bool] = lambda step: False
    from_sample_before: bool = False
    over_batch: bool = False
    skipped: frozenset[int] = frozenset()

    def step(self, cell: str, p: Mapping[str, Any], x: Any, s: Arrays) -> Arrays:
        h, size = s["h"], s["h"].shape[-1]
        u, v = x @ p["i2h_weight"].T + p["i2h_bias"], h @ p["h2h_weight"].T + p["h2h_bias"]
        cut = lambda a: np.clip(a, -self.cut, self.cut)  # noqa: E731
        if cell == "rnn_tanh":
            return {"h": np.tanh(cut(u + v))}
        if cell == "lstm":
            i, f, g, o = np.split(u + v, 4, axis=-1)
            c = self.gate(cut(f)) * s["c"] + self.gate(cut(i)) * np.tanh(cut(g))
            return {"h": self.gate(cut(o)) * np.tanh(c), "c": c}
        r, z = (self.gate(a) for a in np.split((u + v)[..., : 2 * size], 2, axis=-1))
        if self.reset_before:
            hidden = (r * h) @ p["h2h_weight"][2 * size :].T + p["h2h_bias"][2 * size :]
        else:
            hidden = r * v[..., 2 * size :]
        return {"h": (1 - z) * np.tanh(u[..., 2 * size :] + hidden) + z * h}


@dataclass(frozen=True)
class Run:
    """A network with its inputs, run by a port in float32."""

    inputs: Inputs
    port: Port

    def own(self, lane: Lane) -> Arrays:
        return {name: np.array(a, np.float32) for name, a in vars(self.inputs.parameters.layer(*lane)).items()}

    def first(self, lane: Lane) -> Arrays:
        index = lane[0] * self.inputs.network.directions + lane[1]
        return {s: np.array(a[index], np.float32) for s, a in self.inputs.initial_state.items()}

    def save(self, path: Path) -> None:
        """Write what the user has: hidden values, outputs and final states."""
        network = self.inputs.network
        x, layers, finals = np.array(self.inputs.sequence, np.float32), [], []
        for layer in range(network.num_layers):
            lanes = [self.lane((layer, d), x) for d in range(network.directions)]
            layers.append(np.stack([hidden for hidden, _ in lanes]))
            finals += [final for _, final in lanes]
            x = np.concatenate(layers[-1], axis=-1)
        named = {"state": "h", "cell_state": "c"}
        states = {name: np.stack([f[s] for f in finals]) for name, s in named.items() if s in finals[0]}
        np.savez(path, hidden=np.stack(layers), output=x.swapaxes(0, 1), **states)

    def lane(self, lane: Lane, given: NDArray[np.floating]) -> tuple[NDArray[np.floating], Arrays]:
        port, cell = self.port, self.inputs.network.cell
        if lane[0] in port.skipped:
            return given, {"h": given[-1]}
        p = port.parameters(self, lane, self.own(lane))
        order = np.arange(len(given))[:: -1 if self.inputs.network.backward(lane[1]) else 1]
        x = port.layer_input(self, lane, given[order])
        states = [port.start(self, lane, self.first(lane))]
        hidden = np.empty((*given.shape[:2], states[0]["h"].shape[-1]), np.float32)
        stored = port.stored(self, lane, order)
        if port.over_batch:
            return self.exchanged(p, given, states[0])
        calls = [slice(n, n + 1) for n in range(x.shape[1])] if port.from_sample_before else [slice(None)]
        for at in calls:
            # A call of one sample begins with the states after the last call.
            states = [{s: a[: x[0, at].shape[0]] for s, a in states[-1].items()}]
            for step in range(len(x)):
                read = port.reads(self, lane, step, states)
                if step and port.again(step):
                    read = port.step(cell, p, x[step - 1][at], read)
                now = p(step) if callable(p) else p
                states.append(port.step(cell, now, x[step][at], read))
                hidden[stored[step], at] = states[-1]["h"]
        return hidden, {"h": hidden[stored[-1]]} if port.from_sample_before else states[-1]

    def exchanged(self, p: Arrays, x: NDArray[np.floating], start: Arrays) -> tuple[NDArray[np.floating], Arrays]:
        """A recurrence over the samples."""
        state = {s: a[np.arange(len(x)) % a.shape[0]] for s, a in start.items()}
        hidden = np.empty((*x.shape[:2], start["h"].shape[-1]), np.float32)
        for n in range(x.shape[1]):
            state = self.port.step(self.inputs.network.cell, p, x[:, n], state)
            hidden[:, n] = state["h"]
        return hidden, {s: a[: x.shape[1]] for s, a in state.items()}


def blocks(p: Arrays, name: str, order: str, right: str) -> NDArray[np.floating]:
    own = dict(zip(right, np.split(p[name], len(right)), strict=True))
    return np.concatenate([own[gate] for gate in order])


def reordered(order: str, right: str, *names: str, lanes: Callable[[Lane], bool] = lambda lane: True) -> Port:
    def parameters(run: Run, lane: Lane, p: Arrays) -> Arrays:
        return p | {name: blocks(p, name, order, right) for name in names or tuple(p) if lanes(lane)}

    return Port(parameters)


def other_parameters(lanes: Mapping[Lane, Lane]) -> Port:
    return Port(lambda run, lane, p: run.own(lanes.get(lane, lane)))


def zeros(s: Arrays, *names: str) -> Arrays:
    return s | {name: 0 * s[name] for name in names or tuple(s)}


def lost(every: int, *names: str, to_start: bool = False) -> Port:
    def reads(run: Run, lane: Lane, step: int, states: list[Arrays]) -> Arrays:
        instead = states[0] if to_start else zeros(states[-1], *names)
        return instead if step and step % every == 0 else states[-1]

    return Port(reads=reads)


def missing(name: str, gates: str = "", right: str = "rzn") -> Callable[[Arrays], Arrays]:
    def made(p: Arrays) -> Arrays:
        own = dict(zip(right, np.split(p[name], len(right)), strict=True))
        return p | {name: np.concatenate([0 * own[g] if g in gates or not gates else own[g] for g in right])}

    return made


def first_step_without(run: Run, lane: Lane, p: Arrays) -> Callable[[int], Arrays]:
    return lambda step: missing("h2h_bias", "n")(p) if step == 0 else p


def outside_reset(run: Run, lane: Lane, p: Arrays) -> Arrays:
    without = missing("h2h_bias", "n")(p)
    return without | {"i2h_bias": p["i2h_bias"] + p["h2h_bias"] - without["h2h_bias"]}


def column_major(p: Arrays, *names: str) -> Arrays:
    return p | {name: p[name].T.reshape(p[name].shape) for name in names}


def each_block(p: Arrays, name: str, count: int) -> Arrays:
    return p | {name: np.concatenate([w.T.reshape(w.shape) for w in np.split(p[name], count)])}


@dataclass(frozen=True)
class Thread:
    """A public thread: the network, the port, and the causes with their places; `zero` starts at zeros."""

    network: dict[str, Any]
    port: Port
    causes: tuple[str, ...]
    where: dict[str, Any] = field(default_factory=dict)
    zero: bool = False


def backward(lane: Lane) -> bool:
    return lane[1] == 1


def flipped(run: Run, lane: Lane, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The sequence from its start with its features reversed, in a backward lane."""
    return x[::-1, :, ::-1] if run.inputs.network.backward(lane[1]) else x


def in_time(run: Run, lane: Lane, order: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.arange(len(order))


OF_BACKWARD = {"directions": ["backward"]}
THREADS = {
    "onnx2c 95, reverse": Thread(REVERSE, Port(layer_input=flipped, stored=in_time), ("reverses-the-features",)),
    "onnx2c 95, bidirectional": Thread(
        BOTH, Port(layer_input=flipped, stored=in_time), ("reverses-the-features",), OF_BACKWARD
    ),
    "RTNeural 148, every layer has _l0": Thread(
        GRU | TWO, other_parameters({(1, 0): (0, 0)}), ("parameters-of-layer-below",), {"layers": [1]}
    ),
    "RTNeural 148, layer 1 is not loaded": Thread(
        TWO, Port(lambda run, lane, p: zeros(p) if lane[0] else p), ("parameters-not-loaded",), {"layers": [1]}
    ),
    "RTNeural 148, layer 1 is not run": Thread(
        GRU | TWO, Port(skipped=frozenset({1})), ("layer-not-computed",), {"layers": [1]}
    ),
    "sherpa-onnx 3575, each token twice": Thread({}, Port(again=lambda step: True), ("step-fed-twice",)),
    "sherpa-onnx 3575, emitted tokens twice": Thread(
        {}, Port(again=lambda step: step in (3, 4, 7)), ("step-fed-twice",)
    ),
    "litert-samples 278": Thread(TWO, Port(again=lambda step: step >= 6), ("step-fed-twice",), {"steps": [6, 11]}),
    "frugally-deep 148": Thread(GRU, Port(lambda run, lane, p: missing("h2h_bias")(p)), ("no-h2h-bias",)),
    "tract 2629": Thread(GRU, Port(from_sample_before=True), ("state-carried-to-next-sample",)),
    "tract 2157": Thread(GRU, lost(1), ("state-not-carried",)),
    "tract 2751, activations": Thread(
        GRU | {"activations": ["hard_sigmoid", "tanh"]}, Port(), ("sigmoid-for-hard_sigmoid",)
    ),
    "tract 2751, clip": Thread({"clip": 0.4}, Port(), ("clip-missing",)),
    "candle 2351": Thread(
        BOTH | TWO,
        other_parameters({(0, 1): (0, 0), (1, 1): (1, 0)}),
        ("parameters-of-other-direction",),
        OF_BACKWARD,
    ),
    "DeepFilterNet 655": Thread(GRU | TWO, lost(4), ("state-not-carried",), {"every": 4}),
    "keras 8720": Thread(GRU, reordered("zrn", "rzn"), ("gates-z-r-n",)),
    "keras 8720, biases": Thread(
        GRU, reordered("zrn", "rzn", "i2h_bias", "h2h_bias"), ("gates-z-r-n",), {"parameters": ["i2h_bias", "h2h_bias"]}
    ),
    "keras 8720, kernel": Thread(GRU, Port(lambda run, lane, p: each_block(p, "i2h_weight", 3)), ("i2h-transposed",)),
    "keras 8720, recurrent kernel": Thread(
        GRU, Port(lambda run, lane, p: each_block(p, "h2h_weight", 3)), ("h2h-transposed",)
    ),
    "keras 9112": Thread(GRU, Port(gate=hard_sigmoid), ("wrong-activation",)),
    "TensorRT 371, recurrent rows": Thread(
        {}, reordered("igfo", "ifgo", "h2h_weight"), ("gates-i-g-f-o",), {"parameters": ["h2h_weight"]}, zero=True
    ),
    "TensorRT 371, forget_bias": Thread(
        {},
        Port(lambda run, lane, p: p | {"h2h_bias": p["h2h_bias"] + np.repeat(np.float32([0, 1, 0, 0]), 5)}),
        ("forget-bias-one",),
    ),
    "TensorRT 2492": Thread(BOTH, reordered("iofg", "ifgo", lanes=backward), ("gates-i-o-f-g",), OF_BACKWARD),
    "agents-js 944": Thread({}, lost(1), ("state-not-carried",)),
    "ai-enhanced-audio-book 5": Thread({}, lost(5, to_start=True), ("state-initial",), {"every": 5}),
    "openvino 37820, LSTM": Thread({}, Port(over_batch=True), ("batch-as-time",)),
    "openvino 37820, RNN": Thread({"cell": "rnn_tanh"}, Port(over_batch=True), ("batch-as-time",)),
    "burn 2701": Thread(
        GRU,
        Port(reads=lambda run, lane, step, states: states[0], reset_before=True),
        ("state-initial", "reset-before-matmul"),
    ),
    "burn 2701, after its first fix": Thread(
        GRU, Port(reads=lambda run, lane, step, states: states[0]), ("state-not-carried",)
    ),
    "nntrainer 1787": Thread(GRU, Port(reset_before=True), ("reset-before-matmul",)),
    "nntrainer 1787, biases": Thread(GRU, Port(outside_reset), ("h2h-bias-outside-reset",)),
    "mlx 3249": Thread(GRU, Port(first_step_without), ("no-h2h-bias",), {"gates": ["n"], "steps": [0, 0]}, zero=True),
    "onnx-tensorflow 408": Thread(
        {}, Port(start=lambda run, lane, s: zeros(s, "c")), ("initial-state-ignored",), {"parameters": ["c"]}
    ),
    "onnx-tensorflow 409": Thread(
        BOTH,
        Port(start=lambda run, lane, s: run.first((lane[0], 0))),
        ("initial-state-of-other-direction",),
        OF_BACKWARD,
    ),
    "nni 2842": Thread({}, Port(start=lambda run, lane, s: {"h": s["c"], "c": s["h"]}), ("initial-states-exchanged",)),
    "onnxruntime 4187": Thread(REVERSE, Port(stored=in_time), ("reverse-not-realigned",)),
    "CrispASR 102": Thread(BOTH | TWO, reordered("iofg", "ifgo"), ("gates-i-o-f-g",)),
    "pytorch 22850": Thread(
        BOTH | TWO | {"input_size": 10},
        other_parameters({(0, 1): (1, 0), (1, 0): (0, 1)}),
        ("parameters-of-layer-above-other-direction", "parameters-of-layer-below-other-direction"),
    ),
    "onnx 921": Thread(
        TWO,
        Port(start=lambda run, lane, s: run.first((0, lane[1]))),
        ("initial-state-of-layer-below",),
        {"layers": [1]},
    ),
    "CMSIS-NN 219": Thread({}, lost(4, "c"), ("state-not-carried",), {"every": 4, "parameters": ["c"]}),
    "Eigen's columns": Thread(
        TWO,
        Port(lambda run, lane, p: column_major(p, "i2h_weight", "h2h_weight") if lane[0] else p),
        ("weights-column-major",),
        {"layers": [1]},
    ),
}
"""By project and number of the thread."""


def diagnosed(folder: Path, rnnviz: Any, thread: Thread) -> dict[str, Any]:
    """The summary of a run of the user's: the config, and the recording that the port wrote."""
    network = {"cell": "lstm", "input_size": 4, "hidden_size": 5, "dtype": "float32", **thread.network}
    if network.get("num_layers") == 2 and not network.get("bidirectional"):
        network["input_size"] = 5
    config = write(
        folder,
        network=network,
        sequence={"timesteps": 12, "batch_size": 3},
        parameters={"initializer": "uniform", "bias": "uniform", "scale": 0.6},
        initial_state={"source": "zeros" if thread.zero else "uniform"},
    )
    inputs = load_inputs(load_config(config))
    Run(inputs, thread.port).save(folder / "port.npz")
    answer = rnnviz("run", config, "--engines", "manual,recording:" + str(folder / "port.npz"), "--json", "-")
    assert answer.code == 1, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


@pytest.mark.parametrize("name", THREADS)
def test_the_cause_of_a_public_bug_is_named_with_its_place(name, tmp_path, rnnviz):
    thread = THREADS[name]
    found = diagnosed(tmp_path, rnnviz, thread)
    causes = found["diagnosis"]
    named = {n for cause in causes for n in (*cause["name"].split(" + "), *cause.get("aliases", ()))}
    assert set(thread.causes) <= named, causes
    whole = {} if len(causes) > 1 else {key: [] for key in ("layers", "directions", "samples", "units")}
    for cause, (key, value) in product(causes, (whole | thread.where).items()):
        assert cause["where"][key] == value, (key, cause)


def test_a_start_that_no_change_explains_is_said_as_a_pattern(tmp_path, rnnviz):
    """minGRU 9: the parallel form squashes the initial state."""
    squashed = Port(start=lambda run, lane, s: {"h": sigmoid(s["h"])})
    found = diagnosed(tmp_path, rnnviz, Thread(GRU, squashed, ()))
    (pattern,) = (own["pattern"] for own in found["audit"].values() if own.get("pattern"))
    assert (found["diagnosis"], pattern["first_step_only"]) == ([], True)
