"""One layer in one direction as a module of PyTorch: its values, and its gradients by torch.autograd."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

NAMES = {
    "i2h_weight": "weight_ih_l0",
    "h2h_weight": "weight_hh_l0",
    "i2h_bias": "bias_ih_l0",
    "h2h_bias": "bias_hh_l0",
    "h2r_weight": "weight_hr_l0",
}
MODULES = {"rnn_relu": "RNN", "rnn_tanh": "RNN", "lstm": "LSTM", "lstm_projection": "LSTM", "gru": "GRU"}


def values_of_torch(
    cell: str,
    parameters: Mapping[str, NDArray[np.floating]],
    x: NDArray[np.floating],
    state: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.floating]]:
    """h (T, N, H) or (T, N, P) of every step, and the final states `final_h` and `final_c`."""
    with torch.no_grad():
        module, inputs, states = _prepared(cell, parameters, x, state)
        out, finals = _called(module, inputs, states)
    return {"h": out.numpy()} | {f"final_{name}": final.numpy() for name, final in finals.items()}


def gradients_of_torch(
    cell: str,
    parameters: Mapping[str, NDArray[np.floating]],
    x: NDArray[np.floating],
    state: Mapping[str, NDArray[np.floating]],
    given: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.floating]]:
    """The gradients of Σ given · value over the final states, by name: "x", the states', the parameters'."""
    module, inputs, states = _prepared(cell, parameters, x, state)
    inputs.requires_grad_()
    for tensor in states.values():
        tensor.requires_grad_()
    _, finals = _called(module, inputs, states)
    loss = sum((torch.from_numpy(np.array(given[name])) * final).sum() for name, final in finals.items())
    loss.backward()
    found = {ours: getattr(module, theirs).grad for ours, theirs in NAMES.items() if ours in parameters}
    found |= {"x": inputs.grad} | {name: tensor.grad for name, tensor in states.items()}
    return {name: gradient.numpy() for name, gradient in found.items()}


def _prepared(
    cell: str,
    parameters: Mapping[str, NDArray[np.floating]],
    x: NDArray[np.floating],
    state: Mapping[str, NDArray[np.floating]],
) -> "tuple[torch.nn.RNNBase, torch.Tensor, dict[str, torch.Tensor]]":
    size, dtype = len(parameters["i2h_bias"]) // {"RNN": 1, "GRU": 3, "LSTM": 4}[MODULES[cell]], x.dtype
    options = {"dtype": getattr(torch, dtype.name)}
    if cell.startswith("rnn"):
        options["nonlinearity"] = cell.removeprefix("rnn_")
    if cell == "lstm_projection":
        options["proj_size"] = len(parameters["h2r_weight"])
    module = getattr(torch.nn, MODULES[cell])(x.shape[2], size, **options)
    with torch.no_grad():
        for ours, array in parameters.items():
            getattr(module, NAMES[ours]).copy_(torch.from_numpy(np.array(array)))
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
    return module, torch.from_numpy(np.array(x)), tensors


def _called(
    module: "torch.nn.RNNBase", x: "torch.Tensor", states: "dict[str, torch.Tensor]"
) -> "tuple[torch.Tensor, dict[str, torch.Tensor]]":
    initial = tuple(tensor.unsqueeze(0) for tensor in states.values())
    out, finals = module(x, initial if len(initial) == 2 else initial[0])
    finals = finals if isinstance(finals, tuple) else (finals,)
    return out, {name: final[0] for name, final in zip(states, finals, strict=True)}
