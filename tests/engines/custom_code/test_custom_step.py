"""A user's `step` called step by step: with what it is called, by whom it is watched, and what is made of it."""

import sys

import numpy as np
import pytest

from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomStep
from tests.engines.custom_code.files import SIZES, computed, refusal, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_agrees, assert_near, empty_trace
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

ENTERED: list[str] = []


class Watch:
    """A watchdog that records entry and exit."""

    def __enter__(self) -> None:
        ENTERED.append("in")

    def __exit__(self, *_: object) -> None:
        ENTERED.append("out")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", RIGHT)
def test_a_right_file_computes_every_number(cell, dtype, tmp_path):
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, dtype=dtype, **SIZES)
    trace = computed(asked, written(tmp_path, RIGHT[cell]))
    # Whatever the file computes in, the trace holds the network's own floats.
    assert trace.hidden.dtype == dtype
    assert_agrees(trace, recurrence(asked), 1e-12 if dtype == "float64" else 1e-6)


def test_every_step_is_reported(inputs, tmp_path):
    told: list[float] = []
    step = CustomStep(written(tmp_path, RIGHT["rnn_tanh"]))
    run_stack(inputs, empty_trace(inputs, cell=False), step.run_layer, told.append)
    np.testing.assert_allclose(told, np.arange(1, 13) / 12)


DATACLASS = (
    "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n\n\n"
    "@dataclass\nclass Settings:\n    kind: ClassVar[str] = 'a'\n    slope: float = 1.0\n\nimport numpy"
)
CHANGES = {
    "writes into its arguments": [("    return [new]", "    x[:] = 7\n    state[0][:] = 7\n    return [new]")],
    "changes a returned array later": [
        ("new = np.empty_like(h)", "new = KEPT.setdefault('new', np.empty_like(h))"),
        ("FIRST = {}", "KEPT = {}"),
        ("np.float64", "np.float32"),
    ],
    "defines dataclasses with postponed annotations": [("import numpy", DATACLASS)],
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_file_may_do_what_changes_no_number(how, inputs, tmp_path):
    code = RIGHT["rnn_tanh"]
    for old, new in CHANGES[how]:
        assert old in code
        code = code.replace(old, new)
    assert_near(computed(inputs, written(tmp_path, code)).hidden, recurrence(inputs).hidden, 1e-5)


def test_the_users_code_runs_under_watch_and_nothing_else_does(inputs, tmp_path):
    code = (
        "from tests.engines.custom_code.test_custom_step import ENTERED\n\n\ndef step(x, state, p):\n"
        "    ENTERED.append('step')\n    return (Result(state[0]),)\n\n\n"
        "class Result:\n    def __init__(self, h):\n        self.h = h\n\n"
        "    def __array__(self, *_, **__):\n        ENTERED.append('array')\n        return self.h\n\n\n"
        "ENTERED.append('load')\n"
    )
    ENTERED.clear()
    own = CustomStep(written(tmp_path, code), Watch())
    assert ENTERED == ["in", "load", "out"]
    ENTERED.clear()
    run_stack(inputs, empty_trace(inputs, cell=False), own.run_layer, lambda done: None)
    assert ENTERED == ["in", "step", "array", "out"] * 12


def test_the_file_is_a_module_that_is_found_by_its_name(tmp_path):
    code = "import sys\nMODULE = sys.modules[__name__]\n\n\ndef step(x, state, p):\n    return state\n"
    path = written(tmp_path, code)
    CustomStep(path)
    module = sys.modules["__recurrence__"]
    assert module.MODULE is module
    assert (module.__name__, module.__file__) == ("__recurrence__", str(path))


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("state[:1]", "1 value at forward, t = 0, but it must return the tuple (h, c)"),
        ("state[0], state[1][:1]", "c of the shape (1, 4) at forward, t = 0, but it must be (2, 4)"),
    ],
)
def test_an_lstm_must_return_both_of_its_states(returned, said, tmp_path):
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES)
    path = written(tmp_path, f"def step(x, state, p):\n    return {returned}\n")
    assert refusal(asked, path) == f", line 1: step returned {said}."


@pytest.mark.parametrize(
    ("returned", "expected"),
    [("(np.full(state[0].shape, 1e300),)", np.inf), ("[[[1, 2, 3, True]] * 2]", [[1, 2, 3, 1]] * 2)],
)
def test_returned_numbers_are_cast(returned, expected, inputs, tmp_path):
    code = f"import numpy as np\n\n\ndef step(x, state, p):\n    assert x.dtype == np.float32\n    return {returned}\n"
    np.testing.assert_array_equal(
        computed(inputs, written(tmp_path, code)).hidden[1, 1, 2], np.broadcast_to(expected, (2, 4))
    )


def test_the_parameters_cannot_be_changed(inputs, tmp_path):
    code = RIGHT["rnn_tanh"].replace("    h = np", "    p.h2h_bias[0] = 3.0\n    h = np")
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    assert "ValueError: assignment destination is read-only" in refusal(inputs, written(tmp_path, code))
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)
