"""One small run with a candidate that is wrong, shared by the tests of claims."""

import pytest

from rnnviz.analysis.claims.finding import Finding, check_claim
from rnnviz.analysis.claims.grammar import parse_claim
from rnnviz.analysis.result import RunResult
from tests.made_judgements import judged
from tests.made_results import made_result


class Claimed:
    """A run, and claims about it."""

    def __init__(self, result: RunResult) -> None:
        self.result = result

    def __call__(self, holds: str) -> Finding:
        return check_claim(self.result, parse_claim("as it says", holds))


WRONG = "mistake:no-h2h-bias"
MADE = made_result(("manual", WRONG), cell="lstm", num_layers=2, bidirectional=True, timesteps=3)
RUN = Claimed(judged(MADE, diagnoses={WRONG: (("no-h2h-bias",),)}))


@pytest.fixture(scope="module")
def wrong_run() -> Claimed:
    """An LSTM without its h2h bias, held against the textbook."""
    return RUN
