"""Hundreds of damaged files of each kind: refused in a sentence or read, and with a checksum read as before."""

import random
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.sequence import SequenceSource
from rnnviz.io.bounded_read import limited_memory
from rnnviz.io.readers import open_embedding, open_sequence, read_vocabulary
from tests.io.model_formats.damage import damaged
from tests.io.readers.test_embedding import WRITERS
from tests.io.readers.test_wav import wav

CASES = 500
_ALLOWANCE = 256 << 20
X = np.random.default_rng(2).normal(size=(3, 5, 4)).astype(np.float32)


def written(folder: Path, kind: str) -> Path:
    """An undamaged file of a kind."""
    name, _, variant = kind.partition(" ")
    path = folder / f"x.{name}"
    if name == "npy":
        np.save(path, X)
    elif name == "npz":
        (np.savez_compressed if variant else np.savez)(path, recorded=X)
    elif name == "csv":
        np.savetxt(path, X[0], delimiter=",", header="a,b,c,d", comments="")
    elif name == "wav":
        path.write_bytes(wav(X.tobytes()[:240], 24, 2, extensible=True))
    elif name == "txt":
        path.write_text("<unk>\nthe\ncat\nsät\n", encoding="utf-8")
    else:
        path.write_text('{"<unk>": 0, "the": 1, "cat": 2, "s\\u00e4t": 3}', encoding="utf-8")
    return path


def read(path: Path) -> object:
    """The numbers of a sequence, which have the stated shape, or a vocabulary's tokens."""
    if path.suffix in (".txt", ".json"):
        return read_vocabulary(path).places
    opened = open_sequence(SequenceSource("file", path=str(path)), features=4)
    x = opened.read()
    assert x.shape == opened.shape
    return x.tolist()


def outcomes_of_damage(path: Path, read: Callable[[Path], object]) -> Counter[str]:
    """How often a damaged file was read as before, as something else, or refused in one sentence."""
    content, whole, outcomes = path.read_bytes(), read(path), Counter[str]()
    for seed in range(CASES):
        path.write_bytes(damaged(content, random.Random(seed)))
        try:
            # What numpy warns of in a damaged header is not the reader's concern.
            with limited_memory(_ALLOWANCE), warnings.catch_warnings(action="ignore"):
                outcomes["same" if read(path) == whole else "other"] += 1
        except InputError as error:
            sentence = str(error)
            assert sentence.endswith("."), seed
            assert "\n" not in sentence, seed
            assert len(sentence) < 2_000, seed
            outcomes["refused"] += 1
    assert outcomes["refused"] > CASES // 10
    return outcomes


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["npy", "npz", "npz compressed", "csv", "wav", "txt", "json"])
def test_a_damaged_sequence_or_vocabulary_is_refused_or_read_as_stored(tmp_path: Path, kind: str) -> None:
    outcomes = outcomes_of_damage(written(tmp_path, kind), read)
    if kind.startswith("npz"):
        assert outcomes["other"] == 0


@pytest.mark.nightly
@pytest.mark.parametrize("ending", WRITERS)
def test_a_damaged_embedding_is_refused_or_read_as_stored(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"model.{ending}"
    name = WRITERS[ending](path)

    def read(path: Path) -> object:
        embedding = open_embedding(path, name)
        rows = embedding.read()
        assert rows.shape == embedding.shape
        return rows.tobytes()

    outcomes = outcomes_of_damage(path, read)
    if ending in ("npz", "pt"):
        assert outcomes["other"] == 0
