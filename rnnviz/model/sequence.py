"""The input sequences that need no file: random numbers, an impulse, sines, a text's characters."""

from collections.abc import Callable

import numpy as np

from rnnviz.model.arrays import FloatArray, read_only, room_for
from rnnviz.model.config import Network, SequenceSource, alphabet

_BLOCK_VALUES = 1 << 18


def draw_sequence(network: Network, source: SequenceSource) -> FloatArray:
    """The input x of shape (T, N, I), read-only, in the network's dtype.

    Random numbers are drawn time first, so that a longer sequence begins with the shorter one's numbers.

    Raises
    ------
    OSError
        If a long sequence, which is kept in a file, finds the disk full.
    """
    if source.source == "text":
        return read_only(one_hot(source.text or ""), network.dtype)
    samples, features = source.batch_size, network.input_size
    x = room_for(network.dtype, (source.timesteps, samples, features))
    fill = _filling(source, samples, features)
    length = max(1, _BLOCK_VALUES // (samples * features))
    # Numbers are drawn in float64 whatever the dtype is.
    buffer = np.empty((min(length, source.timesteps), samples, features)) if x.dtype != np.float64 else None
    for start in range(0, source.timesteps, length):
        block = x[start : start + length]
        if buffer is None:
            fill(start, block)
        else:
            fill(start, buffer[: len(block)])
            block[:] = buffer[: len(block)]
    return read_only(x, network.dtype)


def _filling(source: SequenceSource, samples: int, features: int) -> Callable[[int, FloatArray], None]:
    """fill(start, out): write the timesteps from `start` on into out (B, N, I), to be asked for one after another."""
    generator = np.random.default_rng(source.seed)

    def normal(_: int, out: FloatArray) -> None:
        generator.standard_normal(out=out)

    def uniform(_: int, out: FloatArray) -> None:
        generator.random(out=out)
        out *= 2.0
        out -= 1.0

    def impulse(start: int, out: FloatArray) -> None:
        out[:] = _impulse(start, (len(out), samples, features))

    def sine(start: int, out: FloatArray) -> None:
        out[:] = _sine(start, (len(out), samples, features))

    return {"normal": normal, "uniform": uniform, "impulse": impulse, "sine": sine}[source.source]


def one_hot(text: str) -> FloatArray:
    """(T, 1, I) with a single one in each row: the place of the character in the text's alphabet."""
    symbols = alphabet(text)
    x = np.zeros((len(text), 1, len(symbols)))
    for timestep, character in enumerate(text):
        x[timestep, 0, symbols.index(character)] = 1.0
    return x


def _impulse(start: int, shape: tuple[int, int, int]) -> FloatArray:
    """One at t = 0 in feature n mod I of sample n, zero ever after: what follows is the network's memory."""
    x = np.zeros(shape)
    if start == 0:
        samples = np.arange(shape[1])
        x[0, samples, samples % shape[2]] = 1.0
    return x


def _sine(start: int, shape: tuple[int, int, int]) -> FloatArray:
    """Feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N): a wave of 32 steps and its harmonics."""
    t, n, i = np.ogrid[start : start + shape[0], : shape[1], : shape[2]]
    return np.asarray(np.sin(2.0 * np.pi * ((i + 1) * t / 32.0 + n / shape[1])))
