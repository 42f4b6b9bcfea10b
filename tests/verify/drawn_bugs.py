"""Drawn networks of every kind, each with a drawn bug of one lane, and whether a diagnosis names it with its place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs.placed import PlacedBugEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.causes import Cause, Where
from rnnviz.verify.diagnosis import Diagnosis
from tests.cells.layers import EXAMPLES
from tests.oracles.cell_loops import Layer, Loop, Named, function, gru, gru_reset_before, loop_of, scaled
from tests.oracles.computed import empty_trace
from tests.verify.planted import SEEN, Arrays, Made, Planted, functions_of

GATES = {"lstm": "ifgo", "lstm_peephole": "ifgo", "lstm_coupled": "igo", "gru": "rzn", "gru_reset_before": "rzn"}
BUILT_IN = "rnn_tanh", "rnn_relu", *GATES
KINDS = "i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"

Bug = dict[str, Any]
"""The fields of a planted bug."""


def drawn_inputs(draw: np.random.Generator, *, tiny: bool = False) -> Inputs:
    """A network of one to three layers: of each cell, with a projection, clip, other activations, lengths, reverse; a
    `tiny` one has a single hidden value."""
    cell = str(draw.choice([*BUILT_IN, *EXAMPLES], p=[0.1, 0.05, 0.25, 0.1, 0.05, 0.15, 0.1, *[0.04] * len(EXAMPLES)]))
    ways = draw.choice(["both", "forward", "reverse"], p=[0.5, 0.4, 0.1])
    size, timesteps, samples = (int(draw.integers(*ends)) for ends in ((3, 7), (6, 15), (2, 5)))
    network: dict[str, Any] = {
        "cell": f"./{cell}.py" if cell in EXAMPLES else cell,
        "input_size": int(draw.choice([2, 4, size])),
        "hidden_size": size,
        "num_layers": int(draw.integers(1, 4)),
        "bidirectional": bool(ways == "both"),
        "reverse": bool(ways == "reverse"),
        "dtype": str(draw.choice(["float32", "float64"], p=[0.7, 0.3])),
    }
    if cell == "lstm" and draw.random() < 0.3:
        network["projection_size"] = max(2, size - 2)
    if cell in BUILT_IN and draw.random() < 0.15:
        network["clip"] = float(draw.uniform(0.3, 1.0))
    if cell in GATES and draw.random() < 0.15:
        network["activations"] = ["hard_sigmoid", "softsign", "tanh"][: 2 if "gru" in cell else 3]
    sequence = {"timesteps": timesteps, "batch_size": samples, "seed": int(draw.integers(10**6))}
    if tiny:
        network |= {"hidden_size": 1, "num_layers": 1, "bidirectional": False}
        network.pop("projection_size", None)
        sequence |= {"timesteps": 1, "batch_size": 1}
    elif draw.random() < 0.3:
        sequence["lengths"] = [timesteps, *draw.integers(3, timesteps + 1, samples - 1).tolist()]
    seed = int(draw.integers(10**6))
    config = Config.from_mapping(
        {
            "network": network,
            "sequence": sequence,
            "parameters": {"initializer": "uniform", "bias": "uniform", "scale": 0.7, "seed": seed},
            "initial_state": {"source": "uniform", "seed": seed + 1},
        }
    )
    return load_inputs(config.with_custom_cell(EXAMPLES[cell]) if cell in EXAMPLES else config)


@dataclass(frozen=True)
class Place:
    """The lane that a bug is drawn for."""

    inputs: Inputs
    lane: tuple[int, int]
    draw: np.random.Generator

    @property
    def cell(self) -> str:
        return self.inputs.network.kind.name

    @property
    def gates(self) -> tuple[str, ...]:
        return self.inputs.network.kind.gate_symbols

    @property
    def own(self) -> Arrays:
        return {n: np.asarray(a, np.float64) for n, a in vars(self.inputs.parameters.layer(*self.lane)).items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self.own.items()}

    @property
    def whole(self) -> bool:
        """Whether every gate has recurrent rows."""
        return self.inputs.network.kind.recurrent_gates == self.gates

    @property
    def size(self) -> int:
        return int(self.inputs.network.hidden_size)

    @property
    def backward(self) -> bool:
        return self.inputs.network.backward(self.lane[1])

    def one_of(self, values: Any) -> Any:
        return values[int(self.draw.integers(len(values)))]

    def some_gates(self, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """One gate or all: ()."""
        among = self.gates if among is None else among
        return (self.one_of(among),) if len(self.gates) > 1 and self.draw.random() < 0.6 else ()

    def rows(self, kind: str, gates: tuple[str, ...]) -> NDArray[np.intp]:
        own = self.gates if kind.startswith("i2h") else self.inputs.network.kind.recurrent_gates
        at = [k for k, gate in enumerate(own) if not gates or gate in gates]
        return np.concatenate([np.arange(self.size) + k * self.size for k in at])

    def relation(self) -> tuple[str, tuple[int, int]] | None:
        """Another lane and its name, relative to this one."""
        network = self.inputs.network
        others = [(k, d) for k in range(network.num_layers) for d in range(network.directions) if (k, d) != self.lane]
        if not others:
            return None
        other = self.one_of(others)
        apart = other[0] - self.lane[0]
        far = f"layer-{abs(apart)}-{'above' if apart > 0 else 'below'}"
        layer = {0: "", 1: "layer-above", -1: "layer-below"}.get(apart, far)
        return "-".join(filter(None, (layer, "other-direction" if other[1] != self.lane[1] else ""))), other


def _changed(place: Place, name: str, gates: tuple[str, ...], **new: Callable[[Arrays], Any]) -> Bug:
    """Other rows of some parameters, of some gates."""

    def parameters(p: Arrays) -> Arrays:
        made = {kind: np.array(p[kind]) for kind in new}
        for kind, make in new.items():
            rows = place.rows(kind, gates)
            made[kind][rows] = np.broadcast_to(make(p), p[kind].shape)[rows]
        return p | made

    return {"name": name, "gates": gates, "kinds": tuple(new), "parameters": parameters}


def _zero(_: Arrays) -> float:
    return 0.0


def _blocks_transposed(w: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    return np.concatenate([block.T.reshape(block.shape) for block in np.split(w, len(w) // size)])


def _of_parameters(place: Place) -> Iterator[Callable[[], Bug]]:
    recurrent, size, draw = place.inputs.network.kind.recurrent_gates, place.size, place.draw
    yield lambda: _changed(place, "no-i2h-bias", place.some_gates(), i2h_bias=_zero)
    yield lambda: _changed(place, "i2h-weight-not-loaded", place.some_gates(), i2h_weight=_zero)
    yield lambda: _changed(place, "bias-one-added", place.some_gates(), i2h_bias=lambda p: p["i2h_bias"] + 1.0)
    kinds = [kind for kind in KINDS if kind in place.shapes]
    yield lambda: _changed(place, "parameters-not-loaded", place.some_gates(), **dict.fromkeys(kinds, _zero))
    if len(place.gates) > 1:

        def turned() -> Bug:
            gate = (place.one_of(recurrent or place.gates),)
            return _changed(place, "gate-negated", gate, **{k: lambda p, k=k: -p[k] for k in kinds}) | {"gates": None}

        yield turned
    flat = {"i2h_weight": "i2h-weight-column-major", "h2h_weight": "h2h-weight-column-major"}
    for kind, name in flat.items():
        if kind in kinds:
            yield lambda kind=kind, name=name: _changed(
                place, name, (), **{kind: lambda p: p[kind].T.reshape(p[kind].shape)}
            )
            short = f"{kind[:3]}-transposed"
            yield lambda kind=kind, short=short: _changed(
                place,
                short,
                place.some_gates(recurrent) if kind == "h2h_weight" else place.some_gates(),
                **{kind: lambda p: _blocks_transposed(p[kind], size)},
            )
    yield lambda: _changed(place, "i2h-features-reversed", (), i2h_weight=lambda p: p["i2h_weight"][:, ::-1])
    if recurrent:
        yield lambda: _changed(place, "no-h2h-bias", place.some_gates(recurrent), h2h_bias=_zero)
        yield lambda: _changed(place, "h2h-weight-not-loaded", place.some_gates(recurrent), h2h_weight=_zero)
    if place.whole:
        yield lambda: _changed(place, "no-bias", place.some_gates(), i2h_bias=_zero, h2h_bias=_zero)
        exchanged = {"i2h_bias": lambda p: p["h2h_bias"], "h2h_bias": lambda p: p["i2h_bias"]}
        # In a GRU the order of the biases of r and z makes no difference.
        of_n = {"gates": None} if "gru" in place.cell else {}
        yield lambda: _changed(place, "biases-exchanged", place.some_gates(), **exchanged) | of_n
        yield lambda: _changed(place, "i2h-bias-twice", place.some_gates(), h2h_bias=exchanged["h2h_bias"])
        yield lambda: _changed(place, "h2h-bias-twice", place.some_gates(), i2h_bias=exchanged["i2h_bias"])
        if place.shapes["i2h_weight"] == place.shapes["h2h_weight"]:
            both = {"i2h_weight": lambda p: p["h2h_weight"], "h2h_weight": lambda p: p["i2h_weight"]}
            yield lambda: _changed(place, "weights-exchanged", place.some_gates(), **both)
    if place.whole and len(place.gates) > 1:
        for some in (tuple(kinds), tuple(kinds), tuple(k for k in kinds if draw.random() < 0.5) or ("h2h_weight",)):
            yield lambda some=some: _ordered(place, some)
    for _ in range(2):
        some = [("i2h_weight",), ("h2h_weight",), ("i2h_weight", "h2h_weight")][int(draw.integers(3))]
        if set(some) <= set(kinds):
            yield lambda some=some: _rounded(place, some)
    for _ in range(2):
        found = place.relation()
        if found is not None:
            relation, other = found
            theirs = {n: np.asarray(a, np.float64) for n, a in vars(place.inputs.parameters.layer(*other)).items()}
            fit = [kind for kind in kinds if theirs[kind].shape == place.shapes[kind]]
            some = tuple(k for k in fit if draw.random() < 0.7) or tuple(fit)
            new = {kind: lambda p, kind=kind, theirs=theirs: theirs[kind] for kind in some}
            yield lambda relation=relation, new=new: _changed(place, f"parameters-of-{relation}", (), **new)


def _ordered(place: Place, some: tuple[str, ...]) -> Bug:
    count = len(place.gates)
    order = np.arange(count)
    while (order == np.arange(count)).all():
        order = place.draw.permutation(count)
    rows = np.concatenate([np.arange(place.size) + k * place.size for k in order])
    name = "gates-" + "-".join(place.gates[k] for k in order)
    return _changed(place, name, (), **{kind: lambda p, kind=kind: p[kind][rows] for kind in some})


def _rounded(place: Place, some: tuple[str, ...]) -> Bug:
    how = str(place.draw.choice(["rounded", "truncated", "float16", "int8"]))
    bits = int(place.draw.integers(3, 8))

    def fewer(w: NDArray[np.floating]) -> NDArray[np.floating]:
        if how == "float16":
            return w.astype(np.float16).astype(np.float64)
        scale = np.abs(w).max() / 127.0 if how == "int8" else 2.0**-bits
        return (np.floor if how == "truncated" else np.round)(w / scale) * scale

    name = f"weights-in-{how}" if how in ("float16", "int8") else f"weights-{how}-to-{bits}-bits"
    return _changed(place, name, (), **{kind: lambda p, kind=kind: fewer(p[kind]) for kind in some})


def _of_states(place: Place) -> Iterator[Callable[[], Bug]]:
    symbols = place.inputs.network.kind.state_symbols

    def part() -> tuple[str, ...]:
        # SRU reads no h.
        one = len(symbols) > 1 and place.cell != "sru" and place.draw.random() < 0.5
        return (place.one_of(symbols),) if one else symbols

    def state(name: str, change: Callable[[list[Arrays], str], NDArray[np.floating]], of: tuple[str, ...]) -> Bug:
        def read(states: list[Arrays]) -> Arrays:
            return states[-1] | {symbol: change(states, symbol) for symbol in of}

        return {"name": name, "kinds": of, "state": read}

    yield lambda: state("state-not-carried", lambda states, s: 0.0 * states[-1][s], part())
    yield (
        lambda: (
            state("state-not-carried", lambda states, s: 0.0 * states[-1][s], symbols)
            | dict.fromkeys(("first", "every"), int(place.draw.integers(2, 5)))
        )
    )
    yield lambda: state("state-initial", lambda states, s: states[0][s], part())
    yield lambda: state("state-two-before", lambda states, s: states[max(len(states) - 2, 0)][s], symbols)
    yield lambda: state("state-doubled", lambda states, s: 2.0 * states[-1][s], ("h",))
    yield lambda: state("state-reversed", lambda states, s: states[-1][s][:, ::-1], ("h",))
    if not place.inputs.lengths:
        yield lambda: state("state-of-next-sample", lambda states, s: np.roll(states[-1][s], -1, 0), symbols)
    yield lambda: {"name": "step-fed-twice", "again": True, "first": 1}


def _of_inputs(place: Place) -> Iterator[Callable[[], Bug]]:
    changes: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
        "input-of-step-before": lambda x: np.concatenate([x[:1], x[:-1]]),
        "input-of-step-after": lambda x: np.concatenate([x[1:], x[-1:]]),
        "input-of-next-sample": lambda x: np.roll(x, -1, axis=1),
    }
    if place.lane[0] and place.inputs.network.bidirectional:
        changes["input-halves-exchanged"] = lambda x: np.concatenate(np.split(x, 2, -1)[::-1], -1)
    for name, change in changes.items():
        yield lambda name=name, change=change: {"name": name, "x": change}


def _of_starts(place: Place) -> Iterator[Callable[[], Bug]]:
    symbols = place.inputs.network.kind.state_symbols

    def ignored() -> Bug:
        of = symbols if place.draw.random() < 0.5 else (place.one_of(symbols),)
        return {
            "name": "initial-state-ignored",
            "kinds": of,
            "start": lambda s: s | {name: 0.0 * s[name] for name in of},
        }

    yield ignored
    yield lambda: {
        "name": "initial-state-of-first-sample",
        "start": lambda s: {k: np.repeat(a[:1], len(a), 0) for k, a in s.items()},
    }
    if symbols == ("h", "c") and not place.inputs.network.kind.projects:
        yield lambda: {"name": "initial-states-exchanged", "start": lambda s: {"h": s["c"], "c": s["h"]}}
    found = place.relation()
    if found is not None:
        relation, (layer, direction) = found
        index = layer * place.inputs.network.directions + direction
        other = {s: np.asarray(a[index], np.float64) for s, a in place.inputs.initial_state.items()}
        yield lambda: {"name": f"initial-state-of-{relation}", "start": lambda _: other}


def _of_lines(place: Place) -> Iterator[Callable[[], Bug]]:
    """Other activations and other lines of the step."""
    cell, own = place.cell, functions_of(place.inputs)
    plain = place.inputs.network.activations is None and place.inputs.network.clip is None
    if cell in GATES and plain:

        def one_gate() -> Bug:
            gate = place.one_of([gate for gate in place.gates if gate not in "gn"])
            return {
                "name": "hard_sigmoid-for-sigmoid",
                "gates": (gate,),
                "activations": {gate: function("hard_sigmoid", 0.2, 0.5)},
            }

        if cell != "lstm_coupled":
            yield one_gate
        yield lambda: {
            "name": "hard_sigmoid-for-sigmoid",
            "gates": (),
            "activations": {"gate": function("hard_sigmoid", 0.2, 0.5)},
        }
        # The candidate of a GRU is its only tanh.
        candidate = ("g",) if "lstm" in cell else ()
        yield lambda: {"name": "relu-for-tanh", "activations": {"candidate": function("relu")}, "gates": candidate}
    elif cell in GATES and place.inputs.network.activations is not None and place.inputs.network.clip is None:
        yield lambda: {"name": "sigmoid-for-hard_sigmoid", "gates": (), "activations": {"gate": function("sigmoid")}}
        yield lambda: {"name": "tanh-for-softsign", "activations": {"candidate": function("tanh")}}
    if place.inputs.network.clip is not None and place.inputs.network.activations is None:
        uncut = replace(place.inputs, config=replace(place.inputs.config, network=_uncut(place.inputs)))
        yield lambda: {"name": "clip-missing", "activations": functions_of(uncut)}
    if "output" in own and "lstm" in cell:
        yield lambda: {"name": "cell-not-squashed", "activations": {"output": function("linear")}}
    if cell in ("lstm", "lstm_projection"):
        for name, line in {"forget-gate-coupled": _coupled, "cell-state-clipped-at-1": _clipped}.items():
            yield lambda name=name, line=line: {"name": name, "loop": _line(cell, line)}
    if cell == "gru":
        yield lambda: {"name": "reset-before-matmul", "loop": gru_reset_before}
    if cell == "gru_reset_before":
        yield lambda: {"name": "reset-after-matmul", "loop": gru}
    if cell == "gru":
        outside = {
            "i2h_bias": lambda p: p["i2h_bias"] + p["h2h_bias"],
            "h2h_bias": _zero,
        }
        yield lambda: _changed(place, "h2h-bias-outside-reset", ("n",), **outside) | {"gates": None}
    if cell == "lstm_peephole":
        names = "c2i_weight", "c2f_weight", "c2o_weight"
        yield lambda: {"name": "no-peepholes", "parameters": lambda p: p | {name: 0.0 * p[name] for name in names}}
        turned = {"c2f_weight": "c2o_weight", "c2o_weight": "c2f_weight"}
        yield lambda: {"name": "peepholes-i-f-o", "parameters": lambda p: p | {a: p[b] for a, b in turned.items()}}
    if cell == "lstm_projection":
        yield lambda: {
            "name": "projection-transposed",
            "parameters": lambda p: p | {"h2r_weight": p["h2r_weight"].T.reshape(p["h2r_weight"].shape)},
        }


def _uncut(inputs: Inputs) -> Any:
    return replace(inputs.network, clip=None)


def _coupled(named: Named, c: list[float]) -> list[float]:
    return [(1.0 - i) * old + i * g for i, old, g in zip(named["i"], c, named["g"], strict=True)]


def _clipped(named: Named, c: list[float]) -> list[float]:
    return [min(max(value, -1.0), 1.0) for value in named["c"]]


def _line(cell: str, line: Callable[[Named, list[float]], list[float]]) -> Loop:
    """An LSTM with another line for c."""

    def loop(layer: Layer, x: list[float], s: Mapping[str, list[float]], f: Mapping[str, Any]) -> Named:
        named = loop_of("lstm")(layer, x, s, f)
        c = line(named, list(s["c"]))
        h = scaled(named["o"], [f["output"](value) for value in c])
        if cell == "lstm_projection":
            h = [sum(w * v for w, v in zip(row, h, strict=True)) for row in layer.p["h2r_weight"]]
        return {**named, "c": c, "h": h}

    return loop


def _walks(place: Place) -> Iterator[Callable[[], Bug]]:
    if place.backward:
        yield lambda: {"name": "reverse-not-reversed", "forward": True}
        yield lambda: {"name": "reverse-not-realigned", "misplaced": True}
        yield lambda: {"name": "reverses-the-features", "forward": True, "x": lambda x: x[..., ::-1]}
        yield lambda: {"name": "reverses-the-samples", "forward": True, "x": lambda x: x[:, ::-1]}
    yield lambda: {"name": "state-carried-to-next-sample", "joined": True}


def drawn(seed: int) -> tuple[Inputs, Planted]:
    """A network and a bug of one of its lanes, half of them from a step on, at every so many, in a sample or unit."""
    draw = np.random.default_rng(seed)
    inputs = drawn_inputs(draw)
    network = inputs.network
    lanes = [*product(range(network.num_layers), range(network.directions))]
    place = Place(inputs, lanes[int(draw.integers(len(lanes)))], draw)
    steps = [*_of_parameters(place), *_of_states(place), *_of_inputs(place), *_of_lines(place)]
    others = [*_of_starts(place), *_walks(place)]
    chosen = int(draw.integers(len(steps) + len(others)))
    bug = {"gates": None, **(steps + others)[chosen]()}
    if chosen < len(steps) and "every" not in bug and draw.random() < 0.5:
        bug |= _placed(place, bug)
    return inputs, Planted(lanes=frozenset({place.lane}), **bug)


def _placed(place: Place, bug: Bug) -> Bug:
    """A part of the steps, samples or units."""
    draw, inputs = place.draw, place.inputs
    least = min(inputs.places.every_length)
    first = int(draw.integers(1, max(2, least - 1)))
    kinds = ["from", "from", "until", "every", "sample"]
    mixes = inputs.network.kind.projects or place.cell in ("gru_reset_before", "mgu")
    if not mixes and "loop" not in bug and "again" not in bug:
        kinds.append("unit")
    match str(draw.choice(kinds)):
        case "from":
            return {"first": first}
        case "until":
            return {"first": first, "last": int(draw.integers(first, inputs.timesteps - 1))}
        case "every":
            return {"first": first, "every": int(draw.integers(2, 4))}
        case "sample":
            return {"samples": (int(draw.integers(inputs.batch_size)),)}
    return {"units": (int(draw.integers(place.size)),)}


SYNONYMS = {
    "bias-one-added": ("forget-bias-one",),
    "gate-negated": ("update-gate-inverted", "coupled-gates-exchanged"),
    "relu-for-tanh": ("wrong-activation",),
    "hard_sigmoid-for-sigmoid": ("wrong-activation",),
    "state-initial": ("state-not-carried",),
    "state-not-carried": ("h2h-weight-not-loaded", "state-initial"),
    "h2h-weight-not-loaded": ("state-not-carried",),
}
"""Names of what is the same in some cells, or in some of their steps."""


def wrong_about(inputs: Inputs, bug: Planted, made: Made, found: Diagnosis) -> list[str]:
    """What a diagnosis says otherwise than the bug is; [] where it names the bug with its place."""
    if not found.causes:
        return ["ambiguous" if found.candidates > 1 else "not named"]
    wrong = []
    walks = bug.forward or bug.misplaced
    lanes = [lane for lane in made.moved if not walks or inputs.network.backward(lane[1])]
    columns = {"i2h-transposed", "h2h-transposed", "i2h-weight-column-major", "h2h-weight-column-major"}
    if len(inputs.network.kind.gates) > 1 or bug.name not in columns:
        columns = set()
    for cause in found.causes:
        names = {cause.name, *cause.aliases}
        if not names & {bug.name, *SYNONYMS.get(bug.name, ()), *columns}:
            wrong.append(f"name {cause.name}")
        elif cause.name == bug.name:
            where = cause.where
            if bug.gates is not None and where.gates != bug.gates and where.layers + where.directions != ():
                wrong.append(f"gates {where.gates}")
            if bug.kinds is not None and where.parameters and set(where.parameters) != set(bug.kinds):
                wrong.append(f"parameters {where.parameters}")
        wrong += [f"lane {lane}" for lane in lanes if cause.covers(*lane) and _differs(bug, made, cause, lane)]
        if wrong and _made_by(inputs, cause, made):
            # Elsewhere it makes no difference.
            wrong = [each for each in wrong if not each.startswith("lane")]
    return wrong


def _made_by(inputs: Inputs, cause: Cause, made: Made) -> bool:
    """Whether the engine that has the cause has the recorded values."""
    trace = empty_trace(inputs, cell=False, engine="again")
    PlacedBugEngine(f"bug:{cause.label}").run(inputs, trace, lambda _: None)
    return bool(np.allclose(trace.hidden, made.trace.hidden, rtol=0.0, atol=SEEN["float32"]))


def _differs(bug: Planted, made: Made, cause: Cause, lane: tuple[int, int]) -> bool:
    """Whether the place of a cause in a lane is another one than that of the bug, where that makes a difference."""
    if lane not in bug.lanes:
        return True
    moved = made.moved[lane]
    return bool(((_mask(cause.where, moved.shape) != _planted_mask(bug, moved.shape)) & moved).any())


def _mask(where: Where, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    steps = np.arange(shape[0])
    first, last = where.steps or (0, shape[0] - 1)
    at = (steps >= first) & (steps <= last) & ((steps - first) % (where.every or 1) == 0)
    return _box(np.isin(steps, where.at) if where.at else at, where.samples, where.units, shape)


def _planted_mask(bug: Planted, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    whole = bug.forward or bug.misplaced or bug.joined
    at = np.array([whole or bug.at(step) for step in range(shape[0])])
    return _box(at, bug.samples, bug.units, shape)


def _box(
    steps: NDArray[np.bool_], samples: tuple[int, ...], units: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    some = [
        np.isin(np.arange(n), of) if of else np.ones(n, np.bool_)
        for n, of in zip(shape[1:], (samples, units), strict=True)
    ]
    return steps[:, np.newaxis, np.newaxis] & some[0][:, np.newaxis] & some[1]
