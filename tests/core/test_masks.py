"""Tests of masks: which numbers an open question covers."""

import numpy as np
import pytest

from rnnviz.core.masks import Mask, is_masked, masked_in_lane, masks_any
from rnnviz.core.places import Place
from rnnviz.core.trace_index import INPUT, Lane, Location


@pytest.mark.parametrize(
    ("mask", "masked"),
    [
        (Mask("h", (range(1), range(1), range(2, 3), range(1), range(4, 5))), True),
        (Mask("h"), True),
        (Mask("h", (None, None, range(2, 9))), True),
        (Mask("h", (None, None, range(3, 9))), False),
        (Mask("c"), False),
        (Mask("grad.h"), False),
    ],
)
def test_a_mask_covers_the_numbers_on_its_axes_of_its_array(mask: Mask, masked: bool) -> None:
    place = Place.at("h", Location(timestep=2, unit=4))
    assert is_masked((mask,), place) is masked
    assert is_masked((mask,), place.gradient) is (mask.array == "grad.h")


def test_masked_values_of_a_lane_are_those_that_is_masked_has() -> None:
    masks = (
        Mask("h", (range(1), None, range(1, 3), range(2), range(1))),
        Mask("h", (range(1, 2), range(1, 2))),
        Mask("input", (range(1), range(1))),
    )
    for layer in range(2):
        for direction in range(2):
            found = masked_in_lane(masks, "h", Lane(layer, direction), range(1, 4), 1, range(3))
            expected = [
                [is_masked(masks, Place.at("h", Location(layer, direction, t, 1, u))) for u in range(3)]
                for t in range(1, 4)
            ]
            assert np.array_equal(np.zeros((3, 3)) if found is None else found, expected)
    assert masked_in_lane(masks, "c", Lane(0), range(4), 0, range(3)) is None
    of_input = masked_in_lane(masks, "input", INPUT, range(2), 0, range(2))
    assert of_input is not None
    assert of_input.tolist() == [[True, True], [False, False]]
    assert masked_in_lane(masks, "input", INPUT, range(2), 1, range(2)) is None
    assert masks_any(masks, "input")
    assert not masks_any(masks, "verdict")
