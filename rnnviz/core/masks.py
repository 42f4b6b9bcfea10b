"""Masks: numbers that no view shows, because an open question asks for them."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.places import INPUT_VALUES, Place
from rnnviz.core.trace_index import Lane
from rnnviz.frozen import dataclass

DIFFERENCE, VERDICT, SHAPE, NUMBERS = "difference", "verdict", "shape", "numbers"
"""Masks that are not of one array: the differences of two engines, the verdict, the shapes of arrays, and the numbers
from which a masked value is computed, which come with the hint."""


@dataclass(frozen=True)
class Mask:
    """Some numbers of the array that `array` names as a `Place` does, in every engine.

    `axes` has the indices on each axis, from the first on. None is every index, and so is an axis that is left out.
    """

    array: str
    axes: tuple[range | None, ...] = ()

    def covers(self, index: Sequence[int]) -> bool:
        """Whether the number at an index of the array is masked."""
        return all(axis is None or at in axis for axis, at in zip(self.axes, index, strict=False))


def is_masked(masks: Iterable[Mask], place: Place) -> bool:
    return any(mask.array == place.array and mask.covers(place.index) for mask in masks)


def masks_any(masks: Iterable[Mask], array: str) -> bool:
    """Whether any number of an array is masked, or one of `DIFFERENCE`, `VERDICT` and `SHAPE`."""
    return any(mask.array == array for mask in masks)


def masked_in_lane(
    masks: Iterable[Mask], array: str, lane: Lane, times: range, sample: int, units: range
) -> NDArray[np.bool_] | None:
    """(B, U): which values of a sample are masked in a lane or in the input; None if there are none."""
    of_array = [mask for mask in masks if mask.array == array]
    if not of_array:
        return None
    found = np.zeros((len(times), len(units)), np.bool_)
    before = () if array.removeprefix("grad.") == INPUT_VALUES else (lane.layer, lane.direction)
    for mask in of_array:
        axes = (*mask.axes, *(None,) * (len(before) + 3 - len(mask.axes)))
        *lanes, timesteps, samples, features = axes
        if all(axis is None or at in axis for axis, at in zip((*lanes, samples), (*before, sample), strict=True)):
            found |= np.outer(_chosen(timesteps, times), _chosen(features, units))
    return found if found.any() else None


def _chosen(axis: range | None, shown: range) -> NDArray[np.bool_]:
    return np.array([axis is None or at in axis for at in shown], np.bool_)
