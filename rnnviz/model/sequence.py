"""The input sequences that need no file: random numbers, an impulse, sines, a text's characters."""

import numpy as np

from rnnviz.model.arrays import FloatArray, read_only
from rnnviz.model.config import Network, SequenceSource, alphabet


def draw_sequence(network: Network, source: SequenceSource) -> FloatArray:
    """The input x of shape (T, N, I), read-only, in the network's dtype.

    Random numbers are drawn time first, so that a longer sequence begins with the shorter one's numbers.
    """
    shape = (source.timesteps, source.batch_size, network.input_size)
    generator = np.random.default_rng(source.seed)
    if source.source == "normal":
        x = generator.normal(size=shape)
    elif source.source == "uniform":
        x = generator.uniform(-1.0, 1.0, shape)
    elif source.source == "impulse":
        x = _impulse(shape)
    elif source.source == "sine":
        x = _sine(shape)
    else:
        x = one_hot(source.text or "")
    return read_only(x, network.dtype)


def one_hot(text: str) -> FloatArray:
    """(T, 1, I) with a single one in each row: the place of the character in the text's alphabet."""
    symbols = alphabet(text)
    x = np.zeros((len(text), 1, len(symbols)))
    for timestep, character in enumerate(text):
        x[timestep, 0, symbols.index(character)] = 1.0
    return x


def _impulse(shape: tuple[int, int, int]) -> FloatArray:
    """One at t = 0 in feature n mod I of sample n, zero ever after: what follows is the network's memory."""
    x = np.zeros(shape)
    samples = np.arange(shape[1])
    x[0, samples, samples % shape[2]] = 1.0
    return x


def _sine(shape: tuple[int, int, int]) -> FloatArray:
    """Feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N): a wave of 32 steps and its harmonics."""
    t, n, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return np.asarray(np.sin(2.0 * np.pi * ((i + 1) * t / 32.0 + n / shape[1])))
