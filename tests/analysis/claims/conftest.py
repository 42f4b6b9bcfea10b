"""One small run with a candidate that is wrong, shared by the tests of claims."""

import pytest

from rnnviz.analysis.claims.finding import Finding, check_claim
from rnnviz.analysis.claims.grammar import parse_claim
from rnnviz.analysis.result import RunResult
from rnnviz.files.inputs import load_inputs
from rnnviz.model.config import Config
from rnnviz.runs.supervisor import run


class Claimed:
    """A run, and claims about it."""

    def __init__(self, result: RunResult) -> None:
        self.result = result

    def __call__(self, holds: str) -> Finding:
        return check_claim(self.result, parse_claim("as it says", holds))


@pytest.fixture(scope="module")
def wrong_run() -> Claimed:
    """An LSTM without its h2h bias, held against the textbook."""
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
    compare = {"reference": "manual", "candidates": ["mistake:no-h2h-bias"]}
    tables = {"initial_state": {"source": "normal"}, "sequence": {"batch_size": 2, "timesteps": 3}}
    return Claimed(run(Config.from_mapping({"network": network, "compare": compare, **tables}), load_inputs))
