"""How many examples hypothesis draws: few by default, many where HYPOTHESIS_PROFILE=deep asks for them.

`gate` draws the same ones every time, so that no change is held up by what it has not changed.
"""

import os

from hypothesis import HealthCheck, settings

# The speed of a machine that others share says nothing about the code.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=15, **_COMMON)
settings.register_profile("gate", max_examples=15, derandomize=True, database=None, **_COMMON)
settings.register_profile("deep", max_examples=2_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
