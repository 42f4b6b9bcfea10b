"""PyTorch's nn.RNN, nn.LSTM and nn.GRU on the CPU, one module for each layer.

PyTorch has Gluon's gate order and Gluon's two biases, so the parameters are taken as they are.
"""

from typing import Any

import numpy as np
import torch

from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.chain import fill_layer, initial_states
from rnnviz.model.arrays import FloatArray
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import LayerParameters
from rnnviz.model.trace import Trace

_NAMES = {"i2h_weight": "weight_ih", "h2h_weight": "weight_hh", "i2h_bias": "bias_ih", "h2h_bias": "bias_hh"}


class TorchEngine:
    """A chain of single-layer PyTorch modules."""

    knows_cell = False
    version = f"torch {torch.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        network = inputs.network
        x = _tensor(inputs.sequence)
        with torch.no_grad():
            for layer in range(network.num_layers):
                module = _module(inputs, layer)
                states = [_tensor(array) for array in initial_states(inputs.initial_state, layer, network.directions)]
                x, final = module(x, tuple(states) if network.kind.has_cell_state else states[0])
                finals = final if network.kind.has_cell_state else (final,)
                fill_layer(trace, layer, x.numpy(), [state.numpy() for state in finals])
                progress((layer + 1) / network.num_layers)
        return EngineReport()


def _module(inputs: Inputs, layer: int) -> Any:
    network = inputs.network
    sizes = network.layer_input_size(layer), network.hidden_size
    options: dict[str, Any] = {"bidirectional": network.bidirectional, "dtype": getattr(torch, network.dtype)}
    if network.cell == "lstm":
        module: Any = torch.nn.LSTM(*sizes, **options)
    elif network.cell == "gru":
        module = torch.nn.GRU(*sizes, **options)
    else:
        module = torch.nn.RNN(*sizes, nonlinearity=network.cell.removeprefix("rnn_"), **options)
    for direction in range(network.directions):
        _set_parameters(module, inputs.parameters.layer(layer, direction), "_reverse" if direction else "")
    return module


def _set_parameters(module: Any, p: LayerParameters, suffix: str) -> None:
    for name, theirs in _NAMES.items():
        getattr(module, f"{theirs}_l0{suffix}").copy_(_tensor(getattr(p, name)))


def _tensor(array: FloatArray) -> Any:
    # A tensor must be allowed to write where the run's arrays are read-only.
    return torch.from_numpy(np.array(array))
