"""A short walk and its checks; one of 20,000 actions is run manually."""

import pytest

from rnnviz.core.config import Config
from rnnviz.io.templates import write_starter
from tests.programs import python
from tests.shared_worker import run_shared
from tools.monkey.heartbeat import Frame
from tools.monkey.verdicts import Verdicts

__all__ = ["run_shared"]

# On a machine that runs other tests a frame of a fifth of a second says nothing.
_FROZEN = "5"


@pytest.mark.nightly
def test_a_short_walk_over_every_control_breaks_nothing_and_the_command_line_finds_the_same():
    done = python("-m", "tools.monkey", "200", "--checks", "3", "--frozen", _FROZEN, "--aloud", seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_frame_has_its_clock_time_unless_the_processor_was_busy():
    assert Frame("", clock=0.5, processor=0.1, kept=0.04).seconds == 0.5
    assert Frame("", clock=0.5, processor=0.1, kept=0.06).seconds == 0.1


@pytest.mark.nightly
def test_the_command_line_runs_the_windows_code_and_reports_other_verdicts(run_shared, tmp_path):
    own = str(tmp_path / "mine.py")
    write_starter("lstm", tmp_path / "mine.py")

    def config(candidate):
        network = {"cell": "lstm", "input_size": 3, "hidden_size": 4}
        return Config.from_mapping({"network": network, "compare": {"reference": "manual", "candidates": [candidate]}})

    verdicts = Verdicts(tmp_path, most=2)
    result = run_shared(config(own), frozenset({own}))
    verdicts.add(result, config(own))
    verdicts.add(result, config("bug:no-h2h-bias"))
    (said,) = verdicts.wrong()
    assert "bug:no-h2h-bias" in said
    assert (verdicts.runs, verdicts.configs) == (2, 2)
