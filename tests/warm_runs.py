"""Runs that share one child process, where a child of its own for each would be most of what a test takes."""

from collections.abc import Callable, Iterator

import pytest

from rnnviz.analysis.result import RunResult
from rnnviz.files.inputs import load_inputs
from rnnviz.model.config import Config
from rnnviz.runs.events import Finished
from rnnviz.runs.supervisor import Supervisor, new_request

Run = Callable[..., RunResult]


@pytest.fixture(scope="module")
def run_warm() -> Iterator[Run]:
    """`run_warm(config, trusted=...)`: a run in a child that is warm since the module's first."""
    supervisor = Supervisor()

    def run(config: Config, trusted: frozenset[str] = frozenset()) -> RunResult:
        *_, last = supervisor.events(new_request(config, load_inputs, "auto", trusted))
        assert isinstance(last, Finished), last
        return last.result

    yield run
    supervisor.close()
