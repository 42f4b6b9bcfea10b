"""Ten minutes of use, 2,000 runs in one window, twelve hours of playing, by the profile `deep`; else some of each."""

import numpy as np
import pytest
from hypothesis import settings

from tests.programs import python
from tools.soak.growth_in_time import slope

AMOUNTS = {"use": (10.0, 0.3), "runs": (2_000, 3), "playing": (12.0, 0.005)}
"""How much of each the profile `deep` does, and how much others do."""
MINUTES = np.linspace(0.0, 10.0, 150)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", AMOUNTS)
def test_a_window_that_is_used_for_long_grows_in_nothing(part):
    much, little = AMOUNTS[part]
    amount = much if settings().max_examples >= 2_000 else little
    done = python("-m", "tools.soak", part, str(amount), seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr


def noise(seed: int, size: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, size, len(MINUTES))


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_found_under_noise_and_noise_alone_is_not_growth(seed):
    line = slope(MINUTES, 200.0 + 2.0 * MINUTES + noise(seed, 3.0))
    assert line.low < 2.0 < line.high
    assert line.grew(0.5)
    assert not slope(MINUTES, 200.0 + noise(seed, 3.0)).grew(0.5)


def test_a_shrinking_process_and_a_few_outliers_do_not_make_growth():
    assert not slope(MINUTES, 300.0 - 5.0 * MINUTES).grew(0.5)
    values = np.full(len(MINUTES), 100.0)
    values[-3:] = 500.0
    assert not slope(MINUTES, values).grew(0.5)


def test_restarted_processes_do_not_hide_the_growth_of_each():
    lives = (MINUTES // 2.5).astype(int)
    sawtooth = 80.0 + 3.0 * (MINUTES % 2.5) + noise(0, 0.3)
    assert not slope(MINUTES, sawtooth).grew(0.5)
    line = slope(MINUTES, sawtooth, list(lives))
    assert line.per_minute == pytest.approx(3.0, abs=0.3)
    assert line.grew(0.5)
