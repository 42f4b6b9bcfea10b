"""Progress of a run before its engines compute."""

import pytest

import rnnviz
from rnnviz.core.config import Backward, Compare, Config, Network, SequenceSource
from rnnviz.core.inputs import Inputs
from rnnviz.core.progress import advance, expect
from rnnviz.engines.registry import load_engine
from rnnviz.execution import pipeline
from rnnviz.execution.events import RunRequest, Stage, StageKind
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.verify.consistency_checks import STATE_FOLLOWS
from rnnviz.verify.verdict import AuditVerdict, CheckOutcome, Verdict
from tests.cases import cases
from tests.profiles import nightly_except
from tests.verify.audit_helpers import engine_or_skip


def load_in_pieces(config: Config) -> Inputs:
    expect(4)
    for _ in range(4):
        advance(1)
    return load_inputs(config)


def test_reading_large_inputs_moves_the_bar_to_the_start_of_the_engines(tmp_path):
    config = Config(Network("gru", 3, 4), compare=Compare("manual", ("bug:no-h2h-bias",))).checked()
    told: list[tuple[str, float]] = []
    compute(RunRequest(config, load_in_pieces), tmp_path, lambda stage, done: told.append((str(stage), done)))
    assert [stage for stage, _ in told[:5]] == [
        "reading the inputs",
        *(f"reading the inputs, {part}%" for part in (25, 50, 75, 100)),
    ]
    read = [done for stage, done in told if stage.startswith("reading the inputs")]
    assert read == sorted(read)
    assert read[-1] == next(done for stage, done in told if stage.startswith("computing"))
    assert [done for _, done in told] == sorted(done for _, done in told)


def test_gradients_are_audited_after_the_forward_pass(tmp_path):
    bug = "bug:direct-output-gradient-dropped"
    config = Config(
        Network("lstm", 3, 4),
        SequenceSource(timesteps=6, batch_size=2),
        backward=Backward(enabled=True, loss="normal"),
        compare=Compare("manual", (bug, "bug:no-h2h-bias")),
    )
    request, told = RunRequest(config.checked(), load_inputs), list[tuple[Stage, float]]()
    outcome = compute(request, tmp_path, lambda *_: None)
    judgment = judge_computed(request, tmp_path, outcome, lambda *event: told.append(event))
    assert judgment.backward is not None
    verdicts = {name: audit.verdict for name, audit in judgment.backward.audits.items()}
    assert verdicts["manual"] is AuditVerdict.RIGHT
    assert verdicts[bug] is AuditVerdict.WRONG
    kinds = [stage.kind for stage, _ in told]
    assert kinds.index(StageKind.AUDITING_GRADIENTS) > kinds.index(StageKind.AUDITING)
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][1] <= 1.0


LAST_CELL_STATE_WRONG = cases(__file__)["last-cell-state-wrong"]


@pytest.mark.slow
def test_a_custom_step_whose_last_cell_state_alone_is_wrong_disagrees(tmp_path):
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


@pytest.mark.slow
@pytest.mark.parametrize("engine", nightly_except(("gluon", "torch", "onnx", "manual"), "manual"))
def test_the_final_cell_states_of_built_in_engines_follow_from_their_hidden_values(engine, tmp_path, monkeypatch):
    computing = engine_or_skip(engine)

    class OtherFinalState(type(computing)):
        def run(self, inputs, trace, progress):
            report = super().run(inputs, trace, progress)
            assert trace.state_c is not None
            trace.state_c[1, 0, 2] += 1e-3
            return report

    network = Network("lstm", 3, 4, bidirectional=True)
    config = Config(network, SequenceSource(timesteps=7, batch_size=2), compare=Compare(engine, ("bug:no-h2h-bias",)))
    for made, holds in ((computing, True), (OtherFinalState(), False)):
        monkeypatch.setattr(
            pipeline, "load_engine", lambda name, made=made: made if name == engine else load_engine(name)
        )
        folder = tmp_path / str(holds)
        request = RunRequest(config.checked(), load_inputs)
        outcome = compute(request, folder, lambda stage, done: None)
        judgment = judge_computed(request, folder, outcome, lambda stage, done: None)
        found = [c.holds for c in judgment.checks if (c.engine, c.name) == (engine, STATE_FOLLOWS)]
        assert found == [holds]
        assert judgment.audits[engine].wrong == 0
