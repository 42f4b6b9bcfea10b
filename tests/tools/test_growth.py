"""The fit finds the law that made the numbers."""

import numpy as np
import pytest

from tools.benchmarks.growth import fit, geometric, medians


def test_a_power_law_is_found_exactly() -> None:
    sizes = geometric(10, 100_000)
    growth = fit(sizes, [3e-6 * size**1.7 for size in sizes])
    assert growth.exponent == pytest.approx(1.7)
    assert growth.r_squared == pytest.approx(1.0)


def test_noise_moves_the_exponent_little_and_shows_in_r_squared() -> None:
    sizes = geometric(100, 1_000_000)
    noise = np.random.default_rng(0).normal(0.0, 0.1, len(sizes))
    growth = fit(sizes, [2e-5 * size * np.exp(error) for size, error in zip(sizes, noise, strict=True)])
    assert growth.exponent == pytest.approx(1.0, abs=0.05)
    assert 0.99 < growth.r_squared < 1.0


def test_a_cost_that_does_not_depend_on_the_size_has_the_exponent_0() -> None:
    assert fit([1, 10, 100], [5.0, 5.0, 5.0]).exponent == pytest.approx(0.0, abs=1e-12)


def test_sizes_are_measured_in_turn_and_the_median_counts() -> None:
    order: list[int] = []

    def measure(size: int) -> float:
        order.append(size)
        return float(size) if len(order) != 3 else 1e9

    assert medians(measure, [1, 2], rounds=3) == [1.0, 2.0]
    assert order == [1, 2, 1, 2, 1, 2]
