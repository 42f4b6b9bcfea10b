"""A user's `step` called step by step: with what it is called, by whom it is watched, and what is made of it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.engines.custom_code.custom_step import CustomCodeError, CustomStep
from rnnviz.engines.layers import run_stack
from tests.engines.custom_code.files import SIZES, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_near, empty_trace
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

ENTERED: list[str] = []


class Watch:
    """A watchdog that records entry and exit."""

    def __enter__(self) -> None:
        ENTERED.append("in")

    def __exit__(self, *_: object) -> None:
        ENTERED.append("out")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("with_cells", [True, False])
def test_every_layer_is_computed_in_its_own_order(cell: str, with_cells: bool, tmp_path: Path) -> None:
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, dtype="float64", **SIZES)
    trace, answer = empty_trace(asked, cell=with_cells), recurrence(asked)
    told: list[float] = []
    run_stack(asked, trace, CustomStep(written(tmp_path, RIGHT[cell])).run_layer(), told.append)
    for name in ("hidden", "output", "state_h", *(("state_c",) if cell == "lstm" else ())):
        assert_near(getattr(trace, name), getattr(answer, name), 1e-12, name)
    if trace.cell is not None and answer.cell is not None:
        assert_near(trace.cell, answer.cell, 1e-12, "cell")
    np.testing.assert_allclose(told, np.arange(1, 13) / 12)


def test_the_users_code_runs_under_watch_and_nothing_else_does(inputs: Inputs, tmp_path: Path) -> None:
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
    run_stack(inputs, empty_trace(inputs, cell=False), own.run_layer(), lambda done: None)
    assert ENTERED == ["in", "step", "array", "out"] * 12


def test_the_file_is_a_module_that_is_found_by_its_name(tmp_path: Path) -> None:
    path = written(
        tmp_path, "import sys\nMODULE = sys.modules[__name__]\n\n\ndef step(x, state, p):\n    return state\n"
    )
    CustomStep(path)
    module = sys.modules["__recurrence__"]
    assert module.MODULE is module
    assert (module.__name__, module.__file__) == ("__recurrence__", str(path))


def test_a_step_may_change_its_arguments_and_keep_its_cell_state(tmp_path: Path) -> None:
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", dtype="float64", **SIZES)
    spoilt = "    x[:] = 7\n    state[0][:] = 7\n    state[1][:] = 7\n    return logistic"
    code = RIGHT["lstm"].replace("    return logistic", spoilt, 1)
    assert "= 7" in code
    trace = empty_trace(asked, cell=True)
    run_stack(asked, trace, CustomStep(written(tmp_path, code)).run_layer(), lambda done: None)
    assert_near(trace.hidden, recurrence(asked).hidden, 1e-12)


def test_an_lstm_must_return_both_of_its_states(tmp_path: Path) -> None:
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES)
    for returned, said in (
        ("state[:1]", "1 value at forward, t = 0, but it must return the tuple (h, c)"),
        ("state[0], state[1][:1]", "c of the shape (1, 4) at forward, t = 0, but it must be (2, 4)"),
    ):
        path = written(tmp_path, f"def step(x, state, p):\n    return {returned}\n")
        with pytest.raises(CustomCodeError) as caught:
            run_stack(asked, empty_trace(asked, cell=True), CustomStep(path).run_layer(), lambda done: None)
        assert str(caught.value) == f"{path}, line 1: step returned {said}."


def test_a_file_that_is_missing_or_defines_no_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gone.py"
    with pytest.raises(CustomCodeError) as caught:
        CustomStep(path)
    assert str(caught.value) == f"{path} does not exist in {path.parent}."
    path.touch()
    with pytest.raises(CustomCodeError, match=r"gone\.py does not define step\("):
        CustomStep(path)


def test_values_returned_by_a_step_are_cast_and_may_be_infinite(inputs: Inputs, tmp_path: Path) -> None:
    code = (
        "import numpy as np\n\n\ndef step(x, state, p):\n    assert x.dtype == state[0].dtype == np.float32\n"
        "    return (np.full(state[0].shape, 1e300),)\n"
    )
    trace = empty_trace(inputs, cell=False)
    run_stack(inputs, trace, CustomStep(written(tmp_path, code)).run_layer(), lambda done: None)
    assert np.isposinf(trace.hidden).all()
