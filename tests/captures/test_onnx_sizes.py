"""An ONNX model at other lengths and numbers of samples: planted frozen sizes, and values that change."""

import numpy as np
import pytest
from onnx import helper

from rnnviz.captures.onnx_sizes import vary_sizes
from rnnviz.core.errors import InputError
from rnnviz.results.model_calls import SizeCause
from tests.captures.onnx_models import FEATURES, HIDDEN, files, layer, normal, save, weights

T, N = 6, 2
X = {"x": ("T", "N", FEATURES)}
BOTH = {"T": None, "N": None}


@pytest.fixture
def varied(tmp_path):
    def vary(nodes, inputs=X, outputs=("y",), constants=None, *, wanted=BOTH, axes=None, kinds=None, **given):
        constants = weights("GRU") if constants is None else constants
        path = save(tmp_path / "m.onnx", nodes, inputs, outputs, constants, kinds)
        given.setdefault("x", normal(T, N, FEATURES, seed=9))
        return vary_sizes(path, files(tmp_path, **given), axes or {}, wanted)

    return vary


def verdicts(found, axis):
    return {(own.size, own.alone): own.verdict for own in found.trials if own.axis == axis}


def first(found, verdict):
    return next(own for own in found.trials if own.verdict == verdict)


def test_open_sizes_give_the_same_values(varied):
    found = varied([layer("GRU", "x")])
    assert (found.verdict, found.frozen, found.axes) == ("same", (), {"x": "TN-"})
    assert verdicts(found, "T") == {(T + 3, None): "same", (T // 2, None): "same"}
    assert verdicts(found, "N") == {(N + 1, None): "same", (1, 0): "same", (1, 1): "same"}


def test_declared_sizes_are_frozen_though_the_graph_computes_others(varied):
    found = varied([layer("GRU", "x")], {"x": (T, N, FEATURES)})
    assert (found.verdict, found.frozen) == ("differ", ("T", "N"))
    assert {(own.verdict, own.cause, own.declared, own.name) for own in found.trials} == {
        ("frozen", SizeCause.DECLARED, ("x",), "")
    }


def test_a_constant_in_an_expand_freezes_the_length(varied):
    """As an export of a manual bidirectional layer, which reverses the time steps by an index of one size."""
    nodes = [
        helper.make_node("Expand", ["index", "sizes"], ["indices"], name="expand"),
        helper.make_node("GatherElements", ["x", "indices"], ["reversed"], name="gather", axis=0),
        helper.make_node("Add", ["x", "reversed"], ["both"], name="add"),
        layer("GRU", "both"),
    ]
    constants = weights("GRU") | {
        "index": np.arange(T)[::-1].reshape(T, 1, 1).copy(),
        "sizes": np.array([T, 1, FEATURES]),
    }
    found = varied(nodes, constants=constants, x=normal(T, 1, FEATURES), wanted={"T": None})
    assert found.frozen == ("T",)
    # Of fewer time steps, the indices are beyond the end; of more, the shapes of the sum differ.
    assert [(own.size, own.verdict, own.name) for own in found.trials] == [
        (T + 3, "fails", "add"),
        (T // 2, "fails", "gather"),
    ]


def test_a_constant_initial_state_freezes_the_samples(varied):
    start = weights("GRU") | {"start": normal(1, N, HIDDEN)}
    found = varied([layer("GRU", "x", "", "start")], constants=start)
    assert found.frozen == ("N",)
    assert set(verdicts(found, "T").values()) == {"same"}
    assert set(verdicts(found, "N").values()) == {"fails"}
    trial = first(found, "fails")
    assert (trial.operator, trial.cause) == ("GRU", SizeCause.FAILS)


def test_stored_lengths_freeze_the_time_steps(varied):
    found = varied([layer("GRU", "x", "lengths")], constants=weights("GRU") | {"lengths": np.full(N, T, np.int32)})
    longer = first(found, "frozen")
    assert (longer.axis, longer.size, longer.name, longer.cause) == ("T", T + 3, "gru", SizeCause.LENGTHS)


def test_a_slice_to_one_size_is_named(varied):
    nodes = [helper.make_node("Slice", ["x", "from", "to"], ["part"], name="cut"), layer("GRU", "part")]
    constants = weights("GRU") | {"from": np.array([0]), "to": np.array([T])}
    found = varied(nodes, constants=constants)
    trial = first(found, "frozen")
    assert (trial.size, trial.name, trial.operator, trial.cause) == (T + 3, "cut", "Slice", SizeCause.CONSTANT)
    assert verdicts(found, "T")[T // 2, None] == "same"
    assert found.frozen == ("T",)


def test_an_unrolled_loop_has_one_length(varied):
    """Elman steps over x[0] to x[T - 1], as a trace of a Python loop writes them."""
    nodes, last = [], "zero"
    for t in range(T):
        nodes += [
            helper.make_node("Gather", ["x", f"t{t}"], [f"x{t}"], name=f"gather{t}", axis=0),
            helper.make_node("MatMul", [f"x{t}", "W"], [f"i{t}"]),
            helper.make_node("MatMul", [last, "R"], [f"r{t}"]),
            helper.make_node("Add", [f"i{t}", f"r{t}"], [f"a{t}"]),
            helper.make_node("Tanh", [f"a{t}"], [f"h{t}"]),
            helper.make_node("Unsqueeze", [f"h{t}", "zero_axis"], [f"u{t}"]),
        ]
        last = f"h{t}"
    nodes.append(helper.make_node("Concat", [f"u{t}" for t in range(T)], ["y"], axis=0, name="concat"))
    constants = {f"t{t}": np.array(t) for t in range(T)}
    constants |= {"W": normal(FEATURES, HIDDEN), "R": normal(HIDDEN, HIDDEN), "zero": normal(1, HIDDEN)}
    constants["zero_axis"] = np.array([0])
    found = varied(nodes, constants=constants, axes={"x": "TNI"})
    assert found.frozen == ("T",)
    assert verdicts(found, "T") == {(T + 3, None): "frozen", (T // 2, None): "fails"}
    assert (first(found, "frozen").name, first(found, "frozen").cause) == ("y", SizeCause.OUTPUT)
    assert first(found, "fails").name == f"gather{T // 2}"
    assert set(verdicts(found, "N").values()) == {"same"}


def test_a_backward_direction_depends_on_the_length_and_is_not_frozen(varied):
    found = varied([layer("GRU", "x", direction="bidirectional")], constants=weights("GRU", 2))
    assert (found.verdict, found.frozen) == ("same", ())
    assert set(verdicts(found, "T").values()) == {"depends"}
    assert {own.cause for own in found.trials if own.axis == "T"} == {SizeCause.BACKWARD}
    assert set(verdicts(found, "N").values()) == {"same"}


def test_samples_that_depend_on_each_other_are_found(varied):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1, name="mean"),
        helper.make_node("Sub", ["x", "mean"], ["centered"], name="center"),
        layer("GRU", "centered"),
    ]
    found = varied(nodes, axes={"x": "TNI"})
    assert (found.verdict, found.frozen) == ("differ", ())
    trial = first(found, "differ")
    assert (trial.axis, trial.name, trial.cause) == ("N", "mean", SizeCause.SAMPLES)
    assert set(verdicts(found, "T").values()) == {"same"}


def test_a_convolution_changes_the_values_at_the_edge_only(varied):
    nodes = [
        helper.make_node("Transpose", ["x"], ["channels"], perm=[1, 2, 0]),
        helper.make_node("Conv", ["channels", "kernel"], ["filtered"], name="conv", pads=[1, 1]),
        helper.make_node("Transpose", ["filtered"], ["rows"], perm=[2, 0, 1]),
        layer("GRU", "rows"),
    ]
    found = varied(nodes, constants=weights("GRU") | {"kernel": normal(FEATURES, FEATURES, 3, seed=4)})
    trials = [own for own in found.trials if own.axis == "T"]
    assert [(own.name, own.verdict, own.timestep) for own in trials] == [
        ("conv", "depends", T - 1),
        ("conv", "depends", T // 2 - 1),
    ]
    assert found.verdict == "same"


def test_rows_of_all_samples_and_given_states_are_followed(varied):
    """Samples first, states and lengths as inputs, and a linear layer over (N · T, H)."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["times"], perm=[1, 0, 2]),
        layer("GRU", "times", "len", "h0", outputs=("all", "hn")),
        helper.make_node("Squeeze", ["all", "one"], ["squeezed"]),
        helper.make_node("Transpose", ["squeezed"], ["samples"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["samples", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["y"]),
    ]
    constants = weights("GRU") | {"one": np.array([1]), "rows": np.array([-1, HIDDEN]), "dense": normal(HIDDEN, 2)}
    found = varied(
        nodes,
        {"x": (None, None, FEATURES), "len": (None,), "h0": (1, None, HIDDEN)},
        ("y", "hn"),
        constants,
        kinds={"len": 6},
        x=normal(N, T, FEATURES, seed=9),
        h0=normal(1, N, HIDDEN, seed=3),
        len=np.full(N, T, np.int32),
    )
    assert {own.verdict for own in found.trials} == {"same"}
    assert found.axes == {"x": "NT-", "len": "N", "h0": "-N-"}


def test_one_size_is_tried_where_it_is_given(varied):
    found = varied([layer("GRU", "x")], wanted={"T": 17, "N": 5})
    assert [(own.axis, own.size) for own in found.trials] == [("T", 17), ("N", 5)]


def test_an_axis_that_no_input_has_is_refused(varied):
    with pytest.raises(InputError, match="axis N"):
        varied([layer("GRU", "x")], axes={"x": "TZI"})
