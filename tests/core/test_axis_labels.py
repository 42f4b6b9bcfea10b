"""Displayed names of time steps and features."""

from rnnviz.core.sequence import (
    Names,
    feature_in_words,
    feature_index,
    feature_title,
    shortened,
    timestep_in_words,
    visible,
)

NAMES = Names("a \n", ("open", "", 'the "high"', "x" * 40))


def test_invisible_characters_are_marked() -> None:
    seen = {
        "l": "l", " ": "␣", "\n": "↵", "\t": "⇥", "  ": "␣␣", "two words": "two words", "\x07": "\\x07",
        "a\u200bb": "a\\u200bb", "\u2028": "\\u2028", "a\tb\n": "a⇥b↵", "語": "語", "": "",
    }  # fmt: skip
    assert {name: visible(name) for name in seen} == seen


def test_a_time_step_is_shown_with_its_name_if_it_has_one() -> None:
    assert [timestep_in_words(NAMES, t) for t in range(4)] == ["t = 0 'a'", "t = 1 '␣'", "t = 2 '↵'", "t = 3"]
    assert timestep_in_words(Names(), 7) == "t = 7"
    assert timestep_in_words(Names(("word " * 9,)), 0, 12) == "t = 0 'word word w…'"


def test_a_feature_is_shown_by_number_and_name() -> None:
    assert [feature_title(NAMES, i) for i in range(2)] == ["open", "1"]
    assert [feature_in_words(NAMES, i) for i in range(2)] == ["feature 0 'open'", "feature 1"]
    assert feature_in_words(NAMES, 3, 5) == "feature 3 'xxxx…'"
    assert feature_in_words(NAMES, 3) == f"feature 3 '{'x' * 23}…'"
    assert feature_index(Names("", ("über",)), 0) == '"über"'
    assert [feature_index(NAMES, i) for i in range(3)] == ['"open"', "1", '"the \\"high\\""']
    assert feature_index(NAMES, 3) == f'"{"x" * 23}…"'


def test_a_long_text_keeps_its_start() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert shortened("  abc def", 6) == "  abc…"
    assert shortened("x" * 24) == "x" * 24
    assert shortened("x" * 25) == "x" * 23 + "…"
