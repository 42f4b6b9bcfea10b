"""The input sequence from a file: its names, and its shape before any number, so that what has no room is not read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.npz import NpzFile, check_numeric
from rnnviz.core.schema import display_value, listed
from rnnviz.core.sequence import SequenceSource
from rnnviz.io.readers.arrays import is_header, open_npy, read_csv, read_rows
from rnnviz.io.readers.plain_text import read_plain_text
from rnnviz.io.readers.wav import open_wav

ENDINGS = (".npy", ".npz", ".csv", ".wav")
_RUNS_INPUT = "input"
"""The name of the sequence in the archive of a run, where it is time first."""


def read_feature_names(path: Path) -> tuple[str, ...]:
    """The feature names in the first row of a `.csv` sequence; empty if it has numbers, or for another format.

    A name that occurs again gets a number, "open (2)", so that each names one feature; an empty one stays empty.
    """
    if path.suffix.lower() != ".csv":
        return ()
    for _, row in read_rows(path):
        return _distinct([" ".join(cell.split()) for cell in row]) if is_header(row) else ()
    return ()


def read_labels(path: Path, timesteps: int) -> tuple[str, ...]:
    """Names of time steps from a text file with a line for each; an empty line gives no name."""
    text = read_plain_text(path)
    # Not splitlines, which breaks at characters that a label may hold.
    lines = text.removesuffix("\n").split("\n") if text else []
    if len(lines) != timesteps:
        has, needs = _count(len(lines), "line"), _count(timesteps, "timestep")
        raise InputError(f"{path} has {has}, but the sequence has {needs}: it needs one line for each.")
    return tuple(line.strip() for line in lines)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """The names, with a number behind each that occurred before."""
    taken, seen, found = set(names), set[str](), list[str]()
    for name in names:
        own, number = name, 2
        while name and (own in seen or (own != name and own in taken)):
            own = f"{name} ({number})"
            number += 1
        seen.add(own)
        found.append(own)
    return tuple(found)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


@dataclass(frozen=True)
class OpenSequence:
    """`shape` is (T, N, I), and `read` gives the real numbers of that shape; it raises an InputError on damage."""

    shape: tuple[int, int, int]
    read: Callable[[], NDArray[np.generic]]


def open_sequence(source: SequenceSource, features: int) -> OpenSequence:
    """The sequence in the file `source.path`, for a network that reads `features` numbers at a time.

    `.npy` and `.npz` hold (T, I) or an array of the axes `source.axes`, `.csv` a row for each timestep, `.wav` sound.
    """
    path = Path(source.path or "")
    match path.suffix.lower():
        case ".npy":
            array = open_npy(path)
            return _arranged(array.shape, lambda: array, source.axes, str(path))
        case ".npz":
            return _archived(path, source)
        case ".csv":
            table = read_csv(path)
            return _arranged(table.shape, lambda: table, None, str(path))
        case ".wav":
            return _sound(path, source.frame, features)
    raise InputError(
        f'{path} has the ending "{path.suffix}": a sequence must be an {", ".join(ENDINGS[:-1])} or {ENDINGS[-1]} file.'
    )


def _arranged(
    shape: tuple[int, ...], read: Callable[[], NDArray[np.generic]], axes: str | None, name: str
) -> OpenSequence:
    """An array of (T, I), or of three axes in the given order, as (T, N, I)."""
    first = "(T, N, I)" if axes == "TNI" else "(N, T, I)"
    if len(shape) not in (2, 3):
        raise InputError(f"{name} has the shape {shape}: a sequence must have the shape (T, I) or {first}.")
    if 0 in shape:
        raise InputError(f"{name} has the shape {shape}: every size must be at least 1.")
    if len(shape) == 2:
        return OpenSequence((shape[0], 1, shape[1]), lambda: read()[:, np.newaxis, :])
    if axes == "TNI":
        return OpenSequence((shape[0], shape[1], shape[2]), read)
    return OpenSequence((shape[1], shape[0], shape[2]), lambda: read().swapaxes(0, 1))


def _archived(path: Path, source: SequenceSource) -> OpenSequence:
    file = NpzFile(path)
    names = list(file.headers)
    of_a_run = {_RUNS_INPUT, "config"} <= set(names)
    name, axes = source.array, source.axes
    if name is None and of_a_run:
        name = _RUNS_INPUT
    elif name is None and len(names) == 1:
        name = names[0]
    if name is None:
        raise ConfigError(
            "sequence.array",
            f"{path} holds {len(names)} arrays, and sequence.array must name one of them: {listed(names)}."
            if names
            else f"{path} contains no array.",
        )
    if name not in file.headers:
        raise ConfigError(
            "sequence.array",
            f"{path} contains no array {display_value(name)}: sequence.array must be one of {listed(names)}.",
        )
    if of_a_run and name == _RUNS_INPUT:
        if axes == "NTI":
            raise ConfigError(
                "sequence.axes",
                f'sequence.axes = "NTI" is wrong for {path}: a run exports its input as (T, N, I), '
                f'so it must be "TNI", or left out.',
            )
        axes = "TNI"
    header = file.headers[name]
    check_numeric(header.dtype, f"{name} in {path}")
    return _arranged(header.shape, lambda: file.read(name), axes, f"{name} in {path}")


def _sound(path: Path, frame: int | None, features: int) -> OpenSequence:
    """Frames of this number of audio samples: feature s·C + c is sample s of channel c. Zeros fill the last one."""
    sound = open_wav(path)
    channels = sound.channels
    if frame is None and features % channels:
        raise ConfigError(
            "sequence.frame",
            f"{path} has {channels} channels, but network.input_size = {features} is not a multiple of {channels}: "
            f"it must be sequence.frame times {channels}.",
        )
    length = frame or features // channels
    timesteps = -(-sound.count // length)

    def read() -> NDArray[np.generic]:
        x = np.zeros((timesteps * length, channels), np.float64)
        x[: sound.count] = sound.read()
        return x.reshape(timesteps, 1, length * channels)

    return OpenSequence((timesteps, 1, length * channels), read)
