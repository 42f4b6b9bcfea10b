"""The input sequence from a text, a vocabulary and, if there is one, an embedding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.sequence import one_hot
from rnnviz.io.readers.embedding import open_embedding
from rnnviz.io.readers.sequence import OpenSequence
from rnnviz.io.readers.vocabulary import Vocabulary, read_vocabulary

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class OpenText(OpenSequence):
    """A text as a sequence, one symbol a time step; `features` are the tokens, if the input is one-hot."""

    features: Sequence[str]


def open_text(config: Config) -> OpenText:
    """The text of a config that names a vocabulary: a single one in each row, or rows of the embedding.

    Raises
    ------
    ConfigError
        If a file is missing or damaged, or the text, the vocabulary and the embedding do not fit each other.
    """
    source = config.sequence
    path = Path(source.vocabulary or "")
    vocabulary = _opened("sequence.vocabulary", lambda: read_vocabulary(path))
    indices = vocabulary.indices(source.symbols, source.unknown)
    if source.embedded:
        return _rows(indices, vocabulary, config)
    size = vocabulary.size
    if size != len(vocabulary.places):
        raise ConfigError(
            "sequence.vocabulary",
            f"{path} has {len(vocabulary.places):,} tokens and the index {size - 1:,}: without an embedding "
            f"each index up to the largest must have its token.",
        )
    return OpenText((len(indices), 1, size), lambda: one_hot(indices, size, config.network.dtype), vocabulary.tokens)


def _rows(indices: NDArray[np.intp], vocabulary: Vocabulary, config: Config) -> OpenText:
    source = config.sequence
    key = "sequence.embedding" if source.embedding_path is None else "sequence.embedding_path"
    path = Path(source.embedding_path or config.parameters.path or "")
    embedding = _opened(key, lambda: open_embedding(path, source.embedding))
    rows, features = embedding.shape
    if vocabulary.size > rows:
        raise ConfigError(
            "sequence.vocabulary",
            f"{vocabulary.path} has the index {vocabulary.size - 1:,}, but {embedding.name} has the shape "
            f"{embedding.shape}: it must have a row for each index.",
        )
    return OpenText((len(indices), 1, features), lambda: _opened(key, embedding.read)[indices][:, np.newaxis], ())


def _opened(key: str, open_file: Callable[[], Opened]) -> Opened:
    try:
        return open_file()
    except InputError as error:
        raise ConfigError(key, str(error)) from error
