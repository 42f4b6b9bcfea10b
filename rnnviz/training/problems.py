"""The problems that are learned: their batches, which depend on the seed and the step alone.

The adding and the copy problem are those of Hochreiter & Schmidhuber (1997), as Arjovsky et al. (2016) and Bai et al.
(2018) state them.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.bounded_read import read_plain_text
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.resources import resource_path
from rnnviz.core.sequence import alphabet, indices, one_hot
from rnnviz.core.words import plural
from rnnviz.frozen import dataclass
from rnnviz.training.task import Problem, TrainingTask

_TEST = 2**63
"""Where the step of a batch would be, for the batch that is never trained on."""

_PITCHES = (0.05, 0.5)
"""Angular frequencies of the sines, in radians a time step."""

_NO_PROSE = re.compile(r"^(?:```.*?^```|\||    |<).*?$|!\[[^\]]*\]\([^)]*\)|^#+ ", re.DOTALL | re.MULTILINE)
"""Code, tables, HTML and pictures in Markdown, and the marks of headings."""

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")

_MARKS = re.compile(r"^[-#>] |[`*|{}~@<>#%]", re.MULTILINE)

_SYMBOLS = 8
"""The number of kinds of symbols in the copy problem."""

_BRACKETS = "()[]"
_DEEPEST = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """N sequences and what is to be predicted.

    x: (T, N, I) in float64.
    target: (T, N, O) in float64 of numbers, or (T, N) of classes.
    counted: (T, N): whether the loss counts the prediction.
    continues: Whether the state is that after the batch before, not zeros.
    """

    x: FloatArray
    target: NDArray[np.generic]
    counted: NDArray[np.bool_]
    continues: bool = False


@dataclass(frozen=True, eq=False)
class BatchSource:
    """The batches of a problem: `batch` returns the batch of a training step, and `test` is never trained on.

    classes: Whether a class is predicted (softmax, cross-entropy), or numbers (mean squared error).
    baseline: The loss of a network that predicts the mean, or each class equally often: nothing is learned.
    names: Names of the classes, () if they have none.
    """

    input_size: int
    output_size: int
    classes: bool
    batch: Callable[[int], Batch]
    test: Batch
    baseline: float
    names: tuple[str, ...] = ()


def batches_of(task: TrainingTask) -> BatchSource:
    """The batches of a task. Raises InputError if the text of the characters cannot be read or is too short."""
    problem = task.problem
    if problem.kind == "characters":
        return _characters(problem)
    draw, input_size, output_size, classes, baseline, names = _DRAWN[problem.kind]

    def batch(step: int) -> Batch:
        return draw(problem, np.random.default_rng((problem.seed, step)))

    return BatchSource(input_size, output_size, classes, batch, batch(_TEST), baseline, names)


def _one_hot(read: NDArray[np.intp], size: int) -> FloatArray:
    """(T, N, size) of indices (T, N)."""
    return one_hot(list(read.T), size, "float64")


def _at_the_end(shape: tuple[int, int], count: int = 1) -> NDArray[np.bool_]:
    counted = np.zeros(shape, bool)
    counted[-count:] = True
    return counted


def _adding(problem: Problem, generator: np.random.Generator) -> Batch:
    """A number in [0, 1) and a mark at each step; the target at the end is the sum of the two marked numbers."""
    shape = timesteps, samples = problem.timesteps, problem.batch_size
    x = np.zeros((*shape, 2))
    x[..., 0] = generator.random(shape)
    half = max(timesteps // 2, 1)
    marked = generator.integers(0, half, samples), generator.integers(half % timesteps, timesteps, samples)
    for times in marked:
        x[times, np.arange(samples), 1] = 1.0
    target = np.zeros((*shape, 1))
    target[-1, :, 0] = (x[..., 0] * x[..., 1]).sum(axis=0)
    return Batch(x, target, _at_the_end(shape))


def _copy(problem: Problem, generator: np.random.Generator) -> Batch:
    """Some of eight symbols, blanks, a mark; then the symbols are to be repeated."""
    shape, count = (problem.timesteps, problem.batch_size), problem.symbols
    symbols = generator.integers(0, _SYMBOLS, (count, problem.batch_size))
    read = np.full(shape, _SYMBOLS)
    read[:count] = symbols
    read[-count - 1] = _SYMBOLS + 1
    target = np.full(shape, 0)
    target[-count:] = symbols
    return Batch(_one_hot(read, _SYMBOLS + 2), target, _at_the_end(shape, count))


def _parity(problem: Problem, generator: np.random.Generator) -> Batch:
    """Bits; the target at each step is whether the number of ones so far is odd."""
    shape = problem.timesteps, problem.batch_size
    bits = generator.integers(0, 2, shape)
    return Batch(bits[..., np.newaxis].astype(float), bits.cumsum(axis=0) % 2, np.ones(shape, bool))


def _sine(problem: Problem, generator: np.random.Generator) -> Batch:
    """Sines of any frequency and phase; the target is the next value."""
    pitch = generator.uniform(*_PITCHES, problem.batch_size)
    phase = generator.uniform(0, 2 * np.pi, problem.batch_size)
    wave = np.sin(np.arange(problem.timesteps + 1)[:, np.newaxis] * pitch + phase)[..., np.newaxis]
    return Batch(wave[:-1], wave[1:], np.ones((problem.timesteps, problem.batch_size), bool))


def _brackets(problem: Problem, generator: np.random.Generator) -> Batch:
    """Balanced brackets of two kinds; the target is the next one. The kind of a closing one can be known."""

    def word() -> list[int]:
        found: list[int] = []
        opened: list[int] = []
        for opens, kind in generator.integers(0, 2, (problem.timesteps + 1, 2)).tolist():
            if not opened or (opens and len(opened) < _DEEPEST):
                opened.append(kind)
                found.append(2 * kind)
            else:
                found.append(2 * opened.pop() + 1)
        return found

    words = np.array([word() for _ in range(problem.batch_size)]).T
    return Batch(_one_hot(words[:-1], len(_BRACKETS)), words[1:], np.ones((len(words) - 1, problem.batch_size), bool))


_Draw: TypeAlias = Callable[[Problem, np.random.Generator], Batch]

_DRAWN: dict[str, tuple[_Draw, int, int, bool, float, tuple[str, ...]]] = {
    "adding": (_adding, 2, 1, False, 1 / 6, ()),
    "copy": (_copy, _SYMBOLS + 2, _SYMBOLS, True, float(np.log(_SYMBOLS)), ()),
    "parity": (_parity, 1, 2, True, float(np.log(2)), ("even", "odd")),
    "sine": (_sine, 1, 1, False, 0.5, ()),
    "brackets": (_brackets, len(_BRACKETS), len(_BRACKETS), True, float(np.log(len(_BRACKETS))), tuple(_BRACKETS)),
}
"""The function that draws a batch, I, O, whether classes are predicted, the baseline, and the names of the classes."""


def _characters(problem: Problem) -> BatchSource:
    """Consecutive chunks of N parts of a text; the target is the next character. The last tenth is for the test."""
    text = guide_text() if problem.path is None else read_plain_text(Path(problem.path), "text")
    timesteps, samples = problem.timesteps, problem.batch_size
    if len(text) < 20 * (timesteps + 1):
        raise InputError(
            f"The text has {plural(len(text), 'character')}, but problem.timesteps = {timesteps} needs at least "
            f"{20 * (timesteps + 1):,}: use a longer text or fewer time steps."
        )
    names = tuple(alphabet((text,)))
    stream = indices(text, names)
    split = len(text) * 9 // 10
    chunks = max((split // samples - 1) // timesteps, 1)

    def chunk(part: NDArray[np.intp], starts: NDArray[np.intp], continues: bool) -> Batch:
        read = part[(starts + np.arange(timesteps + 1)[:, np.newaxis]) % len(part)]
        counted = np.ones((timesteps, len(starts)), bool)
        return Batch(_one_hot(read[:-1], len(names)), read[1:], counted, continues)

    def batch(step: int) -> Batch:
        # Each part begins again from another place after its last chunk.
        turn, place = divmod(step, chunks)
        start = np.random.default_rng((problem.seed, turn)).integers(split)
        starts = start + np.arange(samples) * (split // samples) + place * timesteps
        return chunk(stream[:split], starts, place > 0)

    held_out = stream[split:]
    count = min(samples, max(len(held_out) // (timesteps + 1), 1))
    test = chunk(held_out, np.arange(count) * (len(held_out) // count), False)
    size = len(names)
    return BatchSource(size, size, True, batch, test, float(np.log(size)), names)


def guide_text() -> str:
    """The prose of the program's own guide, page after page: without code, tables, links and non-ASCII characters."""
    pages = sorted(resource_path("guide").glob("*.md"))
    return "\n\n".join(_prose(page.read_text(encoding="utf-8")) for page in pages) + "\n"


def _prose(page: str) -> str:
    text = _NO_PROSE.sub("", page)
    text = _LINK.sub(r"\1", text)
    text = _MARKS.sub("", text)
    text = text.encode("ascii", "ignore").decode()
    # A paragraph is one line, as the breaks within it mean nothing.
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)
