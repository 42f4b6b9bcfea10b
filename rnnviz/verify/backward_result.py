"""First mismatches of gradients, with their places."""

from rnnviz.core.gradients import OF_OUTPUT
from rnnviz.verify.compare import Comparison, Mismatch


def first_gradient_mismatch(comparison: Comparison) -> Mismatch | None:
    """The first mismatch of gradients in the order of the backward pass."""
    found = [own.first_mismatch for own in comparison.gradients.values() if own.first_mismatch is not None]
    lanes = [
        ((*at.gradient_order[:3], first.place.array != OF_OUTPUT), first)
        for first in found
        if (at := first.place.location) is not None
    ]
    if lanes:
        return min(lanes, key=lambda pair: pair[0])[1]
    return found[0] if found else None
