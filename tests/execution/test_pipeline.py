"""What a run tells of its progress before its engines compute."""

from pathlib import Path

import rnnviz
from rnnviz.core.config import Compare, Config, Network, SequenceSource
from rnnviz.core.inputs import Inputs
from rnnviz.core.progress import advance, expect
from rnnviz.execution.pipeline import compute
from rnnviz.execution.request import RunRequest
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.verify.verdict import CheckOutcome, Verdict


def load_in_pieces(config: Config) -> Inputs:
    expect(4)
    for _ in range(4):
        advance(1)
    return load_inputs(config)


def test_reading_large_inputs_moves_the_bar_up_to_where_the_engines_begin(tmp_path: Path) -> None:
    config = Config(Network("gru", 3, 4), compare=Compare("manual", ("bug:no-h2h-bias",))).checked()
    told: list[tuple[str, float]] = []
    compute(RunRequest(1, config, load_in_pieces), tmp_path, lambda stage, done: told.append((str(stage), done)))
    assert [stage for stage, _ in told[:5]] == [
        "reading the inputs",
        *(f"reading the inputs, {part}%" for part in (25, 50, 75, 100)),
    ]
    read = [done for stage, done in told if stage.startswith("reading the inputs")]
    assert read == sorted(read)
    assert read[-1] == next(done for stage, done in told if stage.startswith("computing"))
    assert [done for _, done in told] == sorted(done for _, done in told)


LAST_CELL_STATE_WRONG = """
calls = 0
correct_step = step


def step(x, state, p):
    global calls
    calls += 1
    h, c = correct_step(x, state, p)
    return h, c + 1e-2 if calls == 7 else c
"""


def test_a_custom_step_whose_last_cell_state_alone_is_wrong_disagrees(tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    code = starter("lstm")
    own.write_text(code + LAST_CELL_STATE_WRONG, encoding="utf-8")
    config = Config(
        Network("lstm", 3, 4), SequenceSource(timesteps=7, batch_size=2), compare=Compare("manual", (str(own),))
    )
    result = rnnviz.run(config.checked(), trusted=(str(own),))
    assert result.verdict is Verdict.DISAGREE
    failed = {check.engine for check in result.checks if check.outcome is CheckOutcome.FAILED}
    assert failed == {str(own)}
