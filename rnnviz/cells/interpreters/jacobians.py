"""Jacobians of a cell's steps: products with vectors in both directions, their spectral norms, and that of a product.

The Jacobian J of a step has the new state in its rows and the previous state in its columns. Products with J and with
its transpose need the step's partial derivatives and its weight matrices only, and are computed for many time steps at
once. The largest singular value of a large J is found by Golub-Kahan-Lanczos bidiagonalization (Golub and Van Loan,
"Matrix Computations", 2013, section 10.4), a power iteration that keeps what it has met before.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, leaf_of_step, product_weight
from rnnviz.cells.interpreters.backward_graph import SharedNode, backward_graph
from rnnviz.cells.interpreters.graph import LEAVES, Node, evaluate, trace

Floats: TypeAlias = NDArray[np.float64]
Vectors: TypeAlias = dict[str, Floats]
"""One vector for each state by name, (..., B, H) or (..., B, P)."""

EXACT_UP_TO = 64
"""Largest number of states and units of a Jacobian whose singular values are all computed."""
_MOST_PRODUCTS, _FIRST_PRODUCTS, _CLOSE = 40, 8, 1e-4


class StepJacobians:
    """The Jacobians of B steps of one layer, each of one time step or sample, in float64."""

    def __init__(
        self, cell: CellSpec, parameters: Mapping[str, Floats], x: Floats, before: Mapping[str, Floats]
    ) -> None:
        """Prepare the partial derivatives. `x` is (B, I); `before` is (B, H)."""
        self.cell, self._graph, self.steps = cell, trace(cell), len(x)
        self._layer, self._parameters = ArrayLayer.of(cell, parameters), parameters
        self.sizes = {symbol: array.shape[-1] for symbol, array in before.items()}
        self._shared = backward_graph(self._graph).shared
        derivatives = [derivative for shared in self._shared for derivative in shared.partial.values()]
        with np.errstate(all="ignore"):
            self._value = evaluate(derivatives, leaf_of_step(cell, parameters, x, before), self._layer.apply)

    def transposed(self, d: Mapping[str, Floats], at: slice = slice(None)) -> Vectors:
        """Jᵀ d: what the gradients of the new state contribute to the previous state."""
        found: dict[Node, Any] = {}
        for shared in self._shared:
            given = [d[symbol] for symbol in shared.symbols if symbol in d]
            total: Any = sum(given, found.pop(shared.node, 0.0))
            if np.ndim(total) == 0:
                continue
            vector = total @ self._weight(shared) if shared.is_product else total
            for node, derivative in shared.partial.items():
                found[node] = found.get(node, 0.0) + self._at(self._value[derivative], at) * vector
        first = self.cell.state_symbols[0]
        before = dict.fromkeys(self.sizes, 0.0) | {n: found.get(node, 0.0) for n, node in self._states.items()}
        for node, gradient in found.items():
            if node.op == "v":
                before[first] = before[first] + gradient @ self._layer.weights[node.name]
        example = next(iter(d.values()))
        return {
            name: array if np.ndim(array) else np.zeros((*example.shape[:-1], self.sizes[name]))
            for name, array in before.items()
        }

    def times(self, change: Mapping[str, Floats]) -> Vectors:
        """J v: how the new state changes with the previous state."""
        found: dict[Node, Any] = {self._states[name]: a for name, a in change.items() if name in self._states}
        first = self.cell.state_symbols[0]
        if first in change:
            for node in self._graph.nodes:
                if node.op == "v":
                    found[node] = change[first] @ self._layer.weights[node.name].T
        for shared in reversed(self._shared):
            if shared.node.op in LEAVES:
                continue
            total: Any = sum(self._value[d] * found[node] for node, d in shared.partial.items() if node in found)
            if np.ndim(total):
                found[shared.node] = total @ self._weight(shared).T if shared.is_product else total
        example = next(iter(change.values()))
        return {
            name: found.get(self._graph.values[name], np.zeros((*example.shape[:-1], size)))
            for name, size in self.sizes.items()
        }

    def matrices(self, symbols: Sequence[str]) -> Floats:
        """The Jacobians of some states with respect to the same states, (B, S, S); S is their size in all."""
        size = sum(self.sizes[symbol] for symbol in symbols)
        rows = np.broadcast_to(np.eye(size)[:, np.newaxis], (size, self.steps, size))
        return np.moveaxis(self._joined(self.transposed(self._split(rows, symbols)), symbols), 0, 1)

    def spectral_norms(self, symbols: Sequence[str], check: Callable[[], None] = lambda: None) -> Floats:
        """The largest singular value of each step's Jacobian (B,) of some states; of a large one up to 0.1% less."""
        with np.errstate(all="ignore"):
            if sum(self.sizes[symbol] for symbol in symbols) <= EXACT_UP_TO:
                return largest_singular_values(self.matrices(symbols))
            return self._lanczos(symbols, check)

    def _lanczos(self, symbols: Sequence[str], check: Callable[[], None]) -> Floats:
        size = sum(self.sizes[symbol] for symbol in symbols)
        right = np.random.default_rng(0).normal(size=(self.steps, size))
        right /= np.linalg.norm(right, axis=-1, keepdims=True)
        left, beta = np.zeros_like(right), np.zeros(self.steps)
        alphas: list[Floats] = []
        betas: list[Floats] = []
        found = np.zeros(self.steps)
        for k in range(1, _MOST_PRODUCTS + 1):
            check()
            left = self._joined(self.times(self._split(right, symbols)), symbols) - beta[:, np.newaxis] * left
            alpha, left = _normalized(left)
            right = self._joined(self.transposed(self._split(left, symbols)), symbols) - alpha[:, np.newaxis] * right
            beta, right = _normalized(right)
            alphas.append(alpha)
            betas.append(beta)
            if k >= _FIRST_PRODUCTS and k % 4 == 0:
                before, found = found, _bidiagonal_norms(alphas, betas)
                if (np.abs(found - before) <= _CLOSE * found).all():
                    break
        return found

    def _split(self, rows: Floats, symbols: Sequence[str]) -> Vectors:
        starts = np.cumsum([0, *(self.sizes[symbol] for symbol in symbols)])
        return {symbol: rows[..., starts[k] : starts[k + 1]] for k, symbol in enumerate(symbols)}

    def _joined(self, vectors: Vectors, symbols: Sequence[str]) -> Floats:
        return np.concatenate([vectors[symbol] for symbol in symbols], axis=-1)

    def _weight(self, shared: SharedNode) -> Floats:
        weight: Floats = product_weight(shared.node, self._layer.weights, self._parameters)
        return weight

    def _at(self, factor: Any, at: slice) -> Any:
        """The factor of some steps. One of parameters is the same for all."""
        return factor[at] if np.ndim(factor) == 2 else factor

    @cached_property
    def _states(self) -> dict[str, Node]:
        """The previous states that the step reads by itself."""
        return {node.name: node for node in self._graph.nodes if node.op == "state"}


def largest_singular_values(matrices: Floats) -> Floats:
    """The largest singular value of each of some matrices, (B, S, S) gives (B,); NaN where one is not finite."""
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    found = np.full(len(matrices), np.nan)
    if finite.any():
        found[finite] = np.linalg.svd(matrices[finite], compute_uv=False)[:, 0]
    return found


def _normalized(rows: Floats) -> tuple[Floats, Floats]:
    lengths = np.linalg.norm(rows, axis=-1)
    return lengths, rows / np.where(lengths > 0.0, lengths, 1.0)[:, np.newaxis]


def _bidiagonal_norms(alphas: Sequence[Floats], betas: Sequence[Floats]) -> Floats:
    """The largest singular value of each upper bidiagonal matrix with these diagonals."""
    size = len(alphas)
    matrices = np.zeros((len(alphas[0]), size, size + 1))
    places = np.arange(size)
    matrices[:, places, places] = np.array(alphas).T
    matrices[:, places, places + 1] = np.array(betas).T
    return largest_singular_values(matrices)
