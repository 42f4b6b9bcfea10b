"""The input sequences that need no file: random numbers, an impulse, sines, a text by its own alphabet."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray, allocate_array, read_only
from rnnviz.core.sequence_config import SequenceSource, alphabet

_BLOCK_VALUES = 1 << 18


def draw_sequence(network: Network, source: SequenceSource) -> FloatArray:
    """Draw the input sequence.

    Random numbers are drawn time first, so that a longer sequence begins with the numbers of a shorter one.

    Parameters
    ----------
    network : Network
        The network, with I and the dtype.
    source : SequenceSource
        The kind of sequence, T, N and the seed.

    Returns
    -------
    ndarray of shape (T, N, I)
        x, read-only, in the network's dtype.

    Raises
    ------
    OSError
        If the disk is full. A long sequence is stored in a file.
    """
    if source.source == "text":
        letters = alphabet(source.symbols)
        return one_hot(indices(source.symbols, letters), len(letters), network.dtype)
    samples, features = source.batch_size, network.input_size
    x = allocate_array(network.dtype, (source.timesteps, samples, features))
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
    """fill(start, out): write the time steps from `start` on into out (B, N, I), to be asked for one after another."""
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


def indices(symbols: Sequence[str], letters: Sequence[str]) -> NDArray[np.intp]:
    """Indices of symbols in an alphabet.

    Parameters
    ----------
    symbols : sequence of str
        T symbols.
    letters : sequence of str
        The distinct symbols.

    Returns
    -------
    ndarray of shape (T,)
        The index of each symbol in `letters`.
    """
    places = {letter: place for place, letter in enumerate(letters)}
    return np.array([places[symbol] for symbol in symbols], np.intp)


def one_hot(places: NDArray[np.intp], features: int, dtype: str) -> FloatArray:
    """One-hot vectors.

    Parameters
    ----------
    places : ndarray of shape (T,)
        The feature that is 1 at each time step.
    features : int
        I.
    dtype : str
        Type of the result.

    Returns
    -------
    ndarray of shape (T, 1, I)
        x, read-only.
    """
    x = allocate_array(dtype, (len(places), 1, features))
    x[:] = 0.0
    x[np.arange(len(places)), 0, places] = 1.0
    return read_only(x, dtype)


def _impulse(start: int, shape: tuple[int, int, int]) -> FloatArray:
    """One at t = 0 in feature n mod I of sample n, zero afterwards: later outputs are the impulse response."""
    x = np.zeros(shape)
    if start == 0:
        samples = np.arange(shape[1])
        x[0, samples, samples % shape[2]] = 1.0
    return x


def _sine(start: int, shape: tuple[int, int, int]) -> FloatArray:
    """Feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N): a wave of 32 steps and its harmonics."""
    t, n, i = np.ogrid[start : start + shape[0], : shape[1], : shape[2]]
    return np.asarray(np.sin(2.0 * np.pi * ((i + 1) * t / 32.0 + n / shape[1])))
