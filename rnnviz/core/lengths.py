"""Lengths of the samples of a batch: the time steps t >= length of a sample are padding, which no engine computes.

Hidden states, outputs and cell states are 0 in padding. The backward direction of a sample starts at its own
length - 1, and its final states are those of the last computed step.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import display_value

KEY = "sequence.lengths"


def draw_lengths(seed: int, batch_size: int, timesteps: int) -> tuple[int, ...]:
    """Lengths of 1 to T, all equally likely, by a generator of their own: the sequence is drawn as without them."""
    return tuple(int(n) for n in np.random.default_rng([seed, 1]).integers(1, timesteps, batch_size, endpoint=True))


def checked_lengths(lengths: Sequence[int], batch_size: int, timesteps: int, key: str = KEY) -> tuple[int, ...]:
    """The lengths, or () if no sample has padding.

    Parameters
    ----------
    lengths : sequence of int
        The number of time steps of each sample.
    batch_size, timesteps : int
        N and T.
    key : str
        The config key that an error names.

    Returns
    -------
    tuple of int
        N lengths, or ().

    Raises
    ------
    ConfigError
        If there are not N lengths, or one is not from 1 to T.
    """
    shown = display_value(list(lengths))
    if len(lengths) != batch_size:
        raise ConfigError(
            key, f"{key} = {shown} has {len(lengths)} lengths, but there are {batch_size} samples: give one for each."
        )
    for sample, length in enumerate(lengths):
        if not 1 <= length <= timesteps:
            raise ConfigError(
                key,
                f"{key} has the length {display_value(int(length))} for sample {sample}: a length must be from 1 to "
                f"the number of time steps, {timesteps:,}.",
            )
    return () if all(length == timesteps for length in lengths) else tuple(int(length) for length in lengths)


def padding_mask(lengths: Sequence[int], times: slice | range) -> NDArray[np.bool_]:
    """Which values of some time steps are padding, (B, N)."""
    return np.arange(times.start, times.stop)[:, np.newaxis] >= np.asarray(lengths)


def clear_padding(lengths: Sequence[int], array: NDArray[Any]) -> None:
    """Set the padding of an array (T, N, ...) to 0."""
    for sample, length in enumerate(lengths):
        array[length:, sample] = 0


def computed_parts(
    lengths: Sequence[int], times: range, *, backward: bool = False
) -> Iterator[tuple[range, NDArray[np.intp]]]:
    """Parts of some time steps in the order of computation, each with the samples that are computed in all of it.

    The end of a sample is the end of a part, so that a sample is either computed in all of a part or padding in it.
    A part in which all samples are padding has no samples.
    """
    ends = sorted({times.stop, *(length for length in lengths if times.start < length < times.stop)})
    parts = [range(start, stop) for start, stop in zip([times.start, *ends], ends, strict=False)]
    for part in reversed(parts) if backward else parts:
        yield part, np.flatnonzero(np.asarray(lengths) >= part.stop)


def reversed_within(lengths: Sequence[int], array: NDArray[Any]) -> NDArray[Any]:
    """An array (T, N, ...) with the time steps of each sample in reverse order, and its padding where it was."""
    reversed_array = array.copy()
    for sample, length in enumerate(lengths):
        reversed_array[:length, sample] = array[:length, sample][::-1]
    return reversed_array


def last_steps(array: NDArray[Any], lengths: Sequence[int]) -> NDArray[Any]:
    """(N, ...): the values of an array (T, N, ...) at the last time step of each sample; at T-1 without lengths."""
    if not lengths:
        return np.asarray(array[-1])
    return np.asarray(array[np.asarray(lengths) - 1, np.arange(len(lengths))])
