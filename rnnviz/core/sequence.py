"""The input sequence: the keys of [sequence], which of them go together, and the sequences that need no file."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import ConfigError
from rnnviz.core.mmap_arrays import FloatArray, allocate_array, read_only
from rnnviz.core.schema import LARGEST_SEED, config_field, display_value
from rnnviz.core.words import plural
from rnnviz.frozen import dataclass

LENGTHS_SOURCES = ("uniform", "file")
"""Alternatives to a list of lengths."""


@dataclass(frozen=True)
class SequenceSource:
    """Source of the input sequence, whose file or text decides N and T. None: the first choice, or the file's."""

    source: str = config_field(
        "choice",
        "Source of the input sequence.",
        "normal",
        choices=("normal", "uniform", "impulse", "sine", "file", "text"),
    )
    batch_size: int = config_field("int", "Number of samples in the batch (N).", 16, minimum=1)
    timesteps: int = config_field("int", "Number of time steps (T).", 2, minimum=1)
    seed: int = config_field("int", "Seed of a random sequence.", 0, minimum=0, maximum=LARGEST_SEED)
    path: str | None = config_field(
        "path",
        "File: .npy or .npz of shape (T, I) or (N, T, I), a .csv table, a .wav sound, or .txt with one text a line.",
        None,
    )
    paths: tuple[str, ...] | None = config_field(
        "paths", "Several .csv or .wav files, each one sample; shorter ones are padded.", None
    )
    array: str | None = config_field("text", "Name of the array in an .npz file of several.", None)
    axes: str | None = config_field(
        "choice",
        "Axes of an array of three: batch first or time first. Default: NTI; TNI for an exported run.",
        None,
        choices=("NTI", "TNI"),
    )
    frame: int | None = config_field(
        "int", "Audio frames in each time step. Default: as many as the input size.", None, minimum=1
    )
    text: str | None = config_field("text", "Text: each character or word is one time step.", None)
    texts: tuple[str, ...] | None = config_field(
        "texts", "Several texts, each one sample; shorter ones are padded.", None
    )
    tokens: str | None = config_field(
        "choice", "Unit of a text: characters, or words between white space.", None, choices=("characters", "words")
    )
    vocabulary: str | None = config_field(
        "path", "File of tokens, one a line, or JSON of token and index. Default: the tokens of the text.", None
    )
    unknown: str | None = config_field(
        "text", "Token for everything that the vocabulary lacks. Default: an error.", None
    )
    embedding: str | None = config_field(
        "text", "Name of the embedding matrix (V, I) in the file of the weights.", None
    )
    embedding_path: str | None = config_field(
        "path", "Separate file of the embedding: .npy, .npz or a model file.", None
    )
    labels: str | None = config_field("path", "Text file with a name for each time step, one a line.", None)
    sample_labels: tuple[str, ...] | None = config_field("paths", "Text files of labels, one for each sample.", None)

    lengths: tuple[int, ...] | str | None = config_field(
        "counts",
        "Number of time steps of each sample; the rest is padding. Default: all T.",
        None,
        choices=LENGTHS_SOURCES,
    )
    lengths_path: str | None = config_field("path", "File of the lengths: .npy, or a text file with one a line.", None)
    seams: tuple[int, ...] | None = config_field(
        "counts", "Time steps at which a new call of the layer begins, as a capture records them.", None
    )

    @property
    def symbols(self) -> tuple[Sequence[str], ...]:
        """The symbols of each text, one for each time step: its characters or its words."""
        return self.symbols_of(self.texts or (() if self.text is None else (self.text,)))

    def symbols_of(self, texts: Sequence[str]) -> tuple[Sequence[str], ...]:
        return tuple(tuple(text.split()) if self.tokens == "words" else text for text in texts)

    @property
    def files(self) -> tuple[str, ...]:
        return self.paths or (() if self.path is None else (self.path,))

    @property
    def endings(self) -> set[str]:
        """The endings of the sequence's files, such as ".npz"."""
        return set(map(_ending, self.files))

    @property
    def is_text_file(self) -> bool:
        """Whether a file has one text a line."""
        return _ending(self.path) == ".txt"

    @property
    def brings_lengths(self) -> bool:
        """Whether each text or file is one sample, which has its own length."""
        return self.texts is not None or self.paths is not None or self.is_text_file

    @property
    def brings_input_size(self) -> bool:
        """Whether files decide I, which is known when they are read: a text file, a vocabulary or an embedding."""
        return self.vocabulary is not None or self.is_text_file

    @property
    def embedded(self) -> bool:
        """Whether each token is read as a row of a matrix."""
        return self.embedding is not None or self.embedding_path is not None

    def of_file(self, path: str) -> "SequenceSource":
        """The sequence from a file, with every key that goes with the file: sizes, lengths, labels, how it is read."""
        source = replace(self, source="file", path=path, paths=None, text=None, texts=None)
        if source.brings_lengths:
            source = replace(source, lengths=None, lengths_path=None)
        for key, (_, is_read) in _READ_WITH.items():
            unread: dict[str, Any] = {} if is_read(source) else {key: None}
            source = replace(source, **unread)
        return source

    def sized_by_text(self) -> "SequenceSource":
        """The source with the batch size and the number of time steps of its texts, if it has some."""
        symbols = self.symbols
        return replace(self, batch_size=len(symbols), timesteps=max(1, *map(len, symbols))) if symbols else self


FROM_ZEROS = "sequences_from_zeros"
"""The name in a capture of the number of sequences that began at zeros."""


def alphabet(texts: Sequence[Sequence[str]]) -> Sequence[str]:
    """The distinct characters or words of texts in the order of their code points: one input feature each."""
    distinct = sorted(set().union(*texts))
    return "".join(distinct) if isinstance(texts[0], str) else tuple(distinct)


def draw_lengths(seed: int, batch_size: int, timesteps: int) -> tuple[int, ...]:
    """Lengths of 1 to T, equally likely, from a separate generator: the sequence is drawn as without them."""
    return tuple(int(n) for n in np.random.default_rng([seed, 1]).integers(1, timesteps, batch_size, endpoint=True))


def checked_lengths(
    lengths: Sequence[int], batch_size: int, timesteps: int, key: str = "sequence.lengths", name: str = ""
) -> tuple[int, ...]:
    """The lengths, () if no sample has padding; ConfigError if there are not N, or one is not from 1 to T."""
    name, shown = name or key, display_value(list(lengths))
    if len(lengths) != batch_size:
        raise ConfigError(key, f"{name} = {shown} {_one_for_each(plural(len(lengths), 'length'), batch_size)}")
    for sample, length in enumerate(lengths):
        if not 1 <= length <= timesteps:
            raise ConfigError(
                key,
                f"{name} has the length {display_value(int(length))} for sample {sample}: a length must be from 1 to "
                f"the number of time steps, {timesteps:,}.",
            )
    return () if all(length == timesteps for length in lengths) else tuple(int(length) for length in lengths)


def check_sequence(source: SequenceSource, weights: str | None) -> None:
    """Check keys that depend on each other. Raises ConfigError if a key has no effect, or one is missing."""
    for one, several in (("text", "texts"), ("path", "paths"), ("labels", "sample_labels")):
        if None not in (getattr(source, one), getattr(source, several)):
            raise ConfigError(
                f"sequence.{several}", f"sequence.{one} and sequence.{several} are both given: leave one of them out."
            )
    for key, (what, is_read) in _READ_WITH.items():
        value = getattr(source, key)
        if value is not None and not is_read(source):
            raise ConfigError.of(f"sequence.{key}", f"= {display_value(value)} is not read here: it goes with {what}.")
    if source.source != "file":
        check_sample_labels(source)
    if isinstance(source.lengths, tuple) and source.source != "file":
        checked_lengths(source.lengths, source.batch_size, source.timesteps)
    check_seams(source, None if source.source == "file" else source.timesteps)
    for text, symbols in zip(source.texts or (source.text,), source.symbols, strict=False):
        if not symbols:
            key = "text" if source.texts is None else "texts"
            named = f"sequence.{key} = {display_value(text)}" if key == "text" else f"{display_value(text)} in {key}"
            raise ConfigError(f"sequence.{key}", f"{named} contains no word.")
    if source.embedding is not None and source.embedding_path is None and weights is None:
        raise ConfigError.of(
            "sequence.embedding",
            f"= {display_value(source.embedding)} names an array of the file of parameters.path, "
            "which is missing: give it, or sequence.embedding_path for a separate file.",
        )
    if source.embedding is not None and _ending(source.embedding_path) == ".npy":
        raise ConfigError.of(
            "sequence.embedding",
            f"= {display_value(source.embedding)} is not read here: "
            f"an .npy file, which sequence.embedding_path is, holds one array and no names.",
        )


def check_sample_labels(source: SequenceSource) -> None:
    """Raises ConfigError if there are labels of some samples and not of each."""
    files = source.sample_labels
    if files is not None and len(files) != source.batch_size:
        raise ConfigError.of("sequence.sample_labels", _one_for_each(plural(len(files), "file"), source.batch_size))


def _one_for_each(given: str, samples: int) -> str:
    return f"has {given}, but there {'is' if samples == 1 else 'are'} {plural(samples, 'sample')}: give one for each."


def check_seams(source: SequenceSource, count: int | None) -> None:
    """Check the seams. Raises ConfigError if they do not rise, or one is not from 1 to T - 1."""
    seams = source.seams or ()
    for before, seam in pairwise(seams):
        if before >= seam:
            raise ConfigError.of(
                "sequence.seams",
                f"= {display_value(list(seams))} is not allowed: {display_value(seam)} follows "
                f"{display_value(before)}, and each must be larger than the previous one.",
            )
    if seams and count is not None and seams[-1] >= count:
        raise ConfigError.of(
            "sequence.seams",
            f"contains {display_value(seams[-1])}, but there are {count:,} time steps: "
            "a call boundary must be from 1 to the number of time steps minus 1.",
        )


def _ending(path: str | None) -> str:
    return PurePath(path or "").suffix.lower()


def _is_text(source: SequenceSource) -> bool:
    return source.source == "text" or source.is_text_file


def _has_vocabulary(source: SequenceSource) -> bool:
    return source.vocabulary is not None


_READ_WITH: dict[str, tuple[str, Callable[[SequenceSource], bool]]] = {
    "array": ("a sequence.path that ends in .npz", lambda source: source.endings == {".npz"}),
    "axes": ("a sequence.path that ends in .npy or .npz", lambda source: bool(source.endings & {".npy", ".npz"})),
    "frame": ("a sequence.path that ends in .wav", lambda source: ".wav" in source.endings),
    "tokens": ("sequence.text", _is_text),
    "vocabulary": ("sequence.text", _is_text),
    "unknown": ("sequence.vocabulary", _has_vocabulary),
    "embedding": ("sequence.vocabulary", _has_vocabulary),
    "embedding_path": ("sequence.vocabulary", _has_vocabulary),
}
"""Keys that only some sources read, each with the required key and a test of it."""


_BLOCK_VALUES = 1 << 18


def draw_sequence(source: SequenceSource, input_size: int, dtype: str) -> FloatArray:
    """x (T, N, I), read-only, drawn time first, so that a longer one begins with the numbers of a shorter one."""
    if source.source == "text":
        letters = alphabet(source.symbols)
        return one_hot([indices(symbols, letters) for symbols in source.symbols], len(letters), dtype)
    samples, features, generator = source.batch_size, input_size, np.random.default_rng(source.seed)
    x = allocate_array(dtype, (source.timesteps, samples, features))
    length = min(source.timesteps, max(1, _BLOCK_VALUES // (samples * features)))
    # Numbers are drawn in float64 whatever the dtype is.
    buffer = np.empty((length, samples, features))
    for start in range(0, source.timesteps, length):
        block = x[start : start + length]
        out = buffer[: len(block)]
        match source.source:
            case "normal":
                generator.standard_normal(out=out)
            case "uniform":
                generator.random(out=out)
                out *= 2.0
                out -= 1.0
            case "impulse":
                # One at t = 0 in feature n mod I of sample n: later outputs are the impulse response.
                out[:] = 0.0
                if start == 0:
                    places = np.arange(samples)
                    out[0, places, places % features] = 1.0
            case "sine":
                # Feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N): a wave of 32 steps and its harmonics.
                t, n, i = np.ogrid[start : start + len(out), :samples, :features]
                out[:] = np.sin(2.0 * np.pi * ((i + 1) * t / 32.0 + n / samples))
        block[:] = out
    return read_only(x, dtype)


def indices(symbols: Sequence[str], letters: Sequence[str]) -> NDArray[np.intp]:
    """Indices of symbols in an alphabet. Returns an array (T,): the index of each symbol in `letters`."""
    places = {letter: place for place, letter in enumerate(letters)}
    return np.array([places[symbol] for symbol in symbols], np.intp)


def one_hot(places: Sequence[NDArray[np.intp]], features: int, dtype: str) -> FloatArray:
    """One-hot vectors, padded with 0. Returns an array (T, N, I): x, read-only."""
    x = allocate_array(dtype, (max(map(len, places)), len(places), features))
    x[:] = 0.0
    for sample, own in enumerate(places):
        x[np.arange(len(own)), sample, own] = 1.0
    return read_only(x, dtype)


@dataclass(frozen=True)
class Names:
    """A name for each time step and each feature, which may be empty; `samples` names each sample's steps."""

    timesteps: Sequence[str] = ()
    features: Sequence[str] = ()
    samples: Sequence[Sequence[str]] = ()

    def __bool__(self) -> bool:
        return bool(self.timesteps) or bool(self.features) or bool(self.samples)

    def of_sample(self, sample: int) -> "Names":
        return Names(self.samples[sample], self.features) if self.samples else self

    def timestep(self, timestep: int) -> str:
        """The name of a time step, empty if it has none."""
        return self.timesteps[timestep] if 0 <= timestep < len(self.timesteps) else ""

    def feature(self, feature: int) -> str:
        """The name of an input feature, empty if it has none."""
        return self.features[feature] if 0 <= feature < len(self.features) else ""


UNNAMED = Names()


SHORT = 24
"""Maximum number of shown characters of a name within a line; the tooltip has more."""
IN_FULL = 1000
"""Maximum number of characters of a name in a tooltip."""
_MARKS = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}


def visible(name: str) -> str:
    """The name with marks for invisible characters: a lone space, a line's end, a control character."""
    alone = name.isspace()
    return "".join(c if c.isprintable() and not alone else _MARKS.get(c, ascii(c)[1:-1]) for c in name)


def shortened(text: str, length: int = SHORT) -> str:
    """The text, or its beginning with an ellipsis if it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def timestep_in_words(names: Names, timestep: int, length: int = SHORT) -> str:
    """ "t = 3", or "t = 3 'l'" where the time step has a name."""
    name = names.timestep(timestep)
    return f"t = {timestep:,} '{shortened(visible(name), length)}'" if name else f"t = {timestep:,}"


def feature_title(names: Names, feature: int) -> str:
    """The name of a feature, or else its number."""
    return visible(names.feature(feature)) or str(feature)


def feature_in_words(names: Names, feature: int, length: int = SHORT) -> str:
    """ "feature 2", or "feature 2 'open'" where it has a name."""
    name = names.feature(feature)
    return f"feature {feature} '{shortened(visible(name), length)}'" if name else f"feature {feature}"


def feature_index(names: Names, feature: int) -> str:
    """The index in brackets after x[t]: a number, or the name in quotes."""
    name = names.feature(feature)
    return json.dumps(shortened(visible(name)), ensure_ascii=False) if name else str(feature)
