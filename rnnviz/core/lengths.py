"""Lengths of the samples of a batch: the time steps t >= length of a sample are padding, which changes no result.

Hidden states, outputs and cell states are 0 in padding. The backward direction of a sample starts at its own
length - 1, and its final states are those of the last computed step.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import display_value
from rnnviz.core.words import plural

KEY = "sequence.lengths"


def draw_lengths(seed: int, batch_size: int, timesteps: int) -> tuple[int, ...]:
    """Draw lengths of 1 to T, all equally likely.

    A separate generator draws them, so that the sequence is drawn as without lengths.
    """
    return tuple(int(n) for n in np.random.default_rng([seed, 1]).integers(1, timesteps, batch_size, endpoint=True))


def checked_lengths(
    lengths: Sequence[int], batch_size: int, timesteps: int, key: str = KEY, name: str = ""
) -> tuple[int, ...]:
    """The lengths, or () if no sample has padding.

    Raises ConfigError if there are not N lengths, or one is not from 1 to T.
    """
    name, shown = name or key, display_value(list(lengths))
    if len(lengths) != batch_size:
        raise ConfigError(
            key,
            f"{name} = {shown} has {plural(len(lengths), 'length')}, but there "
            f"{'is' if batch_size == 1 else 'are'} {plural(batch_size, 'sample')}: give one for each.",
        )
    for sample, length in enumerate(lengths):
        if not 1 <= length <= timesteps:
            raise ConfigError(
                key,
                f"{name} has the length {display_value(int(length))} for sample {sample}: a length must be from 1 to "
                f"the number of time steps, {timesteps:,}.",
            )
    return () if all(length == timesteps for length in lengths) else tuple(int(length) for length in lengths)


def padding_mask(lengths: Sequence[int], times: slice | range) -> NDArray[np.bool_]:
    """Where some time steps are padding. Returns an array (B, N): true in padding."""
    return np.arange(times.start, times.stop)[:, np.newaxis] >= np.asarray(lengths)


def clear_padding(lengths: Sequence[int], array: NDArray[Any]) -> None:
    """Set the padding of an array to 0."""
    for sample, length in enumerate(lengths):
        array[..., length:, sample, :] = 0


def computed_parts(
    lengths: Sequence[int], times: range, *, backward: bool = False
) -> Iterator[tuple[range, NDArray[np.intp]]]:
    """Parts of some time steps, in which no sample ends.

    Yields an array (S,): the samples that are computed in all of it; the others are padding in all of it.
    """
    ends = sorted({times.stop, *(length for length in lengths if times.start < length < times.stop)})
    parts = [range(start, stop) for start, stop in zip([times.start, *ends], ends, strict=False)]
    for part in reversed(parts) if backward else parts:
        yield part, np.flatnonzero(np.asarray(lengths) >= part.stop)


def reversed_within(lengths: Sequence[int], array: NDArray[Any]) -> NDArray[Any]:
    """Reverse the time steps of each sample, and leave its padding where it is.

    `array` is (T, N, U). Returns an array (T, N, U): a copy.
    """
    reversed_array = array.copy()
    for sample, length in enumerate(lengths):
        reversed_array[:length, sample] = array[:length, sample][::-1]
    return reversed_array


def last_steps(array: NDArray[Any], lengths: Sequence[int]) -> NDArray[Any]:
    """Values at the last time step of each sample. `array` is (T, N, U). Returns an array (N, U): the values."""
    if not lengths:
        return np.asarray(array[-1])
    return np.asarray(array[np.asarray(lengths) - 1, np.arange(len(lengths))])
