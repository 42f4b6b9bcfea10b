"""A user's `backward`: called step by step, its gradients stored and compared, its errors in one sentence."""

from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.backward import run_stack_backward
from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomBackward, CustomCodeError, CustomStep
from rnnviz.engines.custom_code.parent import defines_backward
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.verify.audit import audit
from tests.cases import cases
from tests.cells.layers import EXAMPLES
from tests.engines.custom_code.files import written
from tests.engines.test_gradients import assert_gradients, inputs_of
from tests.oracles.computed import empty_trace
from tests.oracles.gradients import oracle_gradients
from tests.profiles import nightly_except
from tests.shared_worker import run_shared

__all__ = ["run_shared"]


def computed(inputs: Inputs, path: Path) -> Trace:
    """The trace of both passes, with the further gradients that the file returns."""
    further: dict[str, FloatArray | None] = {}
    trace = empty_trace(inputs, cell=True, gradients=("grad.h", "grad.out"))

    def add_gradient(name: str, units: int) -> FloatArray:
        further[f"grad.{name}"] = array = np.zeros((*trace.shape[:4], units), trace.hidden.dtype)
        return array

    run_stack(inputs, trace, CustomStep(path).run_layer, lambda done: None)
    run_stack_backward(inputs, trace, CustomBackward(path, None, add_gradient), lambda done: None)
    return trace.with_arrays(further)


@pytest.mark.parametrize("cell", nightly_except([*CELLS, *EXAMPLES], "lstm", "gru", "lstm_projection", *EXAMPLES))
def test_the_template_gives_every_gradient(cell, tmp_path):
    network = {"projection_size": 3} if cell == "lstm_projection" else {}
    name = "lstm" if cell == "lstm_projection" else cell
    inputs = inputs_of(name, {"loss": "normal", "truncate": 3}, [3, 7, 5], **network)
    kind = inputs.network.kind
    path = written(tmp_path, starter(kind, backward=True))
    assert defines_backward(path)
    trace = computed(inputs, path)
    assert {f"grad.{name}" for name in (*kind.gate_symbols, *kind.state_symbols)} <= trace.keys()
    assert_gradients(trace, oracle_gradients(inputs), 1e-12)


def test_an_error_in_the_gradient_of_x_is_found_in_that_of_the_output_below(tmp_path):
    inputs = inputs_of("gru", {"loss": "normal"}, None)
    path = written(tmp_path, f"{starter('gru', backward=True)}\n\n{DOUBLED_D_X}")
    first = audit(inputs, computed(inputs, path), way="backward").first_wrong
    assert first is not None
    assert (first.where.array, first.where.index[:3]) == ("grad.out", (0, 0, 6))


DOUBLED_D_X = cases(__file__)["doubled-d-x"]

STEP = "def step(x, state, p):\n    return state\n\n\n"


@pytest.mark.parametrize("case", cases(__file__)["broken_backward"], ids=itemgetter("name"))
def test_an_error_is_one_sentence_with_its_line(case, tmp_path):
    path = written(tmp_path, f"{STEP}def backward(x, state, p, d_state):\n    {case['body']}\n")
    config = Config.from_mapping({"network": {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}})
    one = replace(config.sequence, timesteps=2, batch_size=1)
    inputs = load_inputs(replace(config, sequence=one, backward=replace(config.backward, enabled=True)))
    with pytest.raises(CustomCodeError) as caught:
        computed(inputs, path)
    assert str(caught.value).startswith(f"{path}{case['begins']}")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def backward(x, state, p, d_state): ...", True),
        ("backward = print", True),
        ("from gradients import of_step as backward", True),
        ("def step(x, state, p):\n    def backward(): ...", False),
        ("def backward(", False),
    ],
)
def test_a_file_says_whether_it_has_gradients_without_running(code, found, tmp_path):
    assert defines_backward(written(tmp_path, code)) is found


@pytest.mark.slow
def test_a_run_compares_the_gradients_of_a_file(tmp_path, run_shared):
    path = written(tmp_path, starter("lstm", backward=True))
    config = Config.from_mapping(
        {
            "network": {"cell": "lstm", "input_size": 2, "hidden_size": 3, "dtype": "float64"},
            "sequence": {"timesteps": 4},
            "compare": {"reference": "manual", "candidates": [str(path)]},
            "backward": {"enabled": True},
        }
    )
    (comparison,) = run_shared(config, trusted=frozenset({str(path)})).comparisons
    names = {"grad.h", "grad.out", "grad.c", "grad.i", "grad.input", "grad.parameters.l0_i2h_weight"}
    assert names <= comparison.gradients.keys()
    for found in comparison.gradients.values():
        assert found.mismatched == 0
