"""Small ONNX models with recurrent nodes, whose calls are compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

FEATURES, HIDDEN = 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
Arrays = dict[str, NDArray[Any]]


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def weights(operator: str, directions: int = 1, features: int = FEATURES, name: str = "", seed: int = 1) -> Arrays:
    rows = GATES[operator] * HIDDEN
    return {
        f"{name}W": normal(directions, rows, features, seed=seed),
        f"{name}R": normal(directions, rows, HIDDEN, seed=seed + 1),
        f"{name}B": normal(directions, 2 * rows, seed=seed + 2),
    }


def layer(
    operator: str, x: str, *more: str, outputs: Sequence[str] = ("y",), name: str = "", **given: Any
) -> NodeProto:
    own = {"linear_before_reset": 1} if operator == "GRU" else {}
    named = [f"{name}{letter}" for letter in "WRB"]
    read = [x, *named, *more]
    return helper.make_node(
        operator, read, list(outputs), name=name or operator.lower(), hidden_size=HIDDEN, **own, **given
    )


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[Any]],
    outputs: Sequence[str],
    constants: Mapping[str, Any],
    kinds: Mapping[str, int] | None = None,
) -> Path:
    """A model file; `inputs` have declared sizes, numbers or names, and are float32 but where `kinds` says another."""
    given = [
        helper.make_tensor_value_info(name, (kinds or {}).get(name, TensorProto.FLOAT), shape)
        for name, shape in inputs.items()
    ]
    taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(list(nodes), "g", given, taken, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def files(folder: Path, **arrays: Any) -> dict[str, str]:
    """Arrays as files, by the names of the inputs."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: str(folder / f"{name}.npy") for name in arrays}
