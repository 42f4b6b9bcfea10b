"""Graphs of ONNX, from their text and node by node."""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case import node as node_cases

Array = NDArray[Any]
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
STATES = {"RNN": "h", "LSTM": "hc", "GRU": "h"}
T, N, FEATURES, H = 5, 2, 3, 4

for _operator in GATES:
    importlib.import_module(f"onnx.backend.test.case.node.{_operator.lower()}")

CASES = {case.name: case for case in node_cases._NodeTestCases if case.model.graph.node[0].op_type in GATES}
"""The cases by which ONNX tests its recurrent operators, with their expected outputs."""


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(seed).normal(0.0, 0.6, shape).astype(dtype)


@dataclass
class Graph:
    """Nodes, initializers and inputs of a model, all of them by name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: dict[str, tuple[int | str | None, ...] | None] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    functions: list[onnx.FunctionProto] = field(default_factory=list)

    def input(self, name: str, *shape: int | str | None) -> str:
        """An input of that shape, or of an undeclared one."""
        self.inputs[name] = shape or None
        return name

    def constant(self, name: str, array: Any) -> str:
        self.constants[name] = np.asarray(array)
        return name

    def node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """A node; returns the name of its first output."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    def read(self, text: str, operator: str = "LSTM") -> "Graph":
        """The nodes of lines in ONNX's notation, in which OP is the operator.

        A line with "%" is there for each state of the operator. `a = OP <...> (x, lengths, states)` is a recurrent
        node "a" as `recurrent` makes it.
        """
        states = STATES[operator]
        for line in filter(None, map(str.strip, text.replace("OP", operator).splitlines())):
            if " = " + operator in line:
                line = re.sub(r", *\w*%\w*", lambda m: "".join(m[0].replace("%", kind) for kind in states), line)
            for kind in states if "%" in line else "%":
                self._add(onnx.parser.parse_node(line.replace("%", kind)))
        return self

    def _add(self, node: onnx.NodeProto) -> None:
        for name in node.input:
            if found := re.fullmatch(r"([in])(m?\d+(?:_m?\d+)*)", name):
                numbers = np.array(found[2].replace("m", "-").split("_"), np.int64)
                self.constant(name, numbers if found[1] == "i" else numbers[0])
        if node.op_type not in GATES:
            self.nodes.append(node)
            return
        (name,), (x, *more) = node.output, [*node.input, ""]
        number = sum(made.op_type in GATES for made in self.nodes)
        options: dict[str, Any] = {"seed": number + 1, "features": FEATURES if x == "x" else H}
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            options[attribute.name] = value.decode() if isinstance(value, bytes) else value
        self.recurrent(node.op_type, x, name, lengths=more[0], states=list(filter(None, more[1:])), **options)

    def recurrent(
        self,
        operator: str,
        x: str,
        name: str,
        *,
        features: int = FEATURES,
        directions: int = 1,
        bias: bool = True,
        lengths: str = "",
        states: Sequence[str] = (),
        weights: str = "",
        seed: int = 1,
        **attributes: Any,
    ) -> str:
        """A recurrent node with outputs name_y, name_h and, for an LSTM, name_c; returns name_y."""
        rows, weights = GATES[operator] * H, weights or name
        shapes = {"W": (directions, rows, features), "R": (directions, rows, H), "B": (directions, 2 * rows)}
        for place, (kind, shape) in enumerate(shapes.items()):
            if f"{weights}_{kind}" not in self.constants:
                self.constants[f"{weights}_{kind}"] = normal(*shape, seed=10 * seed + place)
        if operator == "GRU":
            attributes.setdefault("linear_before_reset", 1)
        if directions == 2:
            attributes.setdefault("direction", "bidirectional")
        inputs = [x, f"{weights}_W", f"{weights}_R", f"{weights}_B" if bias else "", lengths, *states]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"{name}_y", f"{name}_h", *[f"{name}_c"] * (operator == "LSTM")]
        attributes = {"hidden_size": H, "name": name, **attributes}
        return self.node(operator, inputs, *outputs, **{k: v for k, v in attributes.items() if v is not None})

    def proto(self) -> onnx.ModelProto:
        kind = TensorProto.FLOAT
        types = {name: TensorProto.INT32 if "lens" in name else kind for name in self.inputs}
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info(name, types[name], shape) for name, shape in self.inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name in self.outputs],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", 17), *[helper.make_opsetid(d, 1) for d in ("com.microsoft", "local")]]
        return helper.make_model(graph, opset_imports=opsets, functions=self.functions, ir_version=8)

    def save(self, path: Path) -> Path:
        onnx.save(self.proto(), path)
        return path


def runtime(path: Path, feed: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feed)))


def in_time(y: Array) -> Array:
    """(T, D, N, H) as (T, N, D·H)."""
    return y.transpose(0, 2, 1, 3).reshape(*y.shape[::2], -1)
