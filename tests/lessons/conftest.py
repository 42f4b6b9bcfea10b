"""One small run with a candidate that is wrong, shared by the tests of statements."""

import pytest

from rnnviz.lessons.evaluate import StatementResult, check_statement
from rnnviz.lessons.statements import parse_statement
from rnnviz.verify.result import RunResult
from tests.factories import make_result, with_judgment


class StatementChecker:
    """A run, and statements about it."""

    def __init__(self, result: RunResult) -> None:
        self.result = result

    def __call__(self, holds: str) -> StatementResult:
        return check_statement(self.result, parse_statement("as it says", holds))


WRONG = "bug:no-h2h-bias"
MADE = make_result(("manual", WRONG), cell="lstm", num_layers=2, bidirectional=True, timesteps=3)
RUN = StatementChecker(with_judgment(MADE, diagnoses={WRONG: (("no-h2h-bias",),)}))


@pytest.fixture(scope="module")
def wrong_run() -> StatementChecker:
    """An LSTM without its h2h bias, compared with the manual recurrence."""
    return RUN
