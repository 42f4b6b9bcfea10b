"""The batches of the problems: what is to be predicted follows from the sequence."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.training.problems import BatchSource, batches_of, guide_text
from rnnviz.training.task import PROBLEMS
from tests.training.tasks import task_of


def _source(kind: str, **problem: object) -> BatchSource:
    task = task_of(kind)
    return batches_of(replace(task, problem=replace(task.problem, **problem)))


@pytest.mark.parametrize("kind", PROBLEMS)
def test_batches_depend_on_the_seed_and_the_step(kind):
    source, again, other = _source(kind), _source(kind), _source(kind, seed=1)
    batch = source.batch(3)
    assert batch.x.shape == (13, 5, source.input_size)
    assert batch.counted.shape == (13, 5)
    assert batch.target.shape == ((13, 5) if source.classes else (13, 5, source.output_size))
    assert np.array_equal(batch.x, again.batch(3).x)
    assert np.array_equal(source.test.x, again.test.x)
    for different in (source.batch(4), source.test, other.batch(3)):
        assert not np.array_equal(batch.x[:, :1], different.x[:, :1])


def test_targets_follow_from_the_sequence():
    adding = _source("adding").batch(0)
    assert (adding.x[..., 1].sum(axis=0) == 2).all()
    assert adding.target[-1, :, 0] == pytest.approx((adding.x[..., 0] * adding.x[..., 1]).sum(axis=0))
    assert adding.counted.sum() == adding.counted[-1].sum() == 5
    copy = _source("copy").batch(0)
    read = copy.x.argmax(axis=-1)
    assert (read[7] == 9).all()
    assert np.array_equal(copy.target[-5:], read[:5])
    assert (copy.counted.sum(axis=0) == 5).all()
    assert copy.counted[-5:].all()
    parity = _source("parity").batch(0)
    assert np.array_equal(parity.target, parity.x[..., 0].cumsum(axis=0) % 2)
    sine = _source("sine").batch(0)
    assert np.array_equal(sine.target[:-1], sine.x[1:])
    assert float(np.abs(sine.x).max()) <= 1.0


def test_brackets_are_balanced_and_closing_ones_follow_from_the_open_ones():
    source = _source("brackets", timesteps=60)
    batch = source.batch(0)
    for sample in range(5):
        word = [*batch.x[:, sample].argmax(axis=-1), batch.target[-1, sample]]
        assert np.array_equal(word[1:], batch.target[:, sample])
        opened = ""
        for place in word:
            bracket = source.names[place]
            if bracket in "([":
                opened += bracket
            else:
                assert opened[-1] + bracket in ("()", "[]")
                opened = opened[:-1]
            assert len(opened) <= 4


def test_characters_continue_from_batch_to_batch(tmp_path):
    text = "".join(chr(97 + k % 26) + (" " if k % 7 == 0 else "") for k in range(2000))
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    source = _source("characters", path=str(path))
    first, second = source.batch(0), source.batch(1)
    assert (first.continues, second.continues) == (False, True)
    assert np.array_equal(first.target[-1], second.x[0].argmax(axis=-1))
    read = "".join(source.names[k] for k in first.x[:, 0].argmax(axis=-1))
    assert read in text + text[:20]
    held_out = "".join(source.names[k] for k in source.test.x[:, 0].argmax(axis=-1))
    assert held_out in text[len(text) * 9 // 10 - 1 :]
    assert source.baseline == pytest.approx(np.log(27))


def test_short_texts_and_unknown_characters_are_refused(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("too short", encoding="utf-8")
    with pytest.raises(InputError, match=r"9 characters, but problem\.timesteps = 13 needs at least 280"):
        _source("characters", path=str(path))


def test_the_guide_is_the_text_without_a_path():
    source = _source("characters")
    text = guide_text()
    assert source.output_size == len(set(text))
    # Its prose alone: no code, tables, links and headings.
    assert text.isascii()
    assert not set(text) & set("`|*#<>{}")


def test_the_baseline_is_the_variance_of_the_numbers():
    for kind in ("adding", "sine"):
        source = _source(kind, batch_size=2000)
        target = source.test.target[source.test.counted]
        assert float(target.astype(float).var()) == pytest.approx(source.baseline, rel=0.1)
