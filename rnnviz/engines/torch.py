"""PyTorch's nn.RNN, nn.LSTM and nn.GRU on the CPU, one module for each layer.

PyTorch has Gluon's gate order and Gluon's two biases, so the parameters are taken as they are.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.arrays import NamedFunctions
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError
from rnnviz.core.gradients import gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.lengths import reversed_within
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.autograd import Autograd, AutogradLayer
from rnnviz.engines.backward import run_stack_backward
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.layers import cell_step, fill_layer, initial_states, run_stack, unrolled

_NAMES = {
    "i2h_weight": "weight_ih",
    "h2h_weight": "weight_hh",
    "i2h_bias": "bias_ih",
    "h2h_bias": "bias_hh",
    "h2r_weight": "weight_hr",
}


LIBRARY = NamedFunctions(
    torch.nn.functional.linear,
    torch.sigmoid,
    torch.erf,
    SimpleNamespace(
        abs=torch.abs,
        clip=torch.clamp,
        exp=torch.exp,
        expm1=torch.expm1,
        logaddexp=lambda x, y: torch.logaddexp(x, torch.full_like(x, y)),
        maximum=lambda x, y: torch.clamp(x, min=y),
        minimum=lambda x, y: torch.clamp(x, max=y),
        sqrt=sqrt,
        tanh=torch.tanh,
        where=torch.where,
    ),
)
"""Tensors, for cells that PyTorch does not have."""


class TorchAutograd(Autograd):
    """torch.autograd."""

    library = LIBRARY

    def constant(self, array: FloatArray) -> Any:
        return to_library(array)

    def leaf(self, array: FloatArray) -> Any:
        return to_library(array).requires_grad_()

    def numbers(self, array: Any) -> FloatArray:
        return to_numpy(array.detach())

    def detached(self, array: Any) -> Any:
        return array.detach()

    def recording(self) -> AbstractContextManager[object]:
        return nullcontext()

    def gradients(self, outputs: Sequence[Any], of_outputs: Sequence[FloatArray], leaves: Sequence[Any]) -> list[Any]:
        given = [to_library(array) for array in of_outputs]
        found = torch.autograd.grad(outputs, leaves, given, allow_unused=True, materialize_grads=True)
        return [to_numpy(gradient) for gradient in found]


class TorchEngine:
    """A chain of single-layer PyTorch modules; the lines of a custom cell on tensors.

    Gradients are those of the cell's lines on tensors, step by step.
    """

    provides_cell_state = False
    version = f"torch {torch.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        network = inputs.network
        if network.cell not in CELLS:
            with torch.no_grad():
                run_stack(inputs, trace, unrolled(cell_step(LIBRARY), to_library, to_numpy), progress)
            return EngineReport()
        # PyTorch has no layer that reads from the end only: its input and its output are reversed in time.
        lengths = inputs.lengths or (inputs.timesteps,) * inputs.batch_size
        x = reversed_within(lengths, inputs.sequence) if network.reverse else inputs.sequence
        x = to_library(x)
        with torch.no_grad(), catch_warnings():
            # With a projection PyTorch warns that oneDNN has none.
            simplefilter("ignore", UserWarning)
            for layer in range(network.num_layers):
                module = _layer(inputs, layer)
                states = [
                    to_library(array) for array in initial_states(inputs.initial_state, layer, network.directions)
                ]
                state = tuple(states) if network.kind.has_cell_state else states[0]
                if inputs.lengths:
                    packed, final = module(pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False), state)
                    x, _ = pad_packed_sequence(packed, total_length=inputs.timesteps)
                else:
                    x, final = module(x, state)
                finals = final if network.kind.has_cell_state else (final,)
                out = reversed_within(lengths, x.numpy()) if network.reverse else x.numpy()
                fill_layer(trace, layer, out, [state.numpy() for state in finals])
                progress((layer + 1) / network.num_layers)
        return EngineReport()

    def gradients(self, network: Network) -> tuple[str, ...]:
        """See `Engine.gradients`."""
        return gradient_names(network)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run_backward`."""
        run_stack_backward(inputs, trace, AutogradLayer(TorchAutograd()), progress)
        return EngineReport()


def read_parameters(path: Path, network: Network) -> Parameters:
    """The parameters that PyTorch's module reads from the state_dict in a `.safetensors` file.

    Raises an EngineError if it refuses the file; the sentence has what PyTorch says.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    module = _module(network, network.input_size, network.num_layers)
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise EngineError(f"PyTorch refused the file: {' '.join(str(error).split())}") from error
    arrays = {}
    for name in network.parameter_shapes():
        place, _, kind = name.partition("_")
        theirs = f"{_NAMES[kind]}_l{place[1:]}{'_reverse' if place[0] == 'r' else ''}"
        arrays[name] = getattr(module, theirs).detach().numpy()
    return Parameters(network, arrays)


def _layer(inputs: Inputs, layer: int) -> Any:
    network = inputs.network
    module = _module(network, network.layer_input_size(layer), 1)
    for direction in range(network.directions):
        for name, array in vars(inputs.parameters.layer(layer, direction)).items():
            getattr(module, f"{_NAMES[name]}_l0{'_reverse' if direction else ''}").copy_(to_library(array))
    return module


def _module(network: Network, input_size: int, num_layers: int) -> Any:
    sizes = input_size, network.hidden_size, num_layers
    options: dict[str, Any] = {"bidirectional": network.bidirectional, "dtype": getattr(torch, network.dtype)}
    cell = network.kind
    if network.projection_size is not None:
        options["proj_size"] = network.projection_size
    if cell.torch == "RNN":
        options["nonlinearity"] = dict(cell.activations)["activation"].text
    return getattr(torch.nn, cell.torch)(*sizes, **options)


def to_numpy(tensor: Any) -> FloatArray:
    """The tensor as an array."""
    array: FloatArray = tensor.numpy()
    return array


def to_library(array: FloatArray) -> Any:
    """The array as a tensor."""
    # A tensor must be allowed to write where the run's arrays are read-only.
    return torch.from_numpy(np.array(array))
