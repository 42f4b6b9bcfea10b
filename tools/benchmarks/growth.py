"""How a cost grows with a size: the exponent of a power law, fitted to medians on logarithmic axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True)
class Growth:
    """cost = constant · size^exponent.

    Attributes
    ----------
    exponent:
        1 for a cost that is proportional to the size.
    r_squared:
        The part of the variance of log(cost) that the law explains; it says little where the exponent is near 0.
    sizes, costs:
        What was fitted: a geometric row of sizes, and the median cost of each in one unit.
    """

    exponent: float
    r_squared: float
    sizes: tuple[float, ...]
    costs: tuple[float, ...]

    def __str__(self) -> str:
        return f"exponent {self.exponent:.2f}, R² {self.r_squared:.3f}"


def fit(sizes: Sequence[float], costs: Sequence[float]) -> Growth:
    """Fit a power law by least squares of the logarithms.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or a size or a cost is not positive.
    """
    if len(sizes) != len(costs) or len(sizes) < 2:
        raise ValueError(f"A law needs two or more sizes with a cost each, not {len(sizes)} and {len(costs)}.")
    if min(sizes) <= 0 or min(costs) <= 0:
        raise ValueError("Sizes and costs have to be positive.")
    x, y = np.log(sizes), np.log(costs)
    exponent, constant = np.polyfit(x, y, 1)
    scatter = float(((y - y.mean()) ** 2).sum())
    rest = float(((y - constant - exponent * x) ** 2).sum())
    r_squared = 1.0 - rest / scatter if scatter > 0.0 else 1.0
    return Growth(float(exponent), r_squared, tuple(map(float, sizes)), tuple(map(float, costs)))


def geometric(first: int, last: int, points: int = 5) -> list[int]:
    """Sizes from first to last, each the same number of times the one before."""
    return [round(size) for size in np.geomspace(first, last, points)]


def medians(measure: Callable[[int], float], sizes: Sequence[int], rounds: int) -> list[float]:
    """The median cost of each size; all sizes are measured in turn, so that what disturbs them meets all alike."""
    found: list[list[float]] = [[] for _ in sizes]
    for _ in range(rounds):
        for costs, size in zip(found, sizes, strict=True):
            costs.append(measure(size))
    return [median(costs) for costs in found]
