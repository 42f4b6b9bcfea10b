"""A line through readings distinguishes growth from noise."""

import numpy as np
import pytest

from tools.soak.growth_in_time import slope

MINUTES = np.linspace(0.0, 10.0, 150)


def noise(seed: int, size: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, size, len(MINUTES))


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_found_under_noise(seed: int) -> None:
    line = slope(MINUTES, 200.0 + 2.0 * MINUTES + noise(seed, 3.0))
    assert line.low < 2.0 < line.high
    assert line.grew(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_not_growth(seed: int) -> None:
    assert not slope(MINUTES, 200.0 + noise(seed, 3.0)).grew(0.5)


def test_a_shrinking_process_does_not_grow() -> None:
    assert not slope(MINUTES, 300.0 - 5.0 * MINUTES).grew(0.5)


def test_a_few_outliers_do_not_make_growth() -> None:
    values = np.full(len(MINUTES), 100.0)
    values[-3:] = 500.0
    assert not slope(MINUTES, values).grew(0.5)


def test_restarted_processes_do_not_hide_the_growth_of_each() -> None:
    lives = (MINUTES // 2.5).astype(int)
    sawtooth = 80.0 + 3.0 * (MINUTES % 2.5) + noise(0, 0.3)
    assert not slope(MINUTES, sawtooth).grew(0.5)
    line = slope(MINUTES, sawtooth, list(lives))
    assert line.per_minute == pytest.approx(3.0, abs=0.3)
    assert line.grew(0.5)
