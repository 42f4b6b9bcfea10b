"""Input sequences that need no file, and the names of their time steps and features."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core import sequence
from rnnviz.core.errors import ConfigError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.sequence import (
    Names,
    SequenceSource,
    alphabet,
    draw_sequence,
    feature_in_words,
    feature_index,
    feature_title,
    one_hot,
    shortened,
    timestep_in_words,
    visible,
)
from tests.strategies import SEEDS, SIZES

SOURCES = ("normal", "uniform", "impulse", "sine")


def drawn(source: SequenceSource, features: int = 3, dtype: str = "float64") -> FloatArray:
    return draw_sequence(source, features, dtype)


def source(kind: str, timesteps: int = 4, samples: int = 2, seed: int = 0) -> SequenceSource:
    return SequenceSource(kind, samples, timesteps, seed)


@given(st.sampled_from(SOURCES), SIZES, SIZES, SIZES, SEEDS)
def test_a_sequence_is_time_first_read_only_and_the_same_every_time(kind, timesteps, samples, features, seed):
    asked = source(kind, timesteps, samples, seed)
    exact, again = (drawn(asked, features) for _ in range(2))
    assert exact.shape == (timesteps, samples, features)
    assert exact.dtype == np.float64
    assert not exact.flags.writeable
    np.testing.assert_array_equal(exact, again)
    rounded = drawn(asked, features, "float32")
    np.testing.assert_array_equal(exact.astype(np.float32), rounded)


@given(st.sampled_from(("normal", "uniform", "sine", "impulse")), st.integers(1, 6), st.integers(0, 6), SEEDS)
def test_a_longer_sequence_starts_with_the_shorter_one(kind, shorter, more, seed):
    short = drawn(source(kind, shorter, seed=seed))
    long = drawn(source(kind, shorter + more, seed=seed))
    np.testing.assert_array_equal(long[:shorter], short)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("values", [1, 7, 13])
def test_the_length_of_the_blocks_in_which_it_is_drawn_changes_no_number(monkeypatch, kind, values):
    whole = drawn(source(kind, timesteps=5))
    monkeypatch.setattr(sequence, "_BLOCK_VALUES", values)
    np.testing.assert_array_equal(drawn(source(kind, timesteps=5)), whole)


def test_random_sequences_are_pinned_to_numpys_generator():
    np.testing.assert_array_equal(drawn(source("normal", seed=9)), np.random.default_rng(9).normal(size=(4, 2, 3)))
    np.testing.assert_array_equal(drawn(source("uniform", seed=9)), np.random.default_rng(9).uniform(-1, 1, (4, 2, 3)))


def test_an_impulse_is_one_number_a_sample_at_the_first_time_step():
    x = drawn(source("impulse", timesteps=3, samples=5), 3)
    assert {tuple(where) for where in np.argwhere(x)} == {(0, n, n % 3) for n in range(5)}
    assert x.sum() == 5


def test_a_sine_is_a_wave_of_32_steps_and_its_harmonics():
    x = drawn(source("sine", timesteps=40, samples=4), 3)
    for t in range(40):
        for n in range(4):
            for i in range(3):
                expected = np.sin(2 * np.pi * ((i + 1) * t / 32 + n / 4))
                assert x[t, n, i] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(x[:8], x[32:], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "tokens", "letters", "symbols"),
    [
        ("hello", None, "ehlo", list("hello")),
        ("so it\tgoes  so\n", "words", ["goes", "it", "so"], ["so", "it", "goes", "so"]),
    ],
)
def test_a_text_is_read_as_one_hot_characters_or_words(text, tokens, letters, symbols):
    x = drawn(SequenceSource("text", text=text, tokens=tokens), len(letters), "float32")
    assert (x.shape, x.dtype) == ((len(symbols), 1, len(letters)), np.float32)
    np.testing.assert_array_equal(x.sum(axis=2), 1.0)
    assert [letters[place] for place in x[:, 0].argmax(axis=1)] == symbols


def test_a_one_hot_row_has_its_one_at_the_index_and_a_large_array_is_in_a_file():
    for dtype in ("float32", "float64"):
        x = one_hot([np.array([2, 0]), np.array([1])], 3, dtype)
        assert (x.dtype, x.tolist()) == (dtype, [[[0, 0, 1], [0, 1, 0]], [[1, 0, 0], [0, 0, 0]]])
    places = np.random.default_rng(3).integers(0, 5_000, 4_000)
    x = one_hot([places], 5_000, "float32")
    assert not x.flags.writeable
    np.testing.assert_array_equal(x[:, 0].argmax(axis=1), places)
    assert x.sum() == len(places)


def test_a_source_keeps_its_sizes_and_labels_when_its_numbers_are_in_a_file():
    sine = SequenceSource("sine", 3, 5, 7, labels="steps.txt")
    assert sine.of_file("x.npy") == SequenceSource("file", 3, 5, 7, "x.npy", labels="steps.txt")
    written = SequenceSource("text", text="to be or", tokens="words", vocabulary="v.txt", unknown="?", labels="l.txt")
    assert written.sized_by_text() == replace(written, batch_size=1, timesteps=3)
    assert written.of_file("x.npy").labels == "l.txt"
    own = replace(written, labels=None, sample_labels=("a.txt",))
    assert own.of_file("x.npy").sample_labels == ("a.txt",)
    padded = replace(sine, lengths=(2, 5, 1))
    assert padded.of_file("x.csv").lengths == (2, 5, 1)
    assert padded.of_file("x.txt").lengths is None
    archived = replace(sine.of_file("x.npz"), array="x", axes="TNI")
    assert archived.of_file("y.npz") == replace(archived, path="y.npz")
    assert archived.of_file("y.wav") == sine.of_file("y.wav")
    assert sine.sized_by_text() is sine
    several = replace(written, text=None, texts=("to be", "or")).sized_by_text()
    assert (several.batch_size, several.timesteps) == (2, 2)
    assert replace(written, text="to").sized_by_text().timesteps == 1
    assert [source.embedded for source in (written, replace(written, embedding="e"))] == [False, True]
    assert replace(written, embedding_path="e.npy").embedded
    assert (alphabet(["he", "llo"]), alphabet([("so", "it"), ("so",)])) == ("ehlo", ("it", "so"))


NAMES = Names("a \n", ("open", "", 'the "high"', "x" * 40))


def test_invisible_characters_are_marked():
    seen = {
        "l": "l", " ": "␣", "\n": "↵", "\t": "⇥", "  ": "␣␣", "two words": "two words", "\x07": "\\x07",
        "a\u200bb": "a\\u200bb", "\u2028": "\\u2028", "a\tb\n": "a⇥b↵", "語": "語", "": "",
    }  # fmt: skip
    assert {name: visible(name) for name in seen} == seen


def test_a_time_step_is_shown_with_its_name_if_it_has_one():
    assert [timestep_in_words(NAMES, t) for t in range(4)] == ["t = 0 'a'", "t = 1 '␣'", "t = 2 '↵'", "t = 3"]
    assert timestep_in_words(Names(), 5018) == "t = 5,018"
    assert timestep_in_words(Names(("word " * 9,)), 0, 12) == "t = 0 'word word w…'"


def test_a_feature_is_shown_by_number_and_name():
    assert [feature_title(NAMES, i) for i in range(2)] == ["open", "1"]
    assert [feature_in_words(NAMES, i) for i in range(2)] == ["feature 0 'open'", "feature 1"]
    assert feature_in_words(NAMES, 3, 5) == "feature 3 'xxxx…'"
    assert feature_in_words(NAMES, 3) == f"feature 3 '{'x' * 23}…'"
    assert feature_index(Names("", ("über",)), 0) == '"über"'
    assert [feature_index(NAMES, i) for i in range(3)] == ['"open"', "1", '"the \\"high\\""']
    assert feature_index(NAMES, 3) == f'"{"x" * 23}…"'


def test_a_long_text_keeps_its_start():
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert shortened("  abc def", 6) == "  abc…"
    assert shortened("x" * 24) == "x" * 24
    assert shortened("x" * 25) == "x" * 23 + "…"


def test_lengths_are_one_for_each_sample():
    with pytest.raises(ConfigError, match=r"= \[3\] has 1 length, but there are 2 samples: give one for each\.$"):
        sequence.checked_lengths((3,), 2, 5)
    assert sequence.checked_lengths((5, 5), 2, 5) == ()


def test_a_call_begins_within_the_sequence():
    drawn = SequenceSource("normal", 1, 8, seams=(3, 7))
    sequence.check_sequence(drawn, None)
    with pytest.raises(ConfigError, match=r"sequence\.seams contains 8, but there are 8 time steps"):
        sequence.check_sequence(replace(drawn, seams=(3, 8)), None)
    # How many time steps a file has is known when it is read.
    sequence.check_sequence(replace(drawn, source="file", path="x.npy", seams=(3, 8)), None)
