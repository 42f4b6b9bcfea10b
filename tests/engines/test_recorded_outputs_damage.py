"""Recordings damaged at random: always a sentence, or the numbers that were recorded."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.recorded_outputs import RecordedEngine
from tests.engines.recordings import network_inputs, recorded
from tests.io.model_formats.damage import KINDS, damaged
from tests.oracles.computed import computed

SAVED: dict[str, Callable[..., None]] = {"stored": np.savez, "compressed": np.savez_compressed}
ARRAYS = ("h", "out", "state.h", "state.c")


def outcome_of(path: Path, inputs: Inputs, whole: Trace) -> str:
    """The sentence of a refusal, or "" if every array is read as it was recorded."""
    try:
        trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    except InputError as error:
        return str(error)
    for name in ARRAYS:
        if name not in report.missing:
            np.testing.assert_array_equal(trace[name], whole[name])
    return ""


@pytest.mark.parametrize("cases", [20, pytest.param(500, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("how", SAVED)
def test_a_damaged_recording_is_refused_in_a_sentence_or_read_as_it_was_recorded(
    tmp_path: Path, how: str, cases: int
) -> None:
    inputs, path = network_inputs(), tmp_path / "golden.npz"
    SAVED[how](path, **recorded(inputs))
    content = path.read_bytes()
    whole, _ = computed(RecordedEngine(f"recording:{path}"), inputs)
    sentences = []
    for seed in range(cases):
        path.write_bytes(damaged(content, Random(seed), KINDS[seed % len(KINDS)]))
        sentences.append(outcome_of(path, inputs, whole))
    refused = list(filter(None, sentences))
    assert len(refused) > cases // 4
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in refused)
