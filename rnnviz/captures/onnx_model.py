"""Record the values that enter and leave the recurrent nodes of an ONNX model while ONNX Runtime runs it.

Each value becomes an output of the model. A node then reads the values that were recorded, so that none is rounded to
another type in between.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
from onnx import NodeProto, TensorProto, helper, inliner, numpy_helper

from rnnviz.captures.onnx_inputs import read_feeds
from rnnviz.captures.onnx_taps import IN_ARRAYS, IN_LISTS, Array, Outputs, Tap, Taps
from rnnviz.captures.rnn_capture import Arrays, Call, CapturedSequence, Network, joined, safe_name, same_arrays
from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.errors import EngineError, InputError, file_errors, printable
from rnnviz.core.memory_budget import available_memory
from rnnviz.core.model_formats import ONNX
from rnnviz.core.progress import stage
from rnnviz.core.words import plural
from rnnviz.engines.registry import load_engine
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.load import arrays_of, choose, nothing_recognized
from rnnviz.io.model_formats.model_file import Entry, StoredLayer, UnreadableError, with_stacks
from rnnviz.io.model_formats.onnx import names_as_text, networks_of, open_model, read_whole
from rnnviz.io.model_formats.onnx_constants import Constants
from rnnviz.io.model_formats.onnx_graph import INPUTS, PlacedNode, nodes
from rnnviz.io.model_formats.onnx_nodes import RecurrentNode, recurrent_node

_WEIGHTS = ("W", "R", "B", "P")
_MOST_SEQUENCES = 100
"""The largest number of sessions of one network."""


@dataclass(frozen=True)
class Recording:
    """The written sessions, each with a line about its sequence, and why each other network was not recorded.

    `from_zeros` is how many sequences of a network begin at zeros and may be chunks of one.
    """

    files: tuple[tuple[str, str], ...]
    skipped: dict[str, str]
    from_zeros: dict[str, int]


def record(
    path: Path, given: Mapping[str, str], entry: str | None, folder: Path, single: bool, shown: Path | None = None
) -> Recording:
    """Run a model, and write a session for each sequence that its networks read; to be called in a subprocess.

    Raises an EngineError if ONNX Runtime is missing, or refuses or fails to run the model, else an InputError.
    """
    load_engine("onnx")
    with limited_memory(available_memory() or 1 << 62):
        if format_of(path) is not ONNX:
            raise InputError(
                f"{path} is not an ONNX model: export it to ONNX, or run it in Python within rnnviz.capture(model)."
            )
        with names_as_text(path, "graph cannot be followed"):
            run, outputs = _ran(path, given, entry, single)
            return _written(run, outputs, folder, single, folder if shown is None else shown)


def _ran(path: Path, given: Mapping[str, str], entry: str | None, single: bool) -> tuple["_Run", Outputs]:
    """A run, and the values that it recorded: those in loops as arrays, then as lists, and then not at all.

    ONNX Runtime fails if they have other shapes in each iteration, or if there is too little memory.
    """
    taps = [Taps(IN_ARRAYS), Taps(IN_LISTS), Taps("")]
    while True:
        run = _Run(path, given, entry, single, taps[0])
        try:
            return run, run.outputs()
        except EngineError as error:
            if not taps.pop(0).in_loops:
                raise
            taps[0].reason = f"its iterations cannot be recorded: {str(error.__cause__).rstrip('.')}"


_Values: TypeAlias = Mapping[str, Array]
"""The arrays of one call of a node by ONNX's names, with X (T, N, I), Y (T, D, N, H) and states (D, N, H)."""


@dataclass(frozen=True)
class _Node:
    """A recorded node; `stored` is the layer as the model file has it, where its weights are not recorded."""

    placed: PlacedNode
    taps: Mapping[str, Tap]
    stored: StoredLayer | None
    steps: tuple[tuple[Tap | None, ...], ...] = ()

    def calls(self, outputs: Outputs) -> Iterator[tuple[int, ...]]:
        """The index of each call of the node in the recorded values."""
        return (self.taps.get("Y") or next(filter(None, self.steps[0]))).calls(outputs)

    def values(self, outputs: Outputs, index: tuple[int, ...]) -> _Values:
        found = {name: tap.at(outputs, index) for name, tap in self.taps.items()}
        shape = found["X"].shape
        if len(shape) != 3:
            raise UnreadableError(f"its input has the shape {shape}: it must have the axes T, N and I")
        return found | self._of_steps(outputs, index, shape[1]) if self.steps else found

    def _of_steps(self, outputs: Outputs, index: tuple[int, ...], samples: int) -> dict[str, Array]:
        """The initial state, Y and the final state of an unrolled node."""
        initial, hidden, final = [], [], []
        reverse = self.placed.scope.attributes_of(self.placed.node)["direction"].s == b"reverse"
        for direction, (before, *after) in enumerate(self.steps):
            h = np.stack([tap.at(outputs, index).reshape(samples, -1) for tap in after if tap is not None])
            initial.append(np.zeros_like(h[0]) if before is None else before.at(outputs, index).reshape(h[0].shape))
            final.append(h[-1])
            hidden.append(h[::-1] if direction or reverse else h)
        return {"initial_h": np.stack(initial), "Y": np.stack(hidden, axis=1), "Y_h": np.stack(final)}


def _recorded(found: RecurrentNode, taps: Taps) -> _Node:
    """Make all that enters and leaves a node outputs of the model, or raise an UnreadableError."""
    placed, entry = found.placed, found.layer.entry
    node, scope = placed.node, placed.scope
    taps.in_lists(scope)
    kind = _type_of(placed, entry)
    given = {name: placed.input(name) for name in INPUTS if placed.input(name)}
    for name in ("X", "W", "R"):
        if name not in given:
            raise UnreadableError(f"it has no input {name}")
    if placed.steps:
        if not entry.supported:
            raise UnreadableError(entry.reason)
        steps = tuple(
            tuple(taps.add(scope, name, kind) if name else None for name in direction) for direction in placed.steps
        )
        return _Node(placed, {"X": taps.add(scope, given["X"], kind)}, found.layer, steps)
    # Weights in the body of a loop would be recorded in each iteration.
    inside = any(not scope.find(given[name])[0].main for name in _WEIGHTS if name in given)
    stored = found.layer if inside and entry.supported else None
    recorded = {}
    for place, name in enumerate(INPUTS):
        if name not in given or (stored and name in _WEIGHTS):
            continue
        recorded[name] = taps.add(scope, given[name], TensorProto.INT32 if name == "sequence_lens" else kind)
        source = scope.find(given[name])[2]
        if isinstance(source, NodeProto) and source.op_type != "Constant":
            node.input[place] = recorded[name].inner
    names = ("Y", "Y_h", "Y_c") if node.op_type == "LSTM" else ("Y", "Y_h")
    node.output.extend([""] * (len(names) - len(node.output)))
    for place, name in enumerate(names):
        # A node computes an output that has a name.
        node.output[place] = node.output[place] or f"{recorded['X'].inner}:{name}:{id(found)}"
        scope.producers[node.output[place]] = node
        recorded[name] = taps.add(scope, node.output[place], kind)
    return _Node(placed, recorded, stored)


def _type_of(placed: PlacedNode, entry: Entry) -> int:
    """ONNX's number of the type of a node's floats, as far as the model declares it."""
    if entry.dtype is not None:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(entry.dtype)))
    for name in map(placed.input, ("X", "W", "R")):
        scope, own, _ = placed.scope.find(name)
        declared = scope.value_info.get(own)
        if declared is not None and declared.type.tensor_type.elem_type:
            return declared.type.tensor_type.elem_type
    return int(TensorProto.FLOAT)


class _Run:
    """A model that gives the values of the networks that are asked for, and the values of its inputs."""

    def __init__(self, path: Path, given: Mapping[str, str], entry: str | None, single: bool, taps: Taps) -> None:
        self.path, self._model = path, read_whole(path)
        entries: tuple[Entry, ...] = ()
        if self._model.functions:
            entries = open_model(path).entries
            with suppress(RuntimeError, ValueError):  # nodes that stay in functions are not recorded
                self._model = inliner.inline_local_functions(self._model)
        networks = networks_of(self._model, path)
        # Nodes of functions have other names once they are inlined.
        entries = entries if len(entries) == len(networks.file.entries) else networks.file.entries
        if not entries:
            raise nothing_recognized(path, arrays_of(path))
        wanted = _wanted(entries, entry, path, single)
        self._feeds = read_feeds(self._model, given, path)
        self.skipped: dict[str, str] = {}
        self.parts: dict[str, list[_Node]] = {}
        self._taps = taps
        opsets = (given.version for given in self._model.opset_import if given.domain in ("", "ai.onnx"))
        taps.opset = max(opsets, default=1)
        recorded: dict[int, _Node | str] = {}
        for number in dict.fromkeys(number for k in wanted for number in networks.parts[k]):
            try:
                recorded[number] = _recorded(networks.nodes[number], taps)
            except UnreadableError as error:
                recorded[number] = str(error)
        for k in wanted:
            layers = [recorded[number] for number in networks.parts[k]]
            reason = next((layer for layer in layers if isinstance(layer, str)), "")
            nodes_of = [layer for layer in layers if isinstance(layer, _Node)]
            if len({layer.placed.scope for layer in nodes_of}) > 1:
                reason = "its layers are in several graphs of the model: give one of them by its own name"
            if reason:
                self.skipped[entries[k].name] = reason
            else:
                self.parts[entries[k].name] = nodes_of

    def outputs(self) -> Outputs:
        """The recorded values; raises an EngineError if ONNX Runtime refuses the model or fails."""
        from rnnviz.engines.onnx import run_model

        if not self.parts and not self._taps.reason:
            return {}
        wanted = self._taps.names or [value.name for value in self._model.graph.output]
        try:
            return run_model(self._model, self._feeds, wanted, optimized=False)
        except EngineError as error:
            raise EngineError(f"{self.path} could not be run: {str(error).rstrip('.')}.") from error


def _wanted(entries: Sequence[Entry], entry: str | None, path: Path, single: bool) -> list[int]:
    """The numbers of the entries to record: the one that is asked for, or all but single layers of a stack."""
    if entry is not None:
        return [list(entries).index(choose(entries, entry, path))]
    found = [k for k, each in enumerate(entries) if not each.part]
    if single and len(found) > 1:
        names = ", ".join(f'"{entries[k].name}"' for k in found)
        raise InputError(
            f"{path} holds {len(found)} recurrent networks, and a session holds one: "
            f"give --entry and one of {names}, or a folder for all of them."
        )
    return found


def _written(run: _Run, outputs: Outputs, folder: Path, single: bool, shown: Path) -> Recording:
    """Write the sequences of each network; errors name files of `shown`."""
    skipped, sequences = run.skipped, list[CapturedSequence]()
    for name, layers in run.parts.items():
        try:
            found = joined((name, call) for call in _calls(layers, outputs))
            if not found:
                raise UnreadableError("it was not called")
        except UnreadableError as error:
            skipped[name] = str(error)
            continue
        if single and len(found) > 1:
            raise InputError(f"{run.path}: {name} read {len(found)} sequences, and a session holds one: give a folder.")
        if len(found) > _MOST_SEQUENCES:
            skipped[name] = f"{plural(len(found) - _MOST_SEQUENCES, 'sequence')} after the first {_MOST_SEQUENCES}"
        for sequence in found:
            sequence.ending = ".onnx"
        sequences += found[:_MOST_SEQUENCES]
    if not sequences:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise InputError(
            f"{run.path}: no network was recorded: {reasons}; a model of PyTorch, Keras or Gluon can also be recorded "
            "in Python, with rnnviz.capture(model)."
        )
    names: list[str] = []
    for number, sequence in enumerate(sequences):
        own = [other for other in sequences if other.name == sequence.name]
        title = f"{run.path.stem}-{sequence.name}{f'-{own.index(sequence)}' if len(own) > 1 else ''}"
        name = safe_name(title)
        while f"{name}.rnnviz" in names:
            name += "_"
        names.append(f"{name}.rnnviz")
        with stage(number / len(sequences), (number + 1) / len(sequences)):
            target = shown if single and shown != folder else shown / names[-1]
            with file_errors(target, "written"):
                sequence.save(folder / names[-1])
    lines = tuple((name, printable(repr(s))) for name, s in zip(names, sequences, strict=True))
    return Recording(lines, skipped, {s.name: s.from_zeros for s in sequences if s.from_zeros})


def _calls(layers: Sequence[_Node], outputs: Outputs) -> Iterator[Call]:
    weights: list[dict[str, Array]] = []
    stack: StoredLayer | None = None
    parameters: Arrays = {}
    for index in layers[0].calls(outputs):
        values = [layer.values(outputs, index) for layer in layers]
        new = [{name: value[name] for name in _WEIGHTS if name in value} for value in values]
        if stack is None or not all(map(same_arrays, new, weights)):
            stored = [_layer(*each) for each in zip(layers, values, new, strict=True)]
            stack = next(iter(with_stacks(stored, {k: k - 1 for k in range(1, len(stored))}).values()))
            if stack.entry.num_layers != len(layers) or not stack.entry.supported:
                raise UnreadableError(stack.entry.reason or "its layers do not fit each other")
            parameters, weights = dict(stack.read()), new
        yield _call(stack.entry, parameters, layers, values)


def _layer(layer: _Node, values: _Values, weights: Mapping[str, Array]) -> StoredLayer:
    """The layer that a node with these weights is, as a model of that node alone is read."""
    if layer.stored is not None:
        return layer.stored
    placed = layer.placed
    given = [name if name in ("X", *weights) else "" for name in INPUTS]
    node = helper.make_node(placed.node.op_type, given, ["Y"], name=placed.name)
    node.attribute.extend(placed.scope.attributes_of(placed.node).values())
    constants = [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in weights.items()]
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, list(values["X"].shape))
    model = helper.make_model(helper.make_graph([node], "layer", [x], [], constants))
    return recurrent_node(next(nodes(model)), Constants(model, Path())).layer


def _call(entry: Entry, parameters: Arrays, layers: Sequence[_Node], values: Sequence[_Values]) -> Call:
    network, states = entry.network(), "hc" if layers[0].placed.node.op_type == "LSTM" else "h"
    bottom, top = values[0], values[-1]
    steps, samples = bottom["X"].shape[:2]
    lengths = tuple(map(int, bottom.get("sequence_lens", (steps,) * samples)))
    if min(lengths, default=0) < 1:
        raise UnreadableError("it read a sample without time steps, which a run cannot have")
    # Time steps that are padding of all samples are not read.
    steps = max(lengths)
    hidden = np.stack([value["Y"][:steps].swapaxes(0, 1) for value in values])
    # ONNX Runtime computes recurrent nodes of float16 in float32 on a CPU, and single steps in float16.
    half = hidden.dtype == np.float16
    initial = [[value.get(f"initial_{name}", np.zeros_like(value["Y_h"])) for value in values] for name in states]
    final = [[value[f"Y_{name}"] for value in values] for name in states]
    return Call(
        Network(**{field.name: getattr(network, field.name) for field in fields(Network)} | {"layout": "TNC"}),
        parameters,
        bottom["X"][:steps],
        dict(zip(states, map(np.concatenate, initial), strict=True)),
        np.concatenate(list(top["Y"][:steps].swapaxes(0, 1)), axis=2),
        dict(zip(states, map(np.concatenate, final), strict=True)),
        lengths if min(lengths) < steps else (),
        ("float16" if layers[0].steps else "float32") if half else "",
        lambda call: hidden,
    )
