"""Shared fixtures of custom steps."""

import pytest

from rnnviz.core.inputs import save_inputs
from tests.engines.custom_code.files import SIZES
from tests.verify.audit_helpers import inputs_of


@pytest.fixture
def inputs(tmp_path):
    return save_inputs(tmp_path / "inputs", inputs_of({"timesteps": 3, "batch_size": 2}, cell="rnn_tanh", **SIZES))
