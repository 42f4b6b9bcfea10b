"""Profiles of hypothesis, chosen by HYPOTHESIS_PROFILE: the number of examples, and whether they are random.

`quick` is the default. `gate` and `many` draw the same examples every time, so that a change cannot fail by chance: the
first is for the slow tests of .ci/run, the second for its others, for `make test-drawn` and for `make test-nightly`.
`deep` is for the tables of tests/README.md.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, settings

# The speed of a machine that others share says nothing about the code.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
_REPEATABLE = {**_COMMON, "derandomize": True, "database": None}
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")

settings.register_profile("quick", max_examples=3, **_COMMON)
settings.register_profile("gate", max_examples=5, **_REPEATABLE)
settings.register_profile("many", max_examples=15, **_REPEATABLE)
settings.register_profile("deep", max_examples=2_000, **_COMMON)
settings.load_profile(_PROFILE)


def examples(count: int) -> int:
    """Return the number of examples for a cheap test: `count` in the profiles `many` and `deep`, else an eighth."""
    return count if _PROFILE in ("many", "deep") else max(1, count // 8)


nightly = False
"""Whether nightly tests were asked for: `tests/conftest.py` sets it."""


def nightly_except(cases: Iterable[Any], *kept: Any) -> list[ParameterSet]:
    """Return the cases, each a value or a tuple of several, as parameters; all but the kept ones are marked nightly.

    Those are left out unless they were asked for: to collect thousands of tests takes longer than to run most of them.
    """
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=() if case in kept else pytest.mark.nightly)
        for case in cases
        if nightly or case in kept
    ]
