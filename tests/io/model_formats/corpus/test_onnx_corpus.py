"""ONNX models from exporters and from constructed graphs, compared with ONNX Runtime."""

from collections.abc import Callable, Mapping
from pathlib import Path

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
from tests.io.model_formats.corpus.onnx_graphs import CASES, FEATURES, Array, Graph, H, N, T, in_time, normal, runtime
from tests.oracles.computed import assert_near

pytestmark = pytest.mark.slow
X = normal(T, N, FEATURES, seed=99)


def integers(*values: int) -> Array:
    return np.array(values, np.int64)


def batch_of(graph: Graph, x: str = "x") -> str:
    """The size of the batch of x (T, N, I) as a list of one number, as exporters write it."""
    graph.node("Shape", [x], "x_shape")
    graph.node("Gather", ["x_shape", graph.constant("one", np.int64(1))], "batch")
    return graph.node("Unsqueeze", ["batch", graph.constant("axis_0", integers(0))], "batch_1")


def run_graph(graph: Graph, path: Path, name: str = "a", feed: Mapping[str, Array] | None = None) -> Entry:
    """The network `name`, which has the outputs that ONNX Runtime gives as the graph's first output, (T, D, N, H)."""
    graph.save(path)
    given = {"x": X, **(feed or {})}
    y = runtime(path, given)[0]
    entry = entry_of(path, name)
    state = {}
    if entry.initial_state == "input":
        state = {kind: given[kind] for kind in ("h", "c") if kind in given}
    x = X.swapaxes(0, 1)
    ran = computed_on(path, x, name, state=state or None)
    assert_near(ran.out, in_time(y), 1e-5)
    return entry


OPERATORS = ("RNN", "LSTM", "GRU")


def kinds_of(operator: str) -> str:
    return "hc" if operator == "LSTM" else "h"


def one(operator: str, directions: int = 1, states: Mapping[str, Array] | None = None, **options: object) -> Graph:
    """A graph of one node "a"; constant initial states by "h" and "c"."""
    graph = Graph()
    names = [graph.constant(name, array) for name, array in (states or {}).items()]
    graph.outputs = [
        graph.recurrent(
            operator, graph.input("x", None, None, FEATURES), "a", directions=directions, states=names, **options
        )
    ]
    return graph


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("samples", ["each", "alike"])
def test_constant_initial_states_are_read(operator, directions, samples, tmp_path):
    states = {kind: normal(directions, N, H, seed=7 + k) for k, kind in enumerate(kinds_of(operator))}
    if samples == "alike":
        states = {kind: np.repeat(state[:, :1], N, axis=1) for kind, state in states.items()}
    entry = run_graph(one(operator, directions, states), tmp_path / "m.onnx")
    assert entry.initial_state == "stored"
    assert entry.batch_size == (N if samples == "each" else None)
    assert not entry.assumptions


@pytest.mark.parametrize("made", ["expand", "where", "double"])
@pytest.mark.parametrize("operator", ["LSTM", "GRU"])
def test_a_learned_initial_state_expanded_to_any_batch_is_read(operator, made, tmp_path):
    graph = Graph()
    x = graph.input("x", "T", "N", FEATURES)
    batch = batch_of(graph, x)
    names = []
    for seed, kind in enumerate(kinds_of(operator)):
        learned = graph.constant(f"{kind}0", normal(1, 1, H, seed=20 + seed))
        sizes = [graph.constant("d", integers(1)), batch, graph.constant("H", integers(H))]
        shape = graph.node("Concat", sizes, f"{kind}_shape", axis=0)
        match made:
            case "where":  # the older exporter of PyTorch for expand(-1, N, -1)
                wanted = graph.node("Concat", [graph.constant("m", integers(-1)), batch, "m"], f"{kind}_w", axis=0)
                graph.node("ConstantOfShape", [graph.constant("three", integers(3))], f"{kind}_o")
                graph.node("Add", [f"{kind}_o", graph.constant("ones", np.float32(1))], f"{kind}_1")
                graph.node("Cast", [f"{kind}_1"], f"{kind}_i", to=7)
                graph.node("Equal", [wanted, "m"], f"{kind}_e")
                graph.node("Where", [f"{kind}_e", f"{kind}_i", wanted], f"{kind}_s")
                state = graph.node("Expand", [learned, f"{kind}_s"], kind)
            case "double":
                graph.constant(f"{kind}0", normal(1, 1, H, seed=20 + seed, dtype=np.float64))
                graph.node("Cast", [learned], f"{kind}_f", to=1)
                state = graph.node("Expand", [f"{kind}_f", shape], kind)
            case _:
                state = graph.node("Expand", [learned, shape], kind)
        names.append(state)
    graph.outputs = [graph.recurrent(operator, x, "a", states=names)]
    entry = run_graph(graph, tmp_path / "m.onnx")
    assert (entry.initial_state, entry.batch_size, entry.assumptions) == ("stored", None, ())


def test_a_state_of_several_samples_that_the_model_spreads_over_any_number_must_be_chosen(tmp_path):
    graph = Graph()
    x = graph.input("x", "T", "N", FEATURES)
    sizes = [graph.constant("d", integers(1)), batch_of(graph, x), graph.constant("H", integers(H))]
    shape = graph.node("Concat", sizes, "shape", axis=0)
    state = graph.node("Expand", [graph.constant("h0", normal(1, N, H)), shape], "h")
    graph.outputs = [graph.recurrent("GRU", x, "a", states=[state])]
    entry = entry_of(graph.save(tmp_path / "m.onnx"))
    assert entry.initial_state == "computed"
    assert '"h", which it computes' in entry.assumptions[0]


@pytest.mark.parametrize("made", ["constant", "expand", "of shape", "of the shape of another value", "absent"])
def test_initial_states_of_zeros_are_zeros(made, tmp_path):
    graph = Graph()
    x = graph.input("x", "T", "N", FEATURES)
    match made:
        case "constant":
            state = graph.constant("h", np.zeros((1, N, H), np.float32))
        case "absent":
            state = ""
        case _:
            if made == "of the shape of another value":
                graph.node("Tanh", [x], "tanh")
            batch = batch_of(graph, "tanh" if "another" in made else x)
            sizes = [graph.constant("d", integers(1)), batch, graph.constant("H", integers(H))]
            shape = graph.node("Concat", sizes, "shape", axis=0)
            if made == "expand":
                state = graph.node("Expand", [graph.constant("zero", np.float32(0)), shape], "h")
            else:
                state = graph.node("ConstantOfShape", [shape], "h")
    graph.outputs = [graph.recurrent("LSTM", x, "a", states=[state, state])]
    entry = run_graph(graph, tmp_path / "m.onnx")
    assert (entry.initial_state, entry.assumptions) == ("zeros", ())
    # Exporters write zeros where the model's code gives no state; they would leave bugs undetected.
    config = config_of(tmp_path / "m.onnx", entry)
    assert config.initial_state.source == "uniform"
    assert (config.sequence.timesteps, config.sequence.batch_size) == (16, 3)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("operator", OPERATORS)
def test_initial_states_from_the_caller_are_named(operator, declared, tmp_path):
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    names = [graph.input(kind, *((1, None, H) if declared else ())) for kind in kinds_of(operator)]
    graph.outputs = [graph.recurrent(operator, x, "a", states=names)]
    feed = {kind: normal(1, N, H, seed=30 + k) for k, kind in enumerate(names)}
    entry = run_graph(graph, tmp_path / "m.onnx", feed=feed)
    assert entry.initial_state == "input"
    assert len(entry.assumptions) == len(names)
    assert all(f'"{name}"' in text for name, text in zip(names, entry.assumptions, strict=True))


def stack(operator: str, states: Callable[[Graph, int, str], str], layers: int = 3) -> Graph:
    """Nodes "l0" to "l2" that feed each other; `states` gives the initial state of each by its number and kind."""
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    for k in range(layers):
        given = [states(graph, k, kind) for kind in kinds_of(operator)]
        y = graph.recurrent(operator, x, f"l{k}", features=H if k else FEATURES, states=given, seed=k + 1)
        x = graph.node("Squeeze", [y, graph.constant("axis_1", integers(1))], f"x{k}")
    graph.outputs = [y]
    return graph


def rows_of_input(graph: Graph, k: int, kind: str) -> str:
    graph.input(kind, 3, None, H)
    return graph.node("Slice", [kind, *[graph.constant(f"n{n}", integers(n)) for n in (k, k + 1, 0)]], f"{kind}{k}")


def split_input(graph: Graph, k: int, kind: str) -> str:
    if kind not in graph.inputs:
        graph.node("Split", [graph.input(kind, 3, None, H)], *[f"{kind}{n}" for n in range(3)], axis=0)
    return f"{kind}{k}"


def gathered_input(graph: Graph, k: int, kind: str) -> str:
    graph.input(kind, 3, None, H)
    graph.node("Gather", [kind, graph.constant(f"n{k}", np.int64(k))], f"{kind}_row{k}", axis=0)
    return graph.node("Unsqueeze", [f"{kind}_row{k}", graph.constant("axis_0", integers(0))], f"{kind}{k}")


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("states", [rows_of_input, split_input, gathered_input])
def test_layers_that_start_from_the_rows_of_one_input_are_one_network(operator, states, tmp_path):
    feed = {kind: normal(3, N, H, seed=40 + k) for k, kind in enumerate(kinds_of(operator))}
    entry = run_graph(stack(operator, states), tmp_path / "m.onnx", "l0..l2", feed)
    assert (entry.num_layers, entry.initial_state) == (3, "input")


def test_a_deep_stack_is_one_network_and_a_graph_in_a_circle_is_none(tmp_path):
    deep = stack("GRU", lambda _graph, _k, _kind: "", layers=100)
    first, *single = entries_of(deep.save(tmp_path / "m.onnx"))
    assert (first.num_layers, len(single)) == (100, 100)
    circle = stack("GRU", lambda _graph, _k, _kind: "")
    circle.nodes[0].input[0] = "x2"
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
    graph.constant("axis", integers(1))
    for k in range(2):
        graph.recurrent("GRU", x, f"l{k}", features=H if k else FEATURES, seed=k + 1)
        graph.nodes.pop()
        x = graph.node("Layer", [x, f"l{k}_W", f"l{k}_R", f"l{k}_B", "axis"], f"x{k}", domain="local")
    graph.outputs = [graph.node("Unsqueeze", [x, "axis"], "y")]
    entry = run_graph(graph, tmp_path / "m.onnx", "seq..seq")
    assert entry.num_layers == 2


def names_in(graph: Graph, path: Path) -> list[str]:
    return [entry.name for entry in entries_of(graph.save(path))]


@pytest.mark.parametrize("reads", ["another sequence", "the encoder's outputs"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_an_encoder_and_its_decoder_are_two_networks(operator, reads, tmp_path):
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    y = graph.recurrent(operator, x, "a")
    states = [f"a_{kind}" for kind in kinds_of(operator)]
    z = x if reads == "another sequence" else graph.node("Squeeze", [y, graph.constant("axis_1", integers(1))], "z")
    graph.recurrent(operator, z, "dec", features=FEATURES if z == x else H, states=states, seed=3)
    graph.outputs = ["a_y", "dec_y", *states]
    entry = run_graph(graph, tmp_path / "m.onnx")
    assert names_in(graph, tmp_path / "m.onnx") == ["a", "dec"]
    decoder = entry_of(tmp_path / "m.onnx", "dec")
    assert entry.initial_state == "zeros"
    assert (decoder.supported, decoder.initial_state) == (True, "computed")
    assert decoder.assumptions == ('the model starts this network from the final state of "a"',)
    enc, dec, *final = runtime(tmp_path / "m.onnx", {"x": X})
    sequence = X if z == x else in_time(enc)
    state = dict(zip("hc", final, strict=False))
    assert_near(computed_on(tmp_path / "m.onnx", sequence.swapaxes(0, 1), "dec", state=state).out, in_time(dec), 1e-5)


@pytest.mark.parametrize(
    ("through", "named"),
    [
        ("Tanh", '"a"'),
        ("MatMul", '"a"'),
        ("constant", 'by its node "state", Tanh'),
        ("chosen", 'by its node "state", Gather'),
        ("loop", '"carried"'),
    ],
)
def test_a_state_that_is_computed_is_named(through, named, tmp_path):
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    graph.recurrent("GRU", x, "a")
    if through == "loop":
        inner = Graph(inputs={"turn": (), "go_on": (), "carried": None}, outputs=["went_on", "b_h"])
        inner.node("Identity", ["go_on"], "went_on")
        inner.recurrent("GRU", "x", "b", states=["carried"], seed=2)
        graph.constants |= inner.constants
        inner.constants = {}
        body = inner.proto().graph
        graph.node("Loop", [graph.constant("turns", np.int64(2)), "", "a_h"], "looped", body=body)
    else:
        given = {"constant": ["learned"], "MatMul": ["a_h", "square"], "Tanh": ["a_h"], "chosen": ["rows", "number"]}[
            through
        ]
        graph.constant("rows", normal(5, N, H, seed=5))
        if through == "chosen":
            graph.node("Cast", [graph.input("number_in", 1)], "number", to=7)
        operator = {"constant": "Tanh", "chosen": "Gather"}.get(through, through)
        graph.constant("learned", normal(1, N, H, seed=3))
        graph.constant("square", normal(H, H, seed=4))
        state = graph.node(operator, given, "s", name="state")
        graph.recurrent("GRU", x, "b", states=[state], seed=2)
    graph.outputs = ["a_y"]
    entry = entry_of(graph.save(tmp_path / "m.onnx"), "b")
    assert (entry.supported, entry.initial_state) == (True, "computed")
    assert named in entry.assumptions[0]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("made", ["constant", "of the shape"])
def test_lengths_of_the_whole_sequence_skip_nothing(operator, made, tmp_path):
    graph = Graph()
    if made == "constant":
        x = graph.input("x", T, N, FEATURES)
        lens = graph.constant("lens", np.full(N, T, np.int32))
    else:
        x = graph.input("x", "T", "N", FEATURES)
        batch = batch_of(graph, x)
        graph.node("Slice", ["x_shape", "axis_0", graph.constant("to", integers(1))], "steps")
        graph.node("Expand", ["steps", batch], "lens_64")
        lens = graph.node("Cast", ["lens_64"], "lens", to=6)
    graph.outputs = [graph.recurrent(operator, x, "a", lengths=lens, directions=2)]
    entry = run_graph(graph, tmp_path / "m.onnx")
    assert (entry.masking, entry.assumptions) == ("", ())


@pytest.mark.parametrize("given", ["constant", "input", "computed"])
def test_steps_that_a_model_skips_are_reported(given, tmp_path):
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    match given:
        case "constant":
            lens = graph.constant("lens", np.array([2, 5], np.int32))
        case "input":
            lens = graph.input("lens", None)
        case _:
            lens = graph.node("Abs", [graph.input("lens_in", None)], "lens")
    y = graph.recurrent("LSTM", x, "a", lengths=lens)
    graph.node("Squeeze", [y, graph.constant("axis_1", integers(1))], "z")
    graph.recurrent("LSTM", "z", "b", features=H, lengths=lens)
    graph.recurrent("LSTM", "z", "other", features=H)
    graph.outputs = ["b_y"]
    assert names_in(graph, tmp_path / "m.onnx") == ["a..b", "a", "b", "other"]
    entry = entry_of(tmp_path / "m.onnx", "a..b")
    assert entry.supported
    assert ("2, 5" if given == "constant" else "lens") in entry.masking
    assert EVERY_STEP in entry.assumptions
    assert entry.lengths == ((2, 5) if given == "constant" else ())
    assert not entry_of(tmp_path / "m.onnx", "other").masking


@pytest.mark.parametrize("given", ["constant", "input"])
@pytest.mark.parametrize("directions", [1, 2])
def test_lengths_of_a_model_or_of_the_caller_are_computed(given, directions, tmp_path):
    path, lengths = tmp_path / "m.onnx", np.array([2, 5, 1][:N], np.int32)
    graph = Graph()
    x = graph.input("x", None, None, FEATURES)
    lens = graph.constant("lens", lengths) if given == "constant" else graph.input("lens", None)
    graph.outputs = [graph.recurrent("GRU", x, "a", lengths=lens, directions=directions)]
    graph.save(path)
    fed = {"x": X} if given == "constant" else {"x": X, "lens": lengths}
    y = runtime(path, fed)[0]
    ran = computed_on(path, X.swapaxes(0, 1), lengths=None if given == "constant" else tuple(map(int, lengths)))
    assert_near(ran.out, in_time(y), 1e-5)
    assert ran.inputs.lengths == tuple(lengths)
    assert EVERY_STEP not in ran.inputs.assumptions
    fewer = computed_on(path, X[:, :1].swapaxes(0, 1))
    assert (fewer.inputs.lengths, EVERY_STEP in fewer.inputs.assumptions) == ((), True)


REFUSED = [
    ("LSTM", {"clip": 0.0}, "clip is 0"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh", "Selu"]}, "Selu"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh"]}, "3 for each"),
    ("LSTM", {"direction": "sideways"}, "sideways"),
    ("LSTM", {"direction": 1}, "direction is not known, or of a wrong type"),
    ("LSTM", {"layout": 2}, "layout"),
    ("LSTM", {"wings": 2}, "wings"),
    ("LSTM", {"hidden_size": 3}, "W has the shape"),
    ("LSTM", {"direction": "bidirectional"}, "W has the shape"),
    ("GRU", {"directions": 2, "activations": ["Sigmoid", "Tanh", "Sigmoid", "Relu"]}, "different activations"),
    ("RNN", {"activations": ["Affine"], "activation_alpha": [0.1]}, "Affine lacks activation_alpha"),
    ("RNN", {"activations": ["ThresholdedRelu"]}, "ThresholdedRelu lacks activation_alpha"),
]


@pytest.mark.parametrize(("operator", "attributes", "word"), REFUSED)
def test_a_node_that_no_cell_computes_is_refused_by_name(operator, attributes, word, tmp_path):
    path = one(operator, **attributes).save(tmp_path / "m.onnx")
    entry = entry_of(path)
    assert (entry.supported, entry.cell) == (False, {"RNN": "rnn_tanh"}.get(operator, operator.lower()))
    assert word in entry.reason
    with pytest.raises(InputError, match="cannot be run"):
        open_model(path).parameters("a")


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
    graph = one("LSTM")
    graph.constant("whole", graph.constants["a_W"].astype(np.int8))
    graph.constant("double", graph.constants["a_W"].astype(np.float64))
    graph.nodes[0].input[:] = inputs
    entry = entry_of(graph.save(tmp_path / "m.onnx"))
    assert not entry.supported
    assert word in entry.reason


@pytest.mark.parametrize(
    ("operator", "directions", "attributes"),
    [
        ("LSTM", 1, {"clip": float(np.finfo(np.float32).max)}),
        ("LSTM", 1, {"activations": ["sigmoid", "TANH", "Tanh"]}),
        ("LSTM", 2, {"activations": ["Sigmoid", "Tanh", "Tanh"] * 2, "activation_alpha": [0.3]}),
        ("GRU", 2, {"activations": ["Sigmoid", "Tanh"] * 2}),
        ("RNN", 1, {"activations": ["Relu"]}),
        ("RNN", 2, {"activations": ["Relu", "Relu"]}),
        ("LSTM", 1, {"direction": "reverse"}),
        ("GRU", 1, {"direction": "reverse"}),
        ("RNN", 1, {"direction": "reverse", "activations": ["Relu"]}),
        ("LSTM", 1, {"bias": False}),
        ("GRU", 2, {"bias": False}),
        ("LSTM", 2, {"clip": 0.5}),
        ("GRU", 1, {"clip": 0.5}),
        ("LSTM", 1, {"input_forget": 1}),
        ("GRU", 2, {"linear_before_reset": 0}),
        ("LSTM", 1, {"activations": ["Sigmoid", "Tanh", "Softsign"]}),
        ("LSTM", 1, {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [0.2]}),
        ("RNN", 1, {"activations": ["LeakyRelu"], "activation_alpha": [0.1]}),
        ("RNN", 2, {"activations": ["Sigmoid"] * 2}),
        ("GRU", 1, {"activations": ["Sigmoid", "Elu"]}),
    ],
)
def test_other_attributes_are_read(operator, directions, attributes, tmp_path):
    entry = run_graph(one(operator, directions, **attributes), tmp_path / "m.onnx")
    assert entry.biases is attributes.get("bias", True)


@pytest.mark.parametrize("per", ["tensor", "axis"])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_weights_behind_dequantize_are_those_of_onnx_runtime(kind, per, tmp_path):
    graph = one("LSTM")
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
    graph = one("LSTM")
    graph.constant("q", np.ones(graph.constants.pop("a_W").shape, np.int8))
    graph.node("DequantizeLinear", ["q", graph.constant("scale", scale)], "a_W", **attributes)
    entry = entry_of(graph.save(tmp_path / "m.onnx"))
    assert not entry.supported
    assert word in entry.reason


@pytest.mark.parametrize("made", ["gather", "reversed", "split", "sum", "cast", "flatten", "tile"])
def test_weights_computed_by_the_graph_from_constants_are_read(made, tmp_path):
    graph = one("LSTM")
    w = graph.constants.pop("a_W")
    if made == "cast":
        w = w.astype(np.float64)
    weight = graph.constant("w", w)
    rows = w.shape[1]
    match made:
        case "gather":
            graph.constant("order", np.random.default_rng(1).permutation(rows))
            graph.node("Gather", [weight, "order"], "a_W", axis=1)
        case "reversed":
            cut = [graph.constant(f"cut{k}", integers(v)) for k, v in enumerate((-1, -(2**63) + 1, 1, -1))]
            graph.node("Slice", [weight, *cut], "a_W")
        case "split":
            graph.node("Split", [weight, graph.constant("sizes", integers(5, rows - 5))], "first", "rest", axis=1)
            graph.node("Concat", ["rest", "first"], "a_W", axis=1)
        case "sum":
            graph.node("Mul", [weight, graph.constant("half", np.float32(0.5))], "halved")
            graph.node("Sub", ["halved", graph.constant("shift", normal(1, rows, 1))], "a_W")
        case "cast":
            graph.node("Cast", [weight], "a_W", to=1)
        case "flatten":
            graph.node("Flatten", [weight], "flat", axis=2)
            graph.node("Reshape", ["flat", graph.constant("shape", integers(1, -1, FEATURES))], "a_W")
        case "tile":
            graph.constant("w", w[:, : rows // 2])
            graph.node("Tile", [weight, graph.constant("twice", integers(1, 2, 1))], "a_W")
    graph.nodes = [*graph.nodes[1:], graph.nodes[0]]
    assert run_graph(graph, tmp_path / "m.onnx").supported


@pytest.mark.parametrize("swapped", [False, True])
def test_split_and_concatenated_directions_are_one_layer(swapped, tmp_path):
    graph = Graph()
    y = graph.recurrent("LSTM", graph.input("x", None, None, FEATURES), "l0", directions=2)
    graph.node("Split", [y, graph.constant("each", integers(1, 1))], "forward", "backward", axis=1)
    sides = []
    for side in ("forward", "backward"):
        graph.node("Squeeze", [side, graph.constant("axis_1", integers(1))], f"{side}_3")
        sides.append(graph.node("Transpose", [f"{side}_3"], f"{side}_n", perm=[1, 0, 2]))
    graph.node("Concat", sides[:: -1 if swapped else 1], "both", axis=2)
    x = graph.node("Transpose", ["both"], "x1", perm=[1, 0, 2])
    graph.outputs = [graph.recurrent("LSTM", x, "l1", features=2 * H, directions=2, seed=2)]
    if swapped:
        assert names_in(graph, tmp_path / "m.onnx") == ["l0", "l1"]
    else:
        assert run_graph(graph, tmp_path / "m.onnx", "l0..l1").num_layers == 2


@pytest.mark.parametrize("operator", OPERATORS)
def test_nodes_with_the_batch_first_are_read(operator, tmp_path):
    graph = Graph()
    x = graph.input("x", "N", "T", FEATURES)
    states = [graph.constant(kind, normal(N, 1, H, seed=60 + k)) for k, kind in enumerate(kinds_of(operator))]
    y = graph.recurrent(operator, x, "l0", layout=1, states=states)
    x = graph.node("Squeeze", [y, graph.constant("axis_2", integers(2))], "x1")
    graph.outputs = [graph.recurrent(operator, x, "l1", features=H, layout=1, states=states, seed=2)]
    path = graph.save(tmp_path / "m.onnx")
    # ONNX Runtime does not compute this layout on a CPU.
    y = ReferenceEvaluator(str(path)).run(None, {"x": X.swapaxes(0, 1)})[0]
    entry = entry_of(path, "l0..l1")
    assert (entry.initial_state, entry.batch_size) == ("stored", N)
    assert_near(computed_on(path, X.swapaxes(0, 1), entry.name).out, in_time(y.transpose(1, 2, 0, 3)), 1e-5)


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
    model = one("RNN").proto()
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


@pytest.mark.parametrize(
    ("between", "joined"),
    [
        ([("Squeeze", ["one"], {})], True),
        ([("Reshape", ["keep"], {})], True),
        ([("Transpose", [], {"perm": [1, 0, 2, 3]}), ("Reshape", ["drop"], {})], False),
        ([("Transpose", [], {"perm": [0, 2, 1, 3]}), ("Reshape", ["keep"], {})], True),
        ([("Squeeze", ["one"], {}), ("Transpose", [], {"perm": [1, 0, 2]})], False),
        ([("Squeeze", ["one"], {}), *[("Transpose", [], {"perm": [1, 0, 2]})] * 2], True),
        ([("Squeeze", ["one"], {}), ("Relu", [], {})], False),
        ([("Squeeze", [], {})], True),
    ],
)
def test_layers_that_pass_on_their_whole_output_unchanged_are_a_stack(between, joined, tmp_path):
    graph = one("RNN")
    # (T, 1, N, H) to (T, N, H)
    for name, numbers in {"one": [1], "keep": [0, -1, H], "drop": [1, 0, H]}.items():
        graph.constant(name, integers(*numbers))
    name = "a_y"
    for number, (operator, more, attributes) in enumerate(between):
        name = graph.node(operator, [name, *more], f"m{number}", **attributes)
    graph.outputs = [graph.recurrent("RNN", name, "b", features=H)]
    entries = entries_of(graph.save(tmp_path / "m.onnx"))
    assert [entry.num_layers for entry in entries] == ([2, 1, 1] if joined else [1, 1])


def test_layers_in_loops_and_scans_are_found_with_weights_from_anywhere(tmp_path):
    """Of the outer graph, of the subgraph, and of Constant nodes."""
    graph = Graph(outputs=["scanned"])
    x = graph.input("x", None, None, FEATURES)
    scan = Graph(inputs={"row": (1, FEATURES)}, outputs=["c_h"])
    scan.node("Unsqueeze", ["row", graph.constant("axis_0", integers(0))], "step")
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
