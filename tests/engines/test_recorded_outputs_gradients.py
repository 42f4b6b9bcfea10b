"""Recorded gradients: read by their names, and absent where the recording lacks them."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine, check_recording, open_recording
from tests.engines.recordings import Arrays
from tests.engines.test_gradients import inputs_of, with_gradients
from tests.shared_worker import Run, run_shared

__all__ = ["run_shared"]


def recorded(inputs: Inputs, prefix: str = "") -> Arrays:
    """The hidden states and all gradients of manual."""
    trace, _ = with_gradients(ManualEngine(), inputs)
    arrays = {"hidden": trace.hidden} | {name: array for name, array in trace.items() if name.startswith("grad.")}
    return {f"{prefix}{name}": array for name, array in arrays.items()}


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return inputs_of("lstm", {}, [3, 7, 5])


@pytest.mark.parametrize("prefix", ["", "torch."])
def test_every_recorded_gradient_is_read(inputs: Inputs, prefix: str, tmp_path: Path) -> None:
    arrays = recorded(inputs, prefix)
    np.savez(tmp_path / "a.npz", **arrays)
    trace, report = with_gradients(RecordedEngine(f"recording:{tmp_path / 'a.npz'}"), inputs)
    assert report.missing == frozenset()
    for name, array in arrays.items():
        if "grad" in name:
            np.testing.assert_array_equal(trace[name.removeprefix(prefix)], array)


def test_a_gradient_of_another_shape_is_refused_in_a_run_with_a_backward_pass(inputs: Inputs, tmp_path: Path) -> None:
    arrays = recorded(inputs)
    arrays["grad.input"] = arrays["grad.input"].swapaxes(0, 1)
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"grad\.input in .* expected \(T, N, I\) = \(7, 3, 3\)"):
        check_recording(open_recording(f"recording:{tmp_path / 'a.npz'}"), inputs)


@pytest.mark.parametrize("kept", ["grad.parameters.", "grad.h"])
def test_a_run_has_the_gradients_of_a_recording_and_no_others(kept: str, tmp_path: Path, run_shared: Run) -> None:
    inputs = inputs_of("lstm", {}, None, num_layers=1, bidirectional=False)
    arrays = {name: array for name, array in recorded(inputs).items() if name == "hidden" or name.startswith(kept)}
    np.savez(tmp_path / "a.npz", **arrays)
    mapping = inputs.config.to_mapping()
    name = f"recording:{tmp_path / 'a.npz'}"
    config = Config.from_mapping({**mapping, "compare": {"reference": "manual", "candidates": [name]}})
    result = run_shared(config)
    trace = result.traces[name]
    assert {found for found in trace if found.startswith("grad.")} == arrays.keys() - {"hidden"}
    assert not any(found.startswith("grad.") for found in trace.missing)
    (comparison,) = result.comparisons
    found = comparison.gradients
    assert found.keys() == arrays.keys() - {"hidden"}
    assert not any(one.mismatched for one in found.values())
