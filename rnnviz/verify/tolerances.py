"""Tolerances of traces, of which one may be recorded in a coarser type than the network's."""

from rnnviz.core.config import DEFAULT_TOLERANCES, Config
from rnnviz.core.trace import Trace

_BY_PRECISION = {"float16": (1e-3, 1e-5), **DEFAULT_TOLERANCES}
"""Those of torch.testing.assert_close."""


def tolerances(config: Config, *traces: Trace) -> tuple[float, float]:
    """(rtol, atol): as the config gives them, else the `defaults`."""
    return config.compare.tolerances(*defaults(config, *traces))


def defaults(config: Config, *traces: Trace) -> tuple[float, float]:
    """(rtol, atol) of the coarsest type that the network or any of the traces has or was computed in."""
    recorded = (kind for trace in traces for kind in (trace.precision, trace.computed_in) if kind)
    types = [config.network.dtype, *recorded]
    return max(_BY_PRECISION[kind] for kind in types)
