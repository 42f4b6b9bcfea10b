"""Labels of time steps, vocabularies, lessons, and sound."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

from tests.io.model_formats.damage import damaged
from tests.io.readers.test_wav import wav as wav_file
from tools.fuzz.readers import FEATURES, TIMESTEPS

LESSONS = sorted((Path(__file__).parents[2] / "resources" / "lessons").glob("*.md"))

_WORDS = (
    "a", "b", "the", "cat", "sät", "<unk>", " ", "\t", "", "\x00", "\x1b[2J", "\u2028", "\u202e", "🦜", "x" * 3_000,
    "a b", "\r", "#", "\ufeff", "'", '"',
)  # fmt: skip
_INDICES: tuple[Any, ...] = (-1, 0, 1, 2, 5, 10**9, 10**30, 1.0, True, None, "1", [], {}, float("nan"))


def labels(chance: Random, _folder: Path) -> bytes:
    """A line for each time step, or for some more or fewer."""
    count = TIMESTEPS if chance.random() < 0.7 else chance.choice([0, 1, 2, 4, 5_000])
    common = chance.random() < 0.5
    lines = [chance.choice(_WORDS[:6] if common else _WORDS) for _ in range(count)]
    end = chance.choice(["\n", "\n", "\r\n", "\r"])
    content = (end.join(lines) + chance.choice(["", end])).encode(chance.choice(["utf-8"] * 8 + ["utf-16"]))
    return _perhaps_damaged(content, chance)


def vocabulary(chance: Random, _folder: Path) -> bytes:
    words = list(_WORDS[:6]) if chance.random() < 0.5 else chance.sample(_WORDS, chance.randrange(len(_WORDS)))
    chance.shuffle(words)
    content = "\n".join(words + words[: chance.choice([0, 0, 0, 1])]).encode()
    return _perhaps_damaged(content, chance)


def vocabulary_json(chance: Random, _folder: Path) -> bytes:
    """A table of tokens and their indices, or something else in JSON."""
    words = list(_WORDS[:6]) if chance.random() < 0.6 else chance.sample(_WORDS, chance.randrange(len(_WORDS)))
    indices: list[Any] = list(range(len(words)))
    for _ in range(chance.choice([0, 0, 1, 2]) if indices else 0):
        indices[chance.randrange(len(indices))] = chance.choice(_INDICES)
    values: Any = dict(zip(words, indices, strict=True))
    if chance.random() < 0.05:
        values = chance.choice([*_INDICES, words])
    text = json.dumps(values, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.05:
        text = chance.choice([text[:-1] + ', "a": 7}', "[" * 100_000, "9" * 5_000, "{}", '"\\ud800"'])
    return _perhaps_damaged(text.encode(), chance)


def lesson(chance: Random, _folder: Path) -> bytes:
    """One of the lessons with some words of its step blocks exchanged, or damaged as any file may be."""
    text = LESSONS[chance.randrange(len(LESSONS))].read_text(encoding="utf-8")
    if chance.random() < 0.3:
        return damaged(text.encode(), chance)
    words = re.split(r"(\w+|\s)", text)
    places = [place for place, word in enumerate(words) if word.strip()]
    inside = [place for place in places if place > words.index("step")]
    for _ in range(chance.choice([0, 1, 1, 3])):
        place = chance.choice(inside)
        words[place] = chance.choice(["", words[place] * 2, words[chance.choice(inside)], "0", "-1", "9" * 5_000, "("])
    return "".join(words).encode()


def wav(chance: Random, _folder: Path) -> bytes:
    """Sound in every encoding, and in some that there are not."""
    right = chance.random() < 0.4
    bits, channels = chance.choice([8, 16, 24, 32]), chance.choice([1, 2, FEATURES])
    if not right:
        bits, channels = chance.choice([8, 24, 64, 0, 12]), chance.choice([1, FEATURES, 0, 3, 65_535])
    content = chance.randbytes(96 if right else chance.choice([0, 1, 96, 192, 4_800]))
    block = chance.choice([None, 0, 1, 8, 65_535]) if not right else None
    sound = wav_file(
        content,
        bits,
        channels,
        1 if right else chance.choice([1, 3, 0, 85]),
        extensible=chance.random() < 0.3,
        before=chance.choice([b"", b"", b"LIST\x04\0\0\0abcd", b"data\xff\xff\xff\xff"]),
        block=min(channels * bits // 8, 65_535) if block is None else block,
    )
    return _perhaps_damaged(sound, chance)


def _perhaps_damaged(content: bytes, chance: Random) -> bytes:
    return damaged(content, chance) if len(content) > 8 and chance.random() < 0.2 else content
