"""The smallest failure of a port: how small it gets, and that its cause stays the one of the whole run."""

import re

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs.placed import PlacedBugEngine
from rnnviz.engines.port.command import SizesRefusedError
from rnnviz.io.inputs import load_inputs
from rnnviz.ports.files import c_test
from rnnviz.ports.shrink import FAR, RUNS, RunPort, Shrinker, failing_case
from tests.oracles.computed import empty_trace


def inputs_of(cell: str) -> Inputs:
    return load_inputs(
        Config.from_mapping(
            {
                "network": {
                    "cell": cell,
                    "input_size": 5,
                    "hidden_size": 7,
                    "num_layers": 2,
                    "bidirectional": True,
                },
                "sequence": {"timesteps": 16, "batch_size": 3},
                "parameters": {"initializer": "uniform", "scale": 0.6},
                "initial_state": {"source": "uniform"},
            }
        )
    )


def port(bug: str, units: int = 0) -> RunPort:
    """A port with a bug, which computes networks of `units` only if not 0."""

    def run(inputs: Inputs) -> Trace:
        if units and inputs.network.hidden_size != units:
            raise SizesRefusedError("other sizes")
        trace = empty_trace(inputs, cell=True)
        PlacedBugEngine(f"bug:{bug}").run(inputs, trace, lambda _: None)
        return trace

    return run


BUGS = {
    "no-h2h-bias": 1,
    "no-h2h-bias@layer=1,direction=backward,gate=n": 1,
    "no-i2h-bias@layer=0,direction=forward,from=3": 4,
    "h2h-transposed@layer=1,direction=forward,gate=z,from=9": 10,
    "gates-z-r-n@layer=0,direction=backward": 1,
    "state-not-carried@layer=1,direction=forward,every=5,from=5": 6,
    "input-of-step-before@layer=0,direction=forward": 2,
    "parameters-of-other-direction@layer=1,direction=backward": 1,
    "initial-state-ignored@layer=1": 1,
    "hard_sigmoid-for-sigmoid@layer=0,gate=r,to=2": 1,
}
"""Changes of a GRU, with the computed step by which each is seen."""


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.slow
def test_a_failure_is_cut_to_a_few_numbers(bug: str) -> None:
    inputs, run = inputs_of("gru"), port(bug)
    case = failing_case(inputs, run(inputs))
    assert case is not None
    shrinker = Shrinker(run, case)
    smallest = shrinker.shrink()
    assert smallest.sizes["H"] <= 4
    assert smallest.sizes["T"] <= max(3, BUGS[bug] + 2)
    assert smallest.sizes["I"] <= 3
    assert shrinker.runs <= RUNS
    assert smallest.names <= case.names
    assert smallest.audit.worst_ratio >= FAR


def test_an_lstm_without_its_cell_states_is_cut() -> None:
    inputs = inputs_of("lstm")

    def run(inputs: Inputs) -> Trace:
        return port("no-h2h-bias@layer=0,gate=o")(inputs).with_arrays({"c": None})

    case = failing_case(inputs, run(inputs))
    assert case is not None
    smallest = Shrinker(run, case).shrink()
    assert (smallest.sizes["T"], smallest.sizes["N"], smallest.sizes["L"]) == (1, 1, 1)
    assert smallest.names == {"no-h2h-bias"}


@pytest.mark.slow
def test_a_port_of_one_size_keeps_it_with_zeros() -> None:
    inputs, run = inputs_of("gru"), port("no-h2h-bias@layer=0,direction=forward", units=7)
    case = failing_case(inputs, run(inputs))
    assert case is not None
    smallest = Shrinker(run, case).shrink().inputs
    assert smallest.network.hidden_size == 7
    used = [unit for unit in range(7) if smallest.parameters["l0_i2h_bias"].reshape(3, 7)[:, unit].any()]
    assert len(used) <= 4


def test_a_right_port_has_no_case() -> None:
    inputs = inputs_of("gru")
    assert failing_case(inputs, port("no-h2h-bias@sample=99")(inputs)) is None


def test_a_test_in_c_has_every_number_of_the_case() -> None:
    inputs = inputs_of("lstm")
    text = c_test(inputs)
    arrays = dict(re.findall(r"static const \w+ (\w+)\[\] = \{(.*?)\};", text))
    read = [np.float32(number.rstrip("f")) for number in arrays["weight_hh_l1_reverse"].split(", ")]
    assert read == inputs.parameters["r1_h2h_weight"].ravel().tolist()
    assert len(arrays["expected"].split(", ")) == 2 * 2 * 16 * 3 * 7
