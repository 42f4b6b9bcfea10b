"""Networks, and what an oracle recorded of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

Arrays = dict[str, NDArray[Any]]


def network_inputs(cell: str = "lstm", *, timesteps: int = 5, samples: int = 2, **network: Any) -> Inputs:
    """Random inputs of a network of two layers in both directions, unless `network` says otherwise."""
    sizes = {"hidden_size": 3, "num_layers": 2, "bidirectional": True, **network}
    return inputs_of({"timesteps": timesteps, "batch_size": samples}, cell=cell, **sizes)


def recorded(inputs: Inputs) -> Arrays:
    """Everything that a recording may hold, of the float64 recurrence, in the network's dtype and layout."""
    answer, network = recurrence(inputs), inputs.network
    output = answer.output.swapaxes(0, 1) if network.layout == "NTC" else answer.output
    arrays = {"hidden": answer.hidden, "output": output, "state": answer.state_h}
    if "c" in network.kind.state_symbols:
        assert answer.cell is not None
        assert answer.state_c is not None
        arrays |= {"cell": answer.cell, "cell_state": answer.state_c}
    return {name: np.ascontiguousarray(array, network.dtype) for name, array in arrays.items()}
