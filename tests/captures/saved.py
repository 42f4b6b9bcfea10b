"""A captured sequence as rnnviz opens it."""

from pathlib import Path

import numpy as np

from rnnviz.captures.rnn_capture import CapturedSequence
from rnnviz.core.inputs import Inputs
from rnnviz.engines.replay import RecordedEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.session import read_session
from rnnviz.verify.audit import Audit, audit
from tests.engines.test_lengths import alone
from tests.oracles.computed import computed
from tests.oracles.recurrence import recurrence


def opened(sequence: CapturedSequence, folder: Path) -> tuple[Inputs, Audit]:
    """The inputs of the saved sequence, and the step audit of its recording."""
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
