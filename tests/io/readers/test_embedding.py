"""Embeddings are found by name in every kind of model file; other arrays are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnviz.io.readers import open_embedding
from tests.io.readers.refusals import refused

# Large enough that what reads a file in pieces, or leaves large arrays in it, does so.
ROWS, WIDTH = 300, 80


def matrix() -> np.ndarray:
    return np.random.default_rng(9).normal(size=(ROWS, WIDTH)).astype(np.float32)


def in_npz(path: Path) -> str:
    np.savez(path, embed=matrix(), bias=np.zeros(3))
    return "embed"


def in_torch(path: Path) -> str:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Embedding(ROWS, WIDTH)
    layer.weight.data[:] = torch.from_numpy(matrix())
    torch.save({"embed.weight": layer.weight, "steps": torch.tensor(3)}, path)
    return "embed.weight"


def in_safetensors(path: Path) -> str:
    from safetensors.numpy import save_file

    save_file({"embed.weight": matrix(), "bias": np.zeros(3, np.float32)}, path)
    return "embed.weight"


def in_mxnet(path: Path) -> str:
    from rnnviz.engines.gluon import mx

    mx.nd.save(str(path), {"embed.weight": mx.nd.array(matrix()), "bias": mx.nd.zeros(3)})
    return "embed.weight"


def in_onnx(path: Path) -> str:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Gather", ["embed.weight", "x"], ["y"])],
        "reader",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, WIDTH])],
        [numpy_helper.from_array(matrix(), "embed.weight"), numpy_helper.from_array(np.zeros(2), "other")],
    )
    onnx.save(helper.make_model(graph), path)
    return "embed.weight"


def in_keras(path: Path) -> str:
    import h5py

    with h5py.File(path, "w") as file:
        file["layers/embedding/vars/0"] = matrix()
        file["layers/dense/vars/0"] = np.zeros((3, 2), np.float32)
    return "layers/embedding/vars/0"


WRITERS: dict[str, Callable[[Path], str]] = {
    "npz": in_npz,
    "pt": in_torch,
    "safetensors": in_safetensors,
    "params": in_mxnet,
    "onnx": in_onnx,
    "h5": in_keras,
}


# MXNet takes a second to be imported, and its files are those of the weights.
@pytest.mark.parametrize(
    "ending", [pytest.param(each, marks=[pytest.mark.slow] if each == "params" else []) for each in WRITERS]
)
def test_a_matrix_is_found_by_its_name_among_others(tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    name = WRITERS[ending](path)
    embedding = open_embedding(path, name)
    assert (embedding.name, embedding.shape) == (name, (ROWS, WIDTH))
    np.testing.assert_array_equal(embedding.read(), matrix())
    assert f'sequence.embedding must be one of "{name}"' in refused(open_embedding, path, "embed.weights")
    assert f'must name one of them: "{name}"' in refused(open_embedding, path, None)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_only_array_needs_no_name(tmp_path, dtype):
    np.savez(tmp_path / "e.npz", matrix().astype(dtype))
    np.save(tmp_path / "e.npy", matrix().astype(dtype))
    for name in ("e.npz", "e.npy"):
        np.testing.assert_array_equal(open_embedding(tmp_path / name, None).read(), matrix().astype(dtype))


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("e.npz", "flat", "has the shape (3,): an embedding must have the shape (V, I)"),
        ("e.npz", "whole", "holds values of the type int64"),
        ("e.npz", "bad", 'one of "good".'),
        ("none.npz", None, "contains no matrix of floats"),
        ("empty.npy", None, "has the shape (0, 3)"),
        ("whole.npy", None, "holds values of the type int64"),
        ("missing.npz", None, "does not exist"),
        ("missing.npy", None, "does not exist"),
        ("e.txt", None, "is not a supported model file"),
    ],
)
def test_an_array_that_is_not_a_matrix_of_floats_is_refused(tmp_path, file, name, words):
    others = {"flat": np.zeros(3), "whole": np.zeros((2, 2), int)}
    np.savez(tmp_path / "e.npz", **others, good=matrix())
    np.savez(tmp_path / "none.npz", **others)
    np.save(tmp_path / "empty.npy", np.zeros((0, 3)))
    np.save(tmp_path / "whole.npy", np.zeros((1, 3), int))
    (tmp_path / "e.txt").write_text("the 0.1 0.2\n", encoding="utf-8")
    assert words in refused(open_embedding, tmp_path / file, name)


def test_a_matrix_beyond_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "e.npz", np.zeros((1000, 1000)))
    monkeypatch.setattr("rnnviz.io.readers.available_memory", lambda: 1 << 20)
    assert "takes 24.0 MB to read, but there are 1.0 MB" in refused(open_embedding, tmp_path / "e.npz", None)
