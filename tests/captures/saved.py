"""A captured sequence as rnnviz opens it."""

from pathlib import Path

import numpy as np

import rnnviz
from rnnviz.captures.rnn_capture import Capture, CapturedSequence
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.explain.explanation import ExplanationCache
from rnnviz.io.inputs import load_inputs
from rnnviz.io.session import read_session
from rnnviz.verify.audit import Audit, audit
from rnnviz.verify.verdict import Verdict
from tests.engines.test_lengths import alone
from tests.explain.arithmetics import explain_at
from tests.oracles.computed import computed
from tests.oracles.recurrence import recurrence


def opened(sequence: CapturedSequence, folder: Path) -> tuple[Inputs, Audit]:
    path = folder / "capture.rnnviz"
    sequence.save(path)
    config = read_session(path, lambda: folder).config
    inputs = load_inputs(config)
    trace, _ = computed(RecordedEngine(config.compare.reference), inputs)
    return inputs, audit(inputs, trace, full=True)


def assert_computed(sequence: CapturedSequence, folder: Path, tolerance: float) -> Inputs:
    """Check that the saved layer, input and states give the recorded values, by plain loops and by the audit."""
    inputs, verdict = opened(sequence, folder)
    assert verdict.first_wrong is None
    for sample in range(inputs.batch_size):
        expected = recurrence(alone(inputs, sample))
        times = slice(inputs.length(sample))
        np.testing.assert_allclose(
            sequence.output[times, sample], expected.output[:, 0], rtol=0, atol=tolerance, err_msg=f"sample {sample}"
        )
        if sequence.hidden is not None:
            np.testing.assert_allclose(
                sequence.hidden[:, :, times, sample], expected.hidden[:, :, :, 0], rtol=0, atol=tolerance
            )
        np.testing.assert_allclose(sequence.final_state["h"][:, sample], expected.state_h[:, 0], rtol=0, atol=tolerance)
    return inputs


def assert_explained(captured: Capture, folder: Path) -> None:
    """Check that each saved sequence opens, agrees with the manual recurrence, and that values of it are explained."""
    for path in map(Path, captured.save(folder)):
        run = rnnviz.run(rnnviz.load_config(path))
        assert run.verdict is Verdict.AGREE
        recording = run.reference
        assert not np.isnan(recording.hidden).any()
        assert run.judgment is not None
        assert run.judgment.audits[recording.engine].first_wrong is None
        generator = np.random.default_rng(1)
        for _ in range(3):
            layer, direction, _, sample, unit = (int(generator.integers(size)) for size in run.shape)
            timestep = int(generator.integers(run.inputs.length(sample)))
            where = Location(layer, direction, timestep, sample, unit)
            explanation = explain_at(run, where, ExplanationCache(run))
            assert explanation.breakdowns.keys() == run.traces.keys()
