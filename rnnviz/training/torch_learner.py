"""Training by PyTorch: its modules, autograd and optimizers."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, mse_loss

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import pytorch_name
from rnnviz.engines.torch import threads_for, to_library, to_numpy, torch_module
from rnnviz.training.learner import Arrays, Figures, LearnerMemory, LibraryLearner
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT
from rnnviz.training.problems import Batch
from rnnviz.training.task import TrainingTask

_MOMENTUM, _MOMENTS = "momentum_buffer", ("step", "exp_avg", "exp_avg_sq")
"""Names in the state of PyTorch's SGD and Adam."""


class TorchLearner(LibraryLearner):
    """torch.nn.LSTM, GRU or RNN with torch.nn.Linear, trained by torch.optim."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        super().__init__(task, parameters, classes=classes)
        network, training = task.network, task.training
        self._module = torch_module(network, network.input_size, network.num_layers)
        outputs, width = parameters[LINEAR_WEIGHT].shape
        self._linear = torch.nn.Linear(width, outputs, dtype=getattr(torch, network.dtype))
        self._tensors = {name: getattr(self._module, pytorch_name(name)) for name in network.parameter_shapes()}
        self._tensors |= {LINEAR_WEIGHT: self._linear.weight, LINEAR_BIAS: self._linear.bias}
        self._set_parameters(parameters)
        # They share their memory with the tensors.
        self._arrays = {name: to_numpy(tensor.detach()) for name, tensor in self._tensors.items()}
        rate = training.learning_rate
        self._optimizer: torch.optim.Optimizer
        if training.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(self._tensors.values(), rate, momentum=training.momentum)
        else:
            self._optimizer = torch.optim.Adam(self._tensors.values(), rate)

    def step(self, batch: Batch) -> Figures:
        with threads_for(batch.x.shape[1], self._arrays):
            return super().step(batch)

    def backward(
        self, xs: list[FloatArray], states: list[FloatArray], places: NDArray[np.int64], targets: NDArray[np.generic]
    ) -> tuple[float, FloatArray, list[FloatArray], Arrays]:
        state, outs = [to_library(array) for array in states], []
        for x in xs:
            out, final = self._module(to_library(x), tuple(state) if len(state) > 1 else state[0])
            outs.append(out)
            state = [array.detach() for array in (final if len(state) > 1 else (final,))]
        logits = self._linear(torch.cat(outs)).flatten(0, 1)[to_library(places)]
        if self._classes:
            loss = cross_entropy(logits, to_library(targets.astype(np.int64)))
        else:
            loss = mse_loss(logits, to_library(targets).to(logits.dtype))
        self._optimizer.zero_grad()
        loss.backward()
        gradients = {name: _copied(tensor.grad) for name, tensor in self._tensors.items()}
        return float(loss.detach()), to_numpy(logits.detach()), [to_numpy(array) for array in state], gradients

    def update(self) -> tuple[Arrays, Arrays, Arrays]:
        if self._task.training.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._tensors.values(), self._task.training.clip_norm)
        self._optimizer.step()
        first = _MOMENTUM if self._task.training.optimizer == "sgd" else _MOMENTS[1]
        parameters = {name: array.copy() for name, array in self._arrays.items()}
        return parameters, self._kept(first), self._kept(_MOMENTS[2])

    def _set_parameters(self, parameters: Mapping[str, FloatArray]) -> None:
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(to_library(parameters[name]))

    def recall(self, memory: LearnerMemory) -> None:
        super().recall(memory)
        self._set_parameters(self.parameters)
        optimizer, states = memory.optimizer, dict[int, dict[str, torch.Tensor]]()
        for place, name in enumerate(self._tensors):
            if name in optimizer.second:
                step = torch.tensor(float(optimizer.count))
                moments = optimizer.velocity[name], optimizer.second[name]
                states[place] = dict(zip(_MOMENTS, (step, *map(_owned, moments)), strict=True))
            elif name in optimizer.velocity:
                states[place] = {_MOMENTUM: _owned(optimizer.velocity[name])}
        # The groups have the learning rate, which may be another one now.
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": states})

    def _kept(self, key: str) -> Arrays:
        kept = {name: self._optimizer.state.get(tensor, {}).get(key) for name, tensor in self._tensors.items()}
        return {name: _copied(tensor) for name, tensor in kept.items() if tensor is not None}


def _owned(array: FloatArray) -> torch.Tensor:
    """A tensor that the optimizer may write to."""
    return to_library(array).clone()


def _copied(tensor: torch.Tensor) -> FloatArray:
    """The present values of a tensor that is written again."""
    return to_numpy(tensor.clone())
