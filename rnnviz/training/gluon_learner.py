"""Training by Gluon: its layers, autograd and Trainer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

# It prepares what the import of MXNet needs.
from rnnviz.engines.gluon import FUSED_AUTOGRAD, gluon_block, to_numpy

# isort: split
import mxnet as mx
import numpy as np
from mxnet import gluon
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.training.learner import Arrays, LearnerMemory, LibraryLearner
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, in_float32
from rnnviz.training.task import TrainingTask


class GluonLearner(LibraryLearner):
    """gluon.rnn.LSTM, GRU or RNN with gluon.nn.Dense, trained by gluon.Trainer."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        super().__init__(task, parameters, classes=classes)
        network, training = task.network, task.training
        self._library = FUSED_AUTOGRAD
        self._block = gluon_block(network, network.input_size, network.num_layers, "TNC")
        outputs, width = parameters[LINEAR_WEIGHT].shape
        self._dense = gluon.nn.Dense(outputs, flatten=False, in_units=width, dtype=network.dtype)
        self._dense.initialize()
        self._parameters = {name: getattr(self._block, name) for name in network.parameter_shapes()}
        self._parameters |= {LINEAR_WEIGHT: self._dense.weight, LINEAR_BIAS: self._dense.bias}
        self._set_parameters(parameters)
        options = {"learning_rate": training.learning_rate}
        if training.optimizer == "sgd":
            options["momentum"] = training.momentum
        self._trainer = gluon.Trainer([*self._parameters.values()], training.optimizer, options)

    def backward(
        self, xs: list[FloatArray], states: list[FloatArray], places: NDArray[np.int64], targets: NDArray[np.generic]
    ) -> tuple[float, FloatArray, list[FloatArray], Arrays]:
        # In float64 MXNet's gradients of lower layers are 0 unless the gradients of the input are asked for.
        leaves, state, outs = [*map(self._library.leaf, xs)], [*map(self._library.constant, states)], []
        counted, values = (mx.nd.array(array, dtype=array.dtype) for array in (places, targets))
        with self._library.recording():
            for x in leaves:
                out, state = self._block(x, state)
                outs.append(out)
                state = [array.detach() for array in state]
            logits = self._dense(mx.nd.concat(*outs, dim=0)).reshape((-3, 0)).take(counted)
            if self._classes:
                loss = gluon.loss.SoftmaxCrossEntropyLoss()(logits, values).mean()
            else:
                # Gluon's loss is half of the squared error.
                loss = gluon.loss.L2Loss(weight=2.0)(logits, values.astype(logits.dtype)).mean()
        loss.backward()
        gradients = {name: to_numpy(parameter.grad()) for name, parameter in self._parameters.items()}
        return float(loss.asscalar()), to_numpy(logits), [to_numpy(array) for array in state], gradients

    def update(self) -> tuple[Arrays, Arrays, Arrays]:
        limit = self._task.training.clip_norm
        gradients = [parameter.grad() for parameter in self._parameters.values()]
        if limit > 0 and self._task.network.dtype == "float32":
            gluon.utils.clip_global_norm(gradients, limit, check_isfinite=False)
        elif limit > 0:
            # Gluon's function refuses float64.
            norm = mx.nd.add_n(*(array.square().sum() for array in gradients)).sqrt()
            for array in gradients:
                array *= mx.nd.minimum(limit / (norm + 1e-8), 1.0)
        self._trainer.step(1)
        return {name: to_numpy(parameter.data()) for name, parameter in self._parameters.items()}, *self._moments()

    def _set_parameters(self, parameters: Mapping[str, FloatArray]) -> None:
        for name, parameter in self._parameters.items():
            parameter.set_data(self._library.constant(parameters[name]))

    def memory(self) -> LearnerMemory:
        sgd = self._task.training.optimizer == "sgd"
        momentum = {name: to_numpy(array) for name, array in self._kept().items() if array is not None} if sgd else {}
        return replace(super().memory(), momentum=momentum)

    def recall(self, memory: LearnerMemory) -> None:
        super().recall(memory)
        self._set_parameters(self.parameters)
        # `Trainer.load_states` reads a file, and the learning rate with it, which may be another one now.
        states: dict[int, Any] = {}
        for place, name in enumerate(self._parameters) if memory.optimizer.count else ():
            if self._task.training.optimizer == "sgd":
                states[place] = self._library.constant(memory.momentum[name]) if name in memory.momentum else None
            else:
                moments = memory.optimizer.velocity[name], memory.optimizer.second[name]
                states[place] = tuple(map(self._library.constant, moments))
        updater = self._trainer._updaters[0]
        updater.states, updater.states_synced = states, dict.fromkeys(states, False)
        optimizer, count = self._trainer._optimizer, self.optimizer.count
        optimizer.begin_num_update = optimizer.num_update = count
        optimizer._index_update_count = dict.fromkeys(range(len(self._parameters)), count)

    def _kept(self) -> dict[str, Any]:
        """The state of the optimizer by parameter: None, an array, or two."""
        # The Trainer has no public way to read it but a file.
        states: Mapping[int, Any] = self._trainer._updaters[0].states
        return {name: states[place] for place, name in enumerate(self._parameters) if place in states}

    def _moments(self) -> tuple[Arrays, Arrays]:
        kept = self._kept()
        if self._task.training.optimizer == "sgd":
            # MXNet's momentum has the learning rate in it.
            rate = -in_float32(self._task.training.learning_rate)
            return {name: to_numpy(array) / rate for name, array in kept.items() if array is not None}, {}
        first, second = ({name: to_numpy(arrays[k]) for name, arrays in kept.items()} for k in (0, 1))
        return first, second
