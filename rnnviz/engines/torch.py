"""PyTorch's nn.RNN, nn.LSTM and nn.GRU on the CPU, one module for each layer; gate order and biases are Gluon's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.arrays import NamedFunctions
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError
from rnnviz.core.gradients import gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters, pytorch_name
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import reversed_within
from rnnviz.engines import backward, base

LIBRARY = NamedFunctions(
    torch.nn.functional.linear,
    torch.sigmoid,
    torch.erf,
    SimpleNamespace(
        **{name: getattr(torch, name) for name in ("abs", "exp", "expm1", "tanh", "where")},
        clip=torch.clamp,
        logaddexp=lambda x, y: torch.logaddexp(x, torch.full_like(x, y)),
        maximum=lambda x, y: torch.clamp(x, min=y),
        minimum=lambda x, y: torch.clamp(x, max=y),
        sqrt=sqrt,
    ),
    {
        "relu": lambda x, _: torch.relu(x),
        "hard_tanh": lambda x, _: torch.nn.functional.hardtanh(x),
        "hard_sigmoid": lambda x, f: torch.nn.functional.hardtanh(f.alpha * x + f.beta, 0.0, 1.0),
    },
)
"""Tensors, for cells that PyTorch does not have."""


def _gradients(outputs: Sequence[Any], of_outputs: Sequence[FloatArray], leaves: Sequence[Any]) -> list[Any]:
    given = [to_library(array) for array in of_outputs]
    found = torch.autograd.grad(outputs, leaves, given, allow_unused=True, materialize_grads=True)
    return [to_numpy(gradient) for gradient in found]


class TorchEngine(base.LibraryEngine):
    """A chain of single-layer PyTorch modules; the lines of a custom cell on tensors. Gradients come from the
    cell's lines, step by step, and are compared with PyTorch's own stack."""

    version = f"torch {torch.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: base.Progress) -> base.EngineReport:
        with threads_for(inputs.batch_size, inputs.parameters), torch.no_grad():
            if inputs.network.cell in CELLS:
                self._run(inputs, trace, progress)
            else:
                base.run_stack(inputs, trace, base.unrolled(base.cell_step(LIBRARY), to_library, to_numpy), progress)
        return base.EngineReport()

    def _run(self, inputs: Inputs, trace: Trace, progress: base.Progress) -> None:
        network = inputs.network
        # PyTorch has no layer that reads from the end only: its input and its output are reversed in time.
        x = to_library(_arranged(inputs, inputs.sequence))
        with catch_warnings():
            # With a projection PyTorch warns that oneDNN has none.
            simplefilter("ignore", UserWarning)
            for layer in range(network.num_layers):
                module = torch_module(network, network.layer_input_size(layer), 1)
                for name, array in base.parameters_of(inputs, layer):
                    getattr(module, pytorch_name(name)).copy_(to_library(array))
                states = base.initial_states(inputs.initial_state, layer, network.directions)
                x, finals = _called(module, inputs, x, [to_library(array) for array in states])
                base.fill_layer(trace, layer, _arranged(inputs, x.numpy()), [state.numpy() for state in finals])
                progress((layer + 1) / network.num_layers)

    def gradients(self, network: Network) -> tuple[str, ...]:
        return gradient_names(network)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: base.Progress) -> base.EngineReport:
        with threads_for(inputs.batch_size, inputs.parameters):
            backward.run_stack_backward(inputs, trace, backward.AutogradLayer(AUTOGRAD), progress, backward.LONGEST)
            of_out = backward.stack_gradient(inputs) if inputs.network.cell in CELLS else None
            return base.EngineReport() if of_out is None else _stack_gradients(inputs, trace, of_out)


_WORTH_SHARING = 1 << 22
"""Multiplications in the recurrent product of a step from which on a second thread saves time."""


@contextmanager
def threads_for(batch_size: int, parameters: Mapping[str, FloatArray]) -> Iterator[None]:
    """Within it, steps that take few multiplications have one thread."""
    usual = torch.get_num_threads()
    largest = max(array.size for name, array in parameters.items() if not name.endswith("i2h_weight"))
    torch.set_num_threads(usual if batch_size * largest >= _WORTH_SHARING else 1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def read_parameters(path: Path, network: Network) -> Parameters:
    """The parameters that PyTorch's module reads from a state_dict; an EngineError says why it refuses the file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    module = torch_module(network, network.input_size, network.num_layers)
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise EngineError(f"PyTorch refused the file: {' '.join(str(error).split())}") from error
    return Parameters(
        network, {name: to_numpy(getattr(module, pytorch_name(name)).detach()) for name in network.parameter_shapes()}
    )


def read_file(path: Path) -> base.Engine:
    return base.FileWeightsEngine(TorchEngine(), read_parameters, path)


def _arranged(inputs: Inputs, array: FloatArray) -> FloatArray:
    """An array (T, N, U), of which the time steps of each sample are reversed if the network reads it from its end."""
    lengths = inputs.places.every_length
    return reversed_within(lengths, array) if inputs.network.reverse else array


def _called(module: Any, inputs: Inputs, x: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """The output (T, N, D·H) of a module, 0 in padding, and its final states."""
    state = tuple(states) if len(states) > 1 else states[0]
    if inputs.lengths:
        packed, final = module(pack_padded_sequence(x, torch.tensor(inputs.lengths), enforce_sorted=False), state)
        x, _ = pad_packed_sequence(packed, total_length=inputs.timesteps)
    else:
        x, final = module(x, state)
    return x, final if len(states) > 1 else (final,)


def _stack_gradients(inputs: Inputs, trace: Trace, of_out: FloatArray) -> base.EngineReport:
    """Compare the gradients of PyTorch's stack of layers with the steps' gradients."""
    network, loss = inputs.network, inputs.loss
    assert loss is not None
    module = torch_module(network, network.input_size, network.num_layers)
    with torch.no_grad():
        for name, array in inputs.parameters.items():
            getattr(module, pytorch_name(name)).copy_(to_library(array))
    x, states = AUTOGRAD.leaf(_arranged(inputs, inputs.sequence)), [*map(AUTOGRAD.leaf, inputs.initial_state.values())]
    with catch_warnings():
        simplefilter("ignore", UserWarning)
        out, finals = _called(module, inputs, x, states)
    parameters = [getattr(module, name) for name in map(pytorch_name, network.parameter_shapes())]
    given = [_arranged(inputs, of_out), *loss.state.values()]
    of_x, *found = AUTOGRAD.gradients([out, *finals], given, [x, *states, *parameters])
    return base.EngineReport(equalities=backward.stack_equalities(inputs, trace, _arranged(inputs, of_x), found))


def torch_module(network: Network, input_size: int, num_layers: int) -> Any:
    """A PyTorch module that computes the layers of a network."""
    sizes = input_size, network.hidden_size, num_layers
    options: dict[str, Any] = {"bidirectional": network.bidirectional, "dtype": getattr(torch, network.dtype)}
    cell = network.kind
    if network.projection_size is not None:
        options["proj_size"] = network.projection_size
    if cell.torch == "RNN":
        options["nonlinearity"] = dict(cell.activations)["activation"].text
    return getattr(torch.nn, cell.torch)(*sizes, **options)


def to_numpy(tensor: Any) -> FloatArray:
    return np.asarray(tensor.numpy())


def to_library(array: NDArray[np.generic]) -> Any:
    # A tensor must be allowed to write where the run's arrays are read-only.
    return torch.from_numpy(np.array(array))


AUTOGRAD = backward.Autograd(
    library=LIBRARY,
    constant=to_library,
    leaf=lambda array: to_library(array).requires_grad_(),
    numbers=lambda array: to_numpy(array.detach()),
    detached=lambda array: array.detach(),
    recording=nullcontext,
    gradients=_gradients,
)
"""torch.autograd."""
