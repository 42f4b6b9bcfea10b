"""ONNX models from exporters and from constructed graphs, compared with ONNX Runtime."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import config_of, entries_of
from rnnviz.io.model_formats.model_file import EVERY_STEP, Entry
from tests.io.model_formats.corpus.cases import computed_on, entry_of
from tests.io.model_formats.corpus.onnx_graphs import (
    CASES,
    FEATURES,
    STATES,
    Array,
    Graph,
    H,
    N,
    T,
    in_time,
    normal,
    runtime,
)
from tests.oracles.computed import assert_near

pytestmark = pytest.mark.slow
X = normal(T, N, FEATURES, seed=99)
TABLE = tomllib.loads(Path(__file__).with_name("onnx.toml").read_text(encoding="utf-8"))
MADE: dict[str, Callable[[Any, int], Array]] = {
    "random": lambda shape, seed: normal(*shape, seed=seed),
    "alike": lambda shape, seed: np.repeat(normal(*shape, seed=seed), N, axis=1),
    "double": lambda shape, seed: normal(*shape, seed=seed, dtype=np.float64),
    "zeros": lambda shape, _seed: np.zeros(shape, np.float32),
    "ones": lambda shape, _seed: np.ones(shape, np.float32),
    "lengths": lambda lengths, _seed: np.array(lengths, np.int32),
}


def run_graph(graph: Graph, path: Path, name: str = "a", feed: Mapping[str, Array] | None = None) -> Entry:
    """The network `name`, which has the outputs that ONNX Runtime gives as the graph's first output, (T, D, N, H)."""
    given = {"x": X, **(feed or {})}
    y = runtime(graph.save(path), given)[0]
    state = {kind: given[kind] for kind in ("h", "c") if kind in given}
    assert_near(computed_on(path, X.swapaxes(0, 1), name, state=state or None).out, in_time(y), 1e-5)
    return entry_of(path, name)


def graph_of(text: str, operator: str = "LSTM") -> Graph:
    """Nodes on x of any length and number of samples, the last of which gives the output."""
    graph = Graph(inputs={"x": (None, None, FEATURES)}).read(text, operator)
    graph.outputs = [graph.nodes[-1].output[0]]
    return graph


def named(table: Mapping[str, Any], operator: str) -> dict[str, Any]:
    """The table with an entry for each state of the operator in place of a name with "%"."""
    return {
        name.replace("%", kind): value
        for name, value in table.items()
        for kind in (STATES[operator] if "%" in name else "%")
    }


@pytest.mark.parametrize(
    ("case", "operator"),
    [
        pytest.param(case, operator, id=f"{operator}, {case['name']}")
        for case in TABLE["graph"]
        for operator in case.get("operators", STATES)
    ],
)
def test_a_graph_is_read(case, operator, tmp_path):
    path, name = tmp_path / "m.onnx", case.get("entry", "a")
    graph = graph_of(case["nodes"], operator)
    inputs = named(case.get("inputs", {}), operator)
    graph.inputs |= {key: tuple(shape) or None for key, shape in inputs.items()}
    made = [(make, *item) for key, make in MADE.items() for item in named(case.get(key, {}), operator).items()]
    graph.constants |= {key: make(size, 7 + seed) for seed, (make, key, size) in enumerate(made)}
    entries = {entry.name: entry for entry in entries_of(graph.save(path))}
    assert list(entries) == case.get("entries", list(entries))
    entry = entries[name]
    assert (entry.supported, entry.num_layers) == (True, case.get("layers", 1))
    assert (entry.initial_state, entry.batch_size) == (case.get("state", "zeros"), case.get("samples"))
    if "masking" in case:
        assert case["masking"] in entry.masking
        assert entry.lengths == tuple(case.get("lengths", {}).get("lens", ()))
        assert EVERY_STEP in entry.assumptions
        assert not entries["other"].masking
    else:
        assert entry.masking == ""
        words = case.get("assumptions", [])[: len(STATES[operator])]
        assert [word in text for word, text in zip(words, entry.assumptions, strict=True)] == [True] * len(words)
    if case.get("run", True):
        inputs.pop("x", None)
        shapes = inputs | named(case.get("feed", {}), operator)
        fed = {
            key: normal(*(N if size == "N" else size for size in shape), seed=30 + seed)
            for seed, (key, shape) in enumerate(shapes.items())
        }
        run_graph(graph, path, name, fed)
    if case.get("drawn"):
        # Exporters write zeros where the model's code gives no state; they would leave bugs undetected.
        config = config_of(path, entry)
        assert config.initial_state.source == "uniform"
        assert (config.sequence.timesteps, config.sequence.batch_size) == (16, 3)


@pytest.mark.parametrize("node", TABLE["attributes"]["read"])
def test_other_attributes_are_read(node, tmp_path):
    entry = run_graph(graph_of(f"a = {node} (x)"), tmp_path / "m.onnx")
    assert entry.biases is ("bias = 0" not in node)


@pytest.mark.parametrize(("node", "word"), TABLE["attributes"]["refused"])
def test_a_node_that_no_cell_computes_is_refused_by_name(node, word, tmp_path):
    path = graph_of(f"a = {node} (x)").save(tmp_path / "m.onnx")
    entry = entry_of(path)
    operator = node.split()[0]
    assert (entry.supported, entry.cell) == (False, {"RNN": "rnn_tanh"}.get(operator, operator.lower()))
    assert word in entry.reason
    with pytest.raises(InputError, match="cannot be run"):
        open_model(path).parameters("a")


@pytest.mark.parametrize(
    ("between", "layers"),
    [
        *((text, [2, 1, 1]) for text in TABLE["between"]["joined"]),
        *((text, [1, 1]) for text in TABLE["between"]["apart"]),
    ],
)
def test_layers_that_pass_on_their_whole_output_unchanged_are_a_stack(between, layers, tmp_path):
    path = graph_of(f"a = OP (x)\n{between}\nb = OP (s)", "RNN").save(tmp_path / "m.onnx")
    assert [entry.num_layers for entry in entries_of(path)] == layers


@pytest.mark.parametrize("nodes", TABLE["weights"].values(), ids=TABLE["weights"])
def test_weights_computed_by_the_graph_from_constants_are_read(nodes, tmp_path):
    graph = graph_of(f"{nodes}\na = OP (x)")
    w = graph.constants.pop("a_W")
    shift = normal(1, w.shape[1], 1)
    graph.constants |= {"w": w, "double": w.astype(np.float64), "part": w[:, :8], "half": np.float32(0.5)}
    graph.constants["shift"] = shift
    run_graph(graph, tmp_path / "m.onnx")


@pytest.mark.parametrize("operator", STATES)
def test_nodes_with_the_batch_first_are_read(operator, tmp_path):
    graph = graph_of(
        """l0 = OP <layout = 1> (x, , %)
                        x1 = Squeeze (l0_y, i2)
                        l1 = OP <layout = 1> (x1, , %)""",
        operator,
    )
    graph.constants |= {kind: normal(N, 1, H, seed=60 + k) for k, kind in enumerate(STATES[operator])}
    path = graph.save(tmp_path / "m.onnx")
    # ONNX Runtime does not compute this layout on a CPU.
    y = ReferenceEvaluator(str(path)).run(None, {"x": X.swapaxes(0, 1)})[0]
    entry = entry_of(path, "l0..l1")
    assert (entry.initial_state, entry.batch_size) == ("stored", N)
    assert_near(computed_on(path, X.swapaxes(0, 1), entry.name).out, in_time(y.transpose(1, 2, 0, 3)), 1e-5)


def test_a_deep_stack_is_one_network_and_a_graph_in_a_circle_is_none(tmp_path):
    lines = [f"l{k} = OP ({'s' if k else 'x'}{k or ''})\ns{k + 1} = Squeeze (l{k}_y, i1)" for k in range(100)]
    first, *single = entries_of(graph_of("\n".join(lines)).save(tmp_path / "m.onnx"))
    assert (first.num_layers, len(single)) == (100, 100)
    circle = graph_of("\n".join(lines[:3]))
    circle.nodes[0].input[0] = "s3"
    for operator in ("Tanh", "MatMul", "Transpose"):
        circle.node(operator, [operator, "l0_R"], operator)
    assert [entry.supported for entry in entries_of(circle.save(tmp_path / "c.onnx"))]


def test_layers_in_functions_are_one_network_through_the_calls(tmp_path):
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    body = [
        helper.make_node("GRU", ["s", "w", "r", "b"], ["seq", "last"], linear_before_reset=1, hidden_size=H),
        helper.make_node("Squeeze", ["seq", "one"], ["out"]),
    ]
    opsets = [helper.make_opsetid("", 17)]
    graph.functions = [helper.make_function("local", "Layer", ["s", "w", "r", "b", "one"], ["out"], body, opsets)]
    graph.constant("axis", np.array([1]))
    for k in range(2):
        graph.recurrent("GRU", x, f"l{k}", features=H if k else FEATURES, seed=k + 1)
        graph.nodes.pop()
        x = graph.node("Layer", [x, f"l{k}_W", f"l{k}_R", f"l{k}_B", "axis"], f"x{k}", domain="local")
    graph.outputs = [graph.node("Unsqueeze", [x, "axis"], "y")]
    entry = run_graph(graph, tmp_path / "m.onnx", "seq..seq")
    assert entry.num_layers == 2


@pytest.mark.parametrize("reads", ["another sequence", "the encoder's outputs"])
@pytest.mark.parametrize("operator", STATES)
def test_an_encoder_and_its_decoder_are_two_networks(operator, reads, tmp_path):
    path, own = tmp_path / "m.onnx", reads == "another sequence"
    graph = graph_of(f"a = OP (x)\nz = Squeeze (a_y, i1)\ndec = OP ({'x' if own else 'z'}, , a_%)", operator)
    graph.outputs = ["a_y", "dec_y", *(f"a_{kind}" for kind in STATES[operator])]
    entry = run_graph(graph, path)
    assert [entry.name for entry in entries_of(path)] == ["a", "dec"]
    decoder = entry_of(path, "dec")
    assert entry.initial_state == "zeros"
    assert (decoder.supported, decoder.initial_state) == (True, "computed")
    assert decoder.assumptions == ('the model starts this network from the final state of "a"',)
    enc, dec, *final = runtime(path, {"x": X})
    sequence, state = X if own else in_time(enc), dict(zip("hc", final, strict=False))
    assert_near(computed_on(path, sequence.swapaxes(0, 1), "dec", state=state).out, in_time(dec), 1e-5)


def test_a_state_that_a_loop_carries_is_named(tmp_path):
    graph = graph_of("a = OP (x)", "GRU")
    inner = Graph(inputs={"turn": (), "go_on": (), "carried": None}, outputs=["went_on", "b_h"])
    inner.read("went_on = Identity (go_on)\nb = OP <seed = 2> (x, , carried)", "GRU")
    graph.constants |= inner.constants | {"turns": np.array(2)}
    inner.constants = {}
    graph.node("Loop", ["turns", "", "a_h"], "looped", body=inner.proto().graph)
    entry = entry_of(graph.save(tmp_path / "m.onnx"), "b")
    assert (entry.supported, entry.initial_state) == (True, "computed")
    assert '"carried"' in entry.assumptions[0]


@pytest.mark.parametrize("given", ["constant", "input"])
@pytest.mark.parametrize("directions", [1, 2])
def test_lengths_of_a_model_or_of_the_caller_are_computed(given, directions, tmp_path):
    path, lengths = tmp_path / "m.onnx", np.array([2, 5], np.int32)
    graph = graph_of(f"a = OP <directions = {directions}> (x, lens)", "GRU")
    fed = {"x": X}
    if given == "constant":
        graph.constant("lens", lengths)
    else:
        graph.input("lens", None)
        fed["lens"] = lengths
    y = runtime(graph.save(path), fed)[0]
    ran = computed_on(path, X.swapaxes(0, 1), lengths=None if given == "constant" else tuple(map(int, lengths)))
    assert_near(ran.out, in_time(y), 1e-5)
    assert ran.inputs.lengths == tuple(lengths)
    assert EVERY_STEP not in ran.inputs.assumptions
    fewer = computed_on(path, X[:, :1].swapaxes(0, 1))
    assert (fewer.inputs.lengths, EVERY_STEP in fewer.inputs.assumptions) == ((), True)


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        (["x", "x", "a_R", "a_B"], "W is the input x of the model"),
        (["x", "a_W", "nowhere", "a_B"], "R is nowhere"),
        (["x", "a_W"], "no input R"),
        (["x", "whole", "a_R"], "int8"),
        (["x", "double", "a_R"], "one type"),
    ],
)
def test_weights_that_are_missing_or_of_other_types_are_the_reason(inputs, word, tmp_path):
    graph = graph_of("a = OP (x)")
    graph.constant("whole", graph.constants["a_W"].astype(np.int8))
    graph.constant("double", graph.constants["a_W"].astype(np.float64))
    graph.nodes[0].input[:] = inputs
    entry = entry_of(graph.save(tmp_path / "m.onnx"))
    assert not entry.supported
    assert word in entry.reason


@pytest.mark.parametrize("per", ["tensor", "axis"])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_weights_behind_dequantize_are_those_of_onnx_runtime(kind, per, tmp_path):
    graph = graph_of("a = OP (x)")
    rng = np.random.default_rng(5)
    for name in ("a_W", "a_R"):
        shape = graph.constants.pop(name).shape
        low, count = (-128 if kind == np.int8 else 0), shape[1] if per == "axis" else 1
        scale = rng.uniform(0.004, 0.01, count).astype(np.float32)
        zero = rng.integers(low + 100, low + 150, count).astype(kind)
        given = [
            graph.constant(f"{name}_q", rng.integers(low, low + 256, shape).astype(kind)),
            graph.constant(f"{name}_s", scale if per == "axis" else scale[0]),
            graph.constant(f"{name}_z", zero if per == "axis" else zero[0]),
        ]
        graph.node("DequantizeLinear", given, name, axis=1)
        graph.nodes.insert(0, graph.nodes.pop())
    run_graph(graph, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("scale", "attributes", "word"),
    [
        (np.ones((1, 4 * H, 1), np.float32), {"axis": 2, "block_size": FEATURES}, "block"),
        (np.ones((), np.float16), {}, "float16"),
        (np.ones(3, np.float32), {"axis": 1}, "do not fit"),
    ],
)
def test_other_quantizations_are_the_reason(scale, attributes, word, tmp_path):
    graph = graph_of("a = OP (x)")
    graph.constant("q", np.ones(graph.constants.pop("a_W").shape, np.int8))
    graph.node("DequantizeLinear", ["q", graph.constant("scale", scale)], "a_W", **attributes)
    entry = entry_of(graph.save(tmp_path / "m.onnx"))
    assert not entry.supported
    assert word in entry.reason


@pytest.mark.parametrize(
    ("data_type", "dtype"),
    [
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.BFLOAT16, "bfloat16"),
        (TensorProto.FLOAT, "float32"),
        (TensorProto.DOUBLE, "float64"),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_weights_are_widened_exactly(data_type, dtype, raw, tmp_path):
    exact = np.dtype(helper.tensor_dtype_to_np_dtype(data_type))
    model = graph_of("a = OP (x)", "RNN").proto()
    arrays = {tensor.name: numpy_helper.to_array(tensor).astype(exact) for tensor in model.graph.initializer}
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        helper.make_tensor(name, data_type, array.shape, array.tobytes() if raw else array.reshape(-1), raw=raw)
        for name, array in arrays.items()
    )
    onnx.save(model, tmp_path / "m.onnx")
    assert entry_of(tmp_path / "m.onnx").dtype == dtype
    wide = np.float64 if dtype == "float64" else np.float32
    read = open_model(tmp_path / "m.onnx").parameters("a")["l0_i2h_weight"]
    np.testing.assert_array_equal(read, arrays["a_W"][0].astype(wide), strict=True)


def test_layers_in_loops_and_scans_are_found_with_weights_from_anywhere(tmp_path):
    """Of the outer graph, of the subgraph, and of Constant nodes."""
    graph = Graph(outputs=["scanned"])
    x = graph.input("x", None, None, FEATURES)
    scan = Graph(inputs={"row": (1, FEATURES)}, outputs=["c_h"])
    scan.node("Unsqueeze", ["row", graph.constant("axis_0", np.array([0]))], "step")
    scan.recurrent("GRU", "step", "c", weights="b")
    graph.constants |= scan.constants
    scan.constants = {}
    graph.node("Scan", [x], "scanned", body=scan.proto().graph, num_scan_inputs=1)
    path = graph.save(tmp_path / "m.onnx")
    # Every row is a sequence of one time step.
    (steps,) = runtime(path, {"x": X[:, :1]})
    for t in range(T):
        ran = computed_on(path, X[t : t + 1, :1], "c", state="zeros")
        assert_near(ran.states[0], steps[t], 1e-5)

    loop = Graph(inputs={"turn": (), "go_on": (), "carried": None}, outputs=["go_on", "carried"])
    own = normal(1, 3 * H, H, seed=7)
    loop.node("Constant", [], "a_R", value=numpy_helper.from_array(own, "a_R"))
    loop.recurrent("GRU", x, "a")
    del loop.constants["a_R"]
    loop.recurrent("GRU", x, "b")
    loop.nodes[-1].input[1] = "carried"
    graph.node("Loop", [graph.constant("turns", np.int64(2)), "", "b_W"], "looped", body=loop.proto().graph)
    found = {entry.name: entry for entry in entries_of(graph.save(path))}
    assert {name: entry.supported for name, entry in found.items()} == {"c": True, "a": True, "b": False}
    assert "W is carried, which changes in each iteration of a graph" in found["b"].reason
    read = open_model(path).parameters("a")
    for name, stored in (("l0_i2h_weight", loop.constants["a_W"]), ("l0_h2h_weight", own)):
        z, r, h = np.split(stored[0], 3)
        np.testing.assert_array_equal(read[name], np.concatenate([r, z, h]))


def test_functions_without_end_are_refused(tmp_path, monkeypatch):
    """One calls itself; of the others each calls the next twice: a small file of 2 to the 60 nodes."""
    opsets = [helper.make_opsetid("local", 1)]
    call = helper.make_node("Again", ["a"], ["b"], domain="local")
    graph = Graph(outputs=["y"], functions=[helper.make_function("local", "Again", ["a"], ["b"], [call], opsets)])
    graph.node("Again", [graph.input("x")], "y", domain="local")
    with pytest.raises(InputError, match="deep"):
        entries_of(graph.save(tmp_path / "m.onnx"))
    monkeypatch.setattr("rnnviz.io.model_formats.onnx_graph._MOST_NODES", 10_000)
    for level in range(60):
        calls = [helper.make_node(f"F{level + 1}", ["a"], [out], domain="local") for out in ("b", "c")]
        graph.functions.append(helper.make_function("local", f"F{level}", ["a"], ["b"], calls, opsets))
    graph.nodes[0].op_type = "F0"
    with pytest.raises(InputError, match="more than 10,000 nodes"):
        entries_of(graph.save(tmp_path / "m.onnx"))


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_onnx_computes_its_expected_outputs(name, tmp_path):
    case, path = CASES[name], tmp_path / "m.onnx"
    onnx.save(case.model, path)
    reason = entry_of(path).reason
    assert "W is the input W of the model" in reason or "P is the input P" in reason
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs, expected = case.data_sets[0]
    given = dict(zip((value.name for value in model.graph.input), inputs, strict=True))
    model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in given.items() if key != "X")
    onnx.save(model, path)
    (node,) = model.graph.node
    batch_first = any(attribute.name == "layout" for attribute in node.attribute)
    assert not entry_of(path).masking  # every sample is as long as the sequence
    ran = computed_on(path, given["X"] if batch_first else given["X"].swapaxes(0, 1))
    computed = [ran.out, *ran.states]
    for output, wanted in zip(filter(None, node.output), expected, strict=True):
        place = list(node.output).index(output)
        if place == 0:
            wanted = in_time(wanted.transpose(1, 2, 0, 3) if batch_first else wanted)
        elif batch_first:
            wanted = wanted.swapaxes(0, 1)
        assert_near(computed[place], wanted, 1e-5)
