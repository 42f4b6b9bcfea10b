"""What a run tells of its progress before its engines compute."""

from pathlib import Path

from rnnviz.core.config import Compare, Config, Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.progress import advance, expect
from rnnviz.execution.pipeline import compute
from rnnviz.execution.request import RunRequest
from rnnviz.io.inputs import load_inputs


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
