"""A small file of every format, as the libraries themselves write it."""

import json
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.io.model_formats.corpus.onnx_graphs import Graph
from tests.io.model_formats.sources import in_torch_names, network, weights_of
from tests.needs import need

NETWORK = network("lstm", 2, True)
BY_KERAS = Path(__file__).parent / "written_by_keras"
CHECKED_SUMS = frozenset({"w.pt", "w.npz", "w.keras"})
"""Files whose format detects a changed number."""


def write_params(path: Path) -> None:
    need("mxnet")
    from rnnviz.engines.gluon import mx

    mx.nd.save(str(path), {name: mx.nd.array(array) for name, array in weights_of(NETWORK).items()})


def write_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(in_torch_names(weights_of(NETWORK)), path)


def write_torch(path: Path, archive: bool = True) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(array) for name, array in in_torch_names(weights_of(NETWORK)).items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=archive)


def write_npz(path: Path) -> None:
    np.savez(path, **in_torch_names(weights_of(NETWORK)))


def write_folder(path: Path) -> None:
    path.mkdir()
    for name, array in in_torch_names(weights_of(NETWORK)).items():
        np.save(path / f"{name}.npy", array)


def write_onnx(path: Path) -> None:
    """Two layers that feed each other, one of them in a branch."""
    branch = Graph(outputs=["branch_y"]).read("branch = LSTM (x)")
    graph = Graph(inputs={"x": None}, constants=branch.constants, outputs=["upper_y"])
    graph.read('lower = LSTM <weights = "branch"> (x)\ny = Squeeze (lower_y, i1)\nupper = LSTM <bias = 0> (y)')
    branch.constants = {}
    body = branch.proto().graph
    graph.node("If", ["c"], "V", then_branch=body, else_branch=body)
    graph.save(path)


def write_keras(path: Path) -> None:
    """The first layers of a model that Keras 3 wrote."""
    with zipfile.ZipFile(BY_KERAS / "lstm.keras") as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                content = json.dumps(_first_layers(json.loads(content))).encode()
            elif name == "model.weights.h5":
                content = _some_groups(content, ("layers/lstm", "layers/bidirectional"))
            archive.writestr(name, content)


def write_keras_weights(path: Path) -> None:
    with zipfile.ZipFile(BY_KERAS / "gru.keras") as whole:
        path.write_bytes(_some_groups(whole.read("model.weights.h5"), ("layers/gru", "layers/bidirectional")))


def write_keras_h5(path: Path) -> None:
    content = (BY_KERAS / "rnn_tanh.h5").read_bytes()
    path.write_bytes(_some_groups(content, ("model_weights/uni3_0", "model_weights/bi3_0")))


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "w.params": write_params,
    "w.safetensors": write_safetensors,
    "w.pt": write_torch,
    "w.pth": lambda path: write_torch(path, False),
    "w.npz": write_npz,
    "folder": write_folder,
    "w.onnx": write_onnx,
    "w.keras": write_keras,
    "w.weights.h5": write_keras_weights,
    "w.h5": write_keras_h5,
}


def _some_groups(content: bytes, groups: tuple[str, ...]) -> bytes:
    """An HDF5 file with some of another one's groups, and with the first layers of its config."""
    target = BytesIO()
    with h5py.File(BytesIO(content)) as whole, h5py.File(target, "w") as file:
        for group in groups:
            whole.copy(group, file.require_group(group.rpartition("/")[0]))
        if "model_config" in whole.attrs:
            file.attrs["model_config"] = json.dumps(_first_layers(json.loads(whole.attrs["model_config"])))
    return target.getvalue()


def _first_layers(config: dict[str, Any]) -> dict[str, Any]:
    """Those up to the first Bidirectional one; every class comes in the order in which its groups are numbered."""
    layers = config["config"]["layers"]
    count = 1 + next(k for k, layer in enumerate(layers) if layer["class_name"] == "Bidirectional")
    return {**config, "config": {**config["config"], "layers": layers[:count]}}
