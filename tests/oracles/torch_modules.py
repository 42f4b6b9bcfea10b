"""The network as one of PyTorch's modules: the same gate order as Gluon's, and two biases as well."""

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from tests.oracles.computed import Answer

torch = pytest.importorskip("torch")

NAMES = {"i2h_weight": "weight_ih", "h2h_weight": "weight_hh", "i2h_bias": "bias_ih", "h2h_bias": "bias_hh"}


def answers_of_torch(inputs: Inputs) -> Answer:
    """Each layer as a separate module; the last layer's sequence is `output`."""
    network = inputs.network
    directions, samples, size = network.directions, inputs.batch_size, network.hidden_size
    x = torch.from_numpy(np.array(inputs.sequence))
    hidden, finals = [], []
    for layer in range(network.num_layers):
        module = _module(inputs, layer)
        rows = slice(layer * directions, (layer + 1) * directions)
        states = tuple(torch.from_numpy(np.array(array[rows])) for array in inputs.initial_state.values())
        with torch.no_grad():
            x, final = module(x, states if network.kind.has_cell_state else states[0])
        finals.append(final if network.kind.has_cell_state else (final,))
        hidden.append(x.numpy().reshape(inputs.timesteps, samples, directions, size).transpose(2, 0, 1, 3))
    states = [np.concatenate([final[k].numpy() for final in finals]) for k in range(len(finals[0]))]
    return Answer(np.stack(hidden), x.numpy(), states[0], states[1] if len(states) == 2 else None)


def _module(inputs: Inputs, layer: int) -> "torch.nn.RNNBase":
    network = inputs.network
    options = {"bidirectional": network.bidirectional, "dtype": getattr(torch, network.dtype)}
    sizes = network.layer_input_size(layer), network.hidden_size
    if network.cell == "lstm":
        module = torch.nn.LSTM(*sizes, **options)
    elif network.cell == "gru":
        module = torch.nn.GRU(*sizes, **options)
    else:
        module = torch.nn.RNN(*sizes, nonlinearity=network.cell.removeprefix("rnn_"), **options)
    with torch.no_grad():
        for side, suffix in zip("lr"[: network.directions], ("", "_reverse"), strict=False):
            for ours, theirs in NAMES.items():
                array = np.array(inputs.parameters[f"{side}{layer}_{ours}"])
                getattr(module, f"{theirs}_l0{suffix}").copy_(torch.from_numpy(array))
    return module
