"""The cases by which ONNX tests its recurrent operators, with their expected outputs."""

import importlib
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case import node as node_cases

from tests.io.model_formats.corpus.cases import computed_on, entry_of
from tests.oracles.computed import assert_near

for _operator in ("lstm", "gru", "rnn"):
    importlib.import_module(f"onnx.backend.test.case.node.{_operator}")

CASES = {case.name: case for case in node_cases._NodeTestCases if case.model.graph.node[0].op_type in "LSTM GRU RNN"}


@pytest.mark.parametrize("name", CASES)
def test_a_case_computes_its_expected_outputs(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "m.onnx"
    model: Any = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs, expected = case.data_sets[0]
    given = dict(zip((value.name for value in model.graph.input), inputs, strict=True))
    model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in given.items() if key != "X")
    onnx.save(model, path)
    (node,) = model.graph.node
    batch_first = any(attribute.name == "layout" for attribute in node.attribute)
    x = given["X"] if batch_first else given["X"].swapaxes(0, 1)
    assert not entry_of(path).masking  # all lengths are those of the sequence
    ran = computed_on(path, x)
    computed = [ran.out, *ran.states]
    for output, wanted in zip(filter(None, node.output), expected, strict=True):
        place = list(node.output).index(output)
        if place == 0:
            y = wanted.transpose(1, 0, 2, 3) if batch_first else wanted.transpose(0, 2, 1, 3)
            assert_near(computed[0], y.reshape(*y.shape[:2], -1), 1e-5)
        else:
            assert_near(computed[place], wanted.swapaxes(0, 1) if batch_first else wanted, 1e-5)


@pytest.mark.parametrize("name", CASES)
def test_weights_from_the_caller_are_the_reason(name: str, tmp_path: Path) -> None:
    onnx.save(CASES[name].model, tmp_path / "m.onnx")
    entry = entry_of(tmp_path / "m.onnx")
    assert not entry.supported
    assert "W is the input W of the model" in entry.reason or "P is the input P" in entry.reason
