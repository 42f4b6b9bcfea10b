"""What the tests of a recurrence of one's own share."""

from pathlib import Path

import pytest

from rnnviz.model.inputs import Inputs
from rnnviz.model.stored_inputs import save_inputs
from tests.analysis.audited import inputs_of
from tests.engines.own.files import SIZES


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return save_inputs(tmp_path / "inputs", inputs_of({"timesteps": 3, "batch_size": 2}, cell="rnn_tanh", **SIZES))
