"""Where the input sequence comes from: the keys of [sequence], and which of them go together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import LARGEST_SEED, config_field, display_value


@dataclass(frozen=True)
class SequenceSource:
    """Source of the input sequence. A file or a text determines the batch size and the number of time steps.

    None means the first choice, unless the file specifies another.
    """

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
        "path", "File: .npy or .npz of shape (T, I) or (N, T, I), a .csv table or a .wav sound.", None, optional=True
    )
    array: str | None = config_field("text", "Name of the array in an .npz file of several.", None, optional=True)
    axes: str | None = config_field(
        "choice",
        "Axes of an array of three: batch first or time first. Default: NTI; TNI for an exported run.",
        None,
        choices=("NTI", "TNI"),
        optional=True,
    )
    frame: int | None = config_field(
        "int",
        "Audio frames in each time step. Default: as many as the input size.",
        None,
        minimum=1,
        optional=True,
    )
    text: str | None = config_field("text", "Text: each character or word is one time step.", None, optional=True)
    tokens: str | None = config_field(
        "choice",
        "Unit of a text: characters, or words between white space.",
        None,
        choices=("characters", "words"),
        optional=True,
    )
    vocabulary: str | None = config_field(
        "path",
        "File of tokens, one a line, or JSON of token and index. Default: the tokens of the text.",
        None,
        optional=True,
    )
    unknown: str | None = config_field(
        "text",
        "Token for everything that the vocabulary lacks. Default: an error.",
        None,
        optional=True,
    )
    embedding: str | None = config_field(
        "text",
        "Name of the embedding matrix (V, I) in the file of the weights.",
        None,
        optional=True,
    )
    embedding_path: str | None = config_field(
        "path", "Separate file of the embedding: .npy, .npz or a model file.", None, optional=True
    )
    labels: str | None = config_field(
        "path", "Text file with a name for each time step, one a line.", None, optional=True
    )

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols of the text, one for each time step: its characters or its words."""
        text = self.text or ""
        return tuple(text.split()) if self.tokens == "words" else text

    @property
    def brings_input_size(self) -> bool:
        """Whether files decide I, which is known when they are read: a text's vocabulary or embedding does."""
        return self.vocabulary is not None

    @property
    def embedded(self) -> bool:
        """Whether each token is read as a row of a matrix."""
        return self.embedding is not None or self.embedding_path is not None

    def of_file(self, path: str) -> "SequenceSource":
        """The same sizes and labels, with the sequence from a file."""
        return SequenceSource("file", self.batch_size, self.timesteps, self.seed, path, labels=self.labels)

    def sized_by_text(self) -> "SequenceSource":
        """The source with the batch size and the number of time steps of its text, if it has one."""
        return self if self.text is None else replace(self, batch_size=1, timesteps=max(1, len(self.symbols)))


def alphabet(symbols: Sequence[str]) -> Sequence[str]:
    """The distinct characters or words in the order of their code points: one input feature each."""
    distinct = sorted(set(symbols))
    return "".join(distinct) if isinstance(symbols, str) else tuple(distinct)


def check_sequence(source: SequenceSource, weights: str | None) -> None:
    """Check keys that depend on each other.

    Parameters
    ----------
    source : SequenceSource
        The table `sequence`.
    weights : str, optional
        The key `parameters.path`.

    Raises
    ------
    ConfigError
        If a key has no effect, or one is missing.
    """
    if (source.source == "text") != (source.text is not None):
        raise ConfigError(
            "sequence.text",
            'sequence.text and sequence.source = "text" go together: give both or neither.',
        )
    for key, (what, is_read) in _READ_WITH.items():
        value = getattr(source, key)
        if value is not None and not is_read(source):
            raise ConfigError(
                f"sequence.{key}", f"sequence.{key} = {display_value(value)} is not read here: it goes with {what}."
            )
    if source.text is not None and not source.symbols:
        raise ConfigError("sequence.text", f"sequence.text = {display_value(source.text)} contains no word.")
    if source.embedding is not None and source.embedding_path is None and weights is None:
        raise ConfigError(
            "sequence.embedding",
            f"sequence.embedding = {display_value(source.embedding)} names an array of the file of "
            "parameters.path, which is "
            f"missing: give it, or sequence.embedding_path for a separate file.",
        )
    if source.embedding is not None and _ending(source.embedding_path) == ".npy":
        raise ConfigError(
            "sequence.embedding",
            f"sequence.embedding = {display_value(source.embedding)} is not read here: "
            f"an .npy file, which sequence.embedding_path is, holds one array and no names.",
        )


def _ending(path: str | None) -> str:
    return PurePath(path or "").suffix.lower()


def _is_text(source: SequenceSource) -> bool:
    return source.source == "text"


def _has_vocabulary(source: SequenceSource) -> bool:
    return source.vocabulary is not None


_READ_WITH: dict[str, tuple[str, Callable[[SequenceSource], bool]]] = {
    "array": ("a sequence.path that ends in .npz", lambda source: _ending(source.path) == ".npz"),
    "axes": ("a sequence.path that ends in .npy or .npz", lambda source: _ending(source.path) in (".npy", ".npz")),
    "frame": ("a sequence.path that ends in .wav", lambda source: _ending(source.path) == ".wav"),
    "tokens": ("sequence.text", _is_text),
    "vocabulary": ("sequence.text", _is_text),
    "unknown": ("sequence.vocabulary", _has_vocabulary),
    "embedding": ("sequence.vocabulary", _has_vocabulary),
    "embedding_path": ("sequence.vocabulary", _has_vocabulary),
}
"""Keys that only some sources read, each with the required key and a test of it."""
