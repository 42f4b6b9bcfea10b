"""A check of the installed engines: each computes a small network in a worker process."""

from collections.abc import Mapping

from rnnviz.core.config import Config
from rnnviz.core.inputs import Load
from rnnviz.engines.registry import ENGINES
from rnnviz.execution.events import Failed, RunRequest
from rnnviz.execution.supervisor import Supervisor

AVAILABLE = "available"
_NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 2}


def engine_states(load: Load) -> Mapping[str, str]:
    """For each engine AVAILABLE, or a sentence that says why it does not compute here."""
    states: dict[str, str] = {}
    supervisor = Supervisor(warm=())
    try:
        for name, entry in ENGINES.items():
            compare = {"reference": name, "candidates": ["bug:no-h2h-bias"]}
            request = RunRequest(Config.from_mapping({"network": _NETWORK, "compare": compare}), load, "off")
            states[name] = entry.unavailable or _outcome(supervisor, request)
    finally:
        supervisor.close()
    return states


def _outcome(supervisor: Supervisor, request: RunRequest) -> str:
    for event in supervisor.events(request):
        if isinstance(event, Failed):
            return event.sentence
    return AVAILABLE
