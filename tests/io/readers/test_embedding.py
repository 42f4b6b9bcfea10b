"""Embeddings are found by name in every kind of model file; other arrays are refused."""

import numpy as np
import pytest

from rnnviz.io.model_formats.formats import open_tensors
from rnnviz.io.readers import open_embedding
from tests.io.model_formats.samples import WRITERS
from tests.refusals import refused


def matrix() -> np.ndarray:
    # Large enough to be read in pieces.
    return np.random.default_rng(9).normal(size=(300, 80)).astype(np.float32)


# MXNet takes a second to be imported, and its files are those of the weights.
@pytest.mark.parametrize(
    "file", [pytest.param(each, marks=[pytest.mark.slow] if each == "w.params" else []) for each in WRITERS]
)
def test_a_matrix_is_found_by_its_name_among_others(tmp_path, file):
    path = tmp_path / file
    WRITERS[file](path)
    tensors = open_tensors(path)
    matrices = [name for name, tensor in tensors.tensors.items() if len(tensor.shape) == 2]
    for name in (matrices[0], matrices[-1]):
        embedding = open_embedding(path, name)
        assert (embedding.name, embedding.shape) == (name, tuple(tensors.tensors[name].shape))
        np.testing.assert_array_equal(embedding.read(), tensors.read(name))
    assert f'sequence.embedding must be one of "{matrices[0]}"' in refused(open_embedding, path, "embed.weights")
    assert f'must name one of them: "{matrices[0]}"' in refused(open_embedding, path, None)


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
