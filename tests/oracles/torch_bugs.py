"""Training loops of users in torch, with bugs that change gradients but no value."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs


class _WrongTanh(torch.autograd.Function):
    """tanh, whose derivative takes its own value for the argument."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor) -> torch.Tensor:
        y = torch.tanh(a)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, d: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        return d * (1 - torch.tanh(y) ** 2)


class _FlipForward(torch.autograd.Function):
    """A flip in time that passes gradients on as they come."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.flip(0)

    @staticmethod
    def backward(ctx: Any, d: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return d


def torch_gradients(inputs: Inputs, bug: str) -> dict[str, NDArray[Any]]:
    """The gradients of one layer of an lstm or a gru, in one direction or both, as a user saves them."""
    network, loss = inputs.network, inputs.loss
    assert loss is not None
    assert loss.out is not None
    p = {name: torch.tensor(array, requires_grad=True) for name, array in inputs.parameters.items()}
    x = torch.tensor(inputs.sequence, requires_grad=True)
    initial = {s: torch.tensor(a, requires_grad=True) for s, a in inputs.initial_state.items()}
    flip = _FlipForward.apply if bug == "backward-direction-not-reversed-in-gradient" else lambda a: a.flip(0)
    tanh = _WrongTanh.apply if bug == "derivative-at-wrong-pre-activation" else torch.tanh
    outputs, total = [], torch.zeros((), dtype=x.dtype)
    for row, side in enumerate("lr"[: network.directions]):
        state = {s: array[row] for s, array in initial.items()}
        if bug == "initial-state-gradient-missing":
            state = {s: array.detach() for s, array in state.items()}
        hidden = []
        for t, x_t in enumerate(flip(x) if side == "r" else x):
            if bug == "truncated-at-one-step":
                state = {s: array.detach() for s, array in state.items()}
            if bug == "cell-gradient-dropped":
                state["c"] = state["c"].detach()
            # The weights of the first step alone, where each step replaces the gradient of the one after it.
            one = bug == "weight-gradient-not-summed-over-time" and t
            w = {n[3:]: array.detach() if one else array for n, array in p.items() if n.startswith(side)}
            h = state["h"]
            u, v = x_t @ w["i2h_weight"].T + w["i2h_bias"], h @ w["h2h_weight"].T + w["h2h_bias"]
            if network.cell == "lstm":
                i, f, g, o = (u + v).chunk(4, dim=1)
                c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * tanh(g)
                state = {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}
            else:
                (u_r, u_z, u_n), (v_r, v_z, v_n) = u.chunk(3, dim=1), v.chunk(3, dim=1)
                r, z = torch.sigmoid(u_r + v_r), torch.sigmoid(u_z + v_z)
                n = tanh(u_n + (r.detach() if bug == "reset-gate-gradient-missing" else r) * v_n)
                state = {"h": (1 - z) * n + z * h}
            hidden.append(state["h"])
        every = torch.stack(hidden)
        outputs.append(flip(every) if side == "r" else every)
        for s, array in state.items():
            total = total + (torch.tensor(loss.state[s][row]) * array).sum()
    d_out = np.array(loss.out)
    if bug == "direct-output-gradient-dropped":
        d_out[:-1, :, : network.hidden_size] = 0
        d_out[1:, :, network.hidden_size :] = 0
    (total + (torch.tensor(d_out) * torch.cat(outputs, dim=-1)).sum()).backward()
    found = {f"grad.parameters.{name}": array.grad for name, array in p.items()}
    found |= {"grad.input": x.grad, **{f"grad.{s}0": array.grad for s, array in initial.items()}}
    if bug == "forward-bias-used-twice":
        found |= {name: 2 * array for name, array in found.items() if name.endswith("bias") and array is not None}
    empty = {"grad.input": x, **{f"grad.{s}0": array for s, array in initial.items()}}
    return {k: np.zeros(empty[k].shape) if array is None else array.numpy() for k, array in found.items()}
