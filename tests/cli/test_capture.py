"""rnnviz capture: sessions of the networks of an ONNX model, and the file for other environments."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from rnnviz.captures import rnn_capture
from rnnviz.core.resources import resource_path
from rnnviz.io.session import read_document
from tests.full_disk import files_of_at_most
from tests.io.model_formats.corpus.onnx_graphs import FEATURES, Graph, N, T, normal
from tests.programs import python

pytestmark = pytest.mark.usefixtures("shared_worker", "no_subprocess")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Two GRUs that read x, one of them in reverse, in the working directory with x.npy."""
    monkeypatch.chdir(tmp_path)
    graph = Graph(inputs={"x": ("T", "N", FEATURES)}, outputs=["first_y", "second_y"])
    graph.read('first = GRU (x)\nsecond = GRU <direction = "reverse"> (x)').save(Path("model.onnx"))
    np.save("x.npy", normal(T, N, FEATURES))
    return tmp_path


def test_each_network_is_a_session_that_agrees(model, rnnviz):
    (model / "out").mkdir()
    answer = rnnviz("capture", "model.onnx", "--input", "x=x.npy", "-o", "out")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "Wrote out/model-first.rnnviz: first: gru, I = 3, H = 4; T = 5, N = 2.",
        "Wrote out/model-second.rnnviz: second: gru, I = 3, H = 4, from the end; T = 5, N = 2.",
    ]
    assert rnnviz("run", "out/model-second.rnnviz", "--quiet").code == 0
    assert sorted(path.name for path in (model / "out").iterdir()) == ["model-first.rnnviz", "model-second.rnnviz"]
    answer = rnnviz("capture", "--input", "x=x.npy", "model.onnx", "--entry", "second", "-o", "one.rnnviz", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert read_document(model / "one.rnnviz").title == "second"
    # Without -o in the working directory.
    assert rnnviz("capture", "model.onnx", "--input", "x=x.npy").code == 0
    assert {path.name for path in model.glob("*.rnnviz")} == {
        *("one.rnnviz", "model-first.rnnviz", "model-second.rnnviz")
    }


def test_calls_that_are_not_complete_are_refused(model, rnnviz):
    given = ["capture", "model.onnx", "--input", "x=x.npy"]
    for words, said in (
        (["capture"], "MODEL"),
        (["capture", "model.onnx"], "--input x=FILE"),
        (["capture", "model.onnx", "--input", "x.npy"], "NAME=FILE"),
        ([*given, "x=x.npy"], "twice"),
        ([*given, "-o", "x.npz"], ".rnnviz"),
        ([*given, "-o", "missing/x.rnnviz"], "does not exist"),
        ([*given, "-o", "one.rnnviz"], '"first", "second"'),
        ([*given, "--entry", "third"], '"first", "second"'),
        (["capture", "x.npy", "--input", "x=x.npy"], "x.npy"),
        (["capture", "missing.onnx", "--input", "x=x.npy"], "missing.onnx"),
        ([*given, "--helper"], "--helper"),
        (["capture", "--helper", "--vary", "T"], "--helper"),
    ):
        assert said in rnnviz.refused(*words), words
    assert not list(model.glob("*.rnnviz"))
    assert not list(model.glob(".capture*"))


def test_the_engine_may_be_missing_or_fail(model, rnnviz, monkeypatch):
    graph = onnx.load("model.onnx")
    graph.graph.node[0].op_type = "Unknown"
    onnx.save(graph, "unknown.onnx")
    assert "unknown.onnx" in rnnviz.refused("capture", "unknown.onnx", "--input", "x=x.npy", code=3)
    monkeypatch.setattr(
        "rnnviz.engines.registry.find_spec", lambda name: None if name == "onnxruntime" else find_spec(name)
    )
    assert "needs ONNX Runtime" in rnnviz.refused("capture", "model.onnx", "--input", "x=x.npy", code=3)


def test_the_helper_is_printed_as_it_is(rnnviz):
    assert rnnviz("capture", "--helper").out == Path(rnn_capture.__file__).read_text(encoding="utf-8")


def test_a_whole_and_its_chunks_are_compared(model, rnnviz):
    jsonschema = pytest.importorskip("jsonschema")
    answer = rnnviz("capture", "model.onnx", "--input", "x=x.npy", "--chunks", "2", "--json", "-")
    found = json.loads(answer.out)
    schema = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)
    assert (answer.code, found["verdict"], found["chunks"]) == (1, "differ", 3)
    assert (found["first"]["name"], found["first"]["cause"]) == ("first", "state-begins-at-zeros")
    lines = rnnviz("capture", "model.onnx", "--input", "x=x.npy", "--chunks", "2").out.splitlines()
    assert "GRU first: its state begins at zeros in each chunk." in lines
    assert sum(line.startswith("Output first_y: ") for line in lines) == 1
    assert not list(model.glob("*.rnnviz"))


def test_other_sizes_are_run(model, rnnviz):
    jsonschema = pytest.importorskip("jsonschema")
    answer = rnnviz("capture", "model.onnx", "--input", "x=x.npy", "--vary", "T,N", "--json", "-")
    found = json.loads(answer.out)
    schema = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)
    assert (answer.code, found["verdict"], found["frozen"]) == (0, "same", [])
    assert {own["verdict"] for own in found["trials"] if own["axis"] == "T"} == {"depends"}
    graph = onnx.load("model.onnx")
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = N
    onnx.save(graph, "frozen.onnx")
    answer = rnnviz("capture", "frozen.onnx", "--input", "x=x.npy", "--vary", "N=4")
    assert answer.code == 1
    assert answer.out.splitlines()[-1] == "The number of samples is frozen."


def test_options_of_chunks_and_sizes_are_checked(model, rnnviz):
    given = ["capture", "model.onnx", "--input", "x=x.npy"]
    for words, said in (
        (["--chunks", "0"], "at least 1"),
        (["--chunks", "9"], "less than"),
        (["--chunks", "2", "-o", "one.rnnviz"], "--output"),
        (["--chunks", "2", "--axes", "x"], "NAME=LETTERS"),
        (["--chunks", "2", "--vary", "T"], "give one of them"),
        (["--vary", "T,T"], "T,N or T=20,N=4"),
        (["--vary", "x"], "T,N or T=20,N=4"),
        (["--vary", "N=0"], "T,N or T=20,N=4"),
        (["--chunks", "2", "--axes", "y=TNI"], '"y"'),
        (["--json", "-"], "--json needs --chunks or --vary"),
        (["--axes", "x=TNI"], "--axes needs --chunks or --vary"),
    ):
        assert said in rnnviz.refused(*given, *words), words
    assert "given input" not in rnnviz.refused("capture", "x.npy", "--input", "x=x.npy", "--chunks", "2")


@pytest.mark.slow
def test_a_model_that_crashes_or_fills_the_memory_ends_only_its_process(model):
    def said(*words):
        """The exit code and the last line, which is below what a library may print as it crashes."""
        answer = python("-m", "rnnviz", "capture", *words, "--input", "x=x.npy")
        return answer.returncode, answer.stderr.splitlines()[-1]

    graph = onnx.load("model.onnx")
    graph.graph.node[0].CopyFrom(helper.make_node("ConstantOfShape", ["size"], ["first_y"]))
    graph.graph.initializer.append(numpy_helper.from_array(np.array([1 << 40]), "size"))
    onnx.save(graph, "huge.onnx")
    code, line = said("huge.onnx")
    assert code == 3
    assert line.startswith("rnnviz: huge.onnx could not be run")
    # ONNX Runtime aborts if there is no time step.
    np.save("x.npy", np.zeros((0, 2, 3), np.float32))
    code, line = said("model.onnx")
    assert code == 2
    assert line.startswith("rnnviz: model.onnx could not be recorded")


@pytest.mark.parametrize(
    ("options", "named"), [(("--entry", "first", "-o", "one.rnnviz"), "one.rnnviz"), ((), "model-first.rnnviz")]
)
def test_a_full_disk_names_the_session(model, rnnviz, options, named):
    with files_of_at_most(600):
        sentence = rnnviz.refused("capture", "model.onnx", "--input", "x=x.npy", *options)
    assert sentence.startswith(f"{named} cannot be written: ")
    assert list(model.glob("*.rnnviz")) == []
