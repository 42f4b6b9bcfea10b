"""The dense layer behind the top layer, where code returns only its result: head = activation(out Wᵀ + b)."""

from collections.abc import Sequence

import numpy as np

from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.core.config import SOFTMAX
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import clear_padding
from rnnviz.frozen import dataclass

HEAD = "head"
"""The name of the result (T, N, K) in a trace."""

_BLOCK_VALUES = 1 << 20


def _softmax(values: FloatArray) -> FloatArray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Head:
    """The weight (K, D·H), the bias (K,), and the name of the activation."""

    weight: FloatArray
    bias: FloatArray
    activation: str

    @property
    def size(self) -> int:
        """Number of results of each time step, K."""
        return len(self.bias)

    def of(self, output: FloatArray, lengths: Sequence[int]) -> FloatArray:
        """The result (T, N, K) for the output (T, N, D·H), computed in float64; 0 in padding."""
        found = np.empty((*output.shape[:2], self.size), output.dtype)
        weight, bias = self.weight.T.astype(np.float64), self.bias.astype(np.float64)
        activate = _softmax if self.activation == SOFTMAX else ACTIVATIONS[self.activation].values
        steps = max(1, _BLOCK_VALUES // (output.shape[1] * max(weight.shape)))
        with np.errstate(all="ignore"):
            for start in range(0, len(output), steps):
                times = slice(start, start + steps)
                found[times] = activate(output[times].astype(np.float64) @ weight + bias)
        clear_padding(tuple(lengths), found)
        return found
