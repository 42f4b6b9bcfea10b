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


def reason_of(name: str) -> str:
    """A word of the reason why a case is not read; all cases of GRU have linear_before_reset = 0."""
    return "linear_before_reset" if "_gru_" in name else "peepholes" if "peepholes" in name else ""


@pytest.mark.parametrize("name", CASES)
def test_a_case_gives_its_expected_outputs_or_is_refused(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "m.onnx"
    model: Any = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs, expected = case.data_sets[0]
    given = dict(zip((value.name for value in model.graph.input), inputs, strict=True))
    model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in given.items() if key != "X")
    onnx.save(model, path)
    entry = entry_of(path)
    if reason := reason_of(name):
        assert not entry.supported
        assert reason in entry.reason
        return
    (node,) = model.graph.node
    batch_first = any(attribute.name == "layout" for attribute in node.attribute)
    x = given["X"] if batch_first else given["X"].swapaxes(0, 1)
    ran = computed_on(path, x[:, ::-1] if entry.reason else x, entry.name)
    computed = [ran.out, *ran.states]
    assert not entry.masking  # all lengths are those of the sequence
    for output, wanted in zip(filter(None, node.output), expected, strict=True):
        place = list(node.output).index(output)
        if place == 0:
            y = wanted.transpose(1, 0, 2, 3) if batch_first else wanted.transpose(0, 2, 1, 3)
            assert_near(computed[0], y.reshape(*y.shape[:2], -1)[:: -1 if entry.reason else 1], 1e-5)
        else:
            assert_near(computed[place], wanted.swapaxes(0, 1) if batch_first else wanted, 1e-5)


@pytest.mark.parametrize("name", CASES)
def test_weights_that_the_caller_gives_are_the_reason(name: str, tmp_path: Path) -> None:
    onnx.save(CASES[name].model, tmp_path / "m.onnx")
    entry = entry_of(tmp_path / "m.onnx")
    assert not entry.supported
    assert (reason_of(name) or "W is the input W of the model") in entry.reason
