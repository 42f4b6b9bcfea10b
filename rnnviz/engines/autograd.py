"""Gradients of some time steps of a lane by a library's automatic differentiation.

Two graphs give them. In the first one each step reads the state of the step before it, as in the forward pass, so that
the library carries the gradients of the states from step to step. There a probe is added to each new state: a leaf,
whose gradient is that of the state, and whose value is the difference of the stored state from this one. In the second
one the steps do not depend on each other: all of them are samples of one step, from the stored states before them. It
gives the gradients of the layer input, of the parameters and of the pre-activations, each by few large products.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from rnnviz.cells.interpreters.arrays import ArrayLayer, Library, leaf_of_parts, values_of_parts
from rnnviz.cells.interpreters.graph import Node, evaluate, trace
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.backward import Arrays, BackwardTask, BlockGradients

LONGEST = 1024
"""The most time steps of a block: each step of a graph has many small arrays."""


class Autograd(ABC):
    """The automatic differentiation of a library."""

    library: Library
    """The functions of its arrays."""

    @abstractmethod
    def constant(self, array: FloatArray) -> Any:
        """An array of the library, of which no gradient is asked for."""

    @abstractmethod
    def leaf(self, array: FloatArray) -> Any:
        """An array of the library, of which a gradient is asked for."""

    @abstractmethod
    def numbers(self, array: Any) -> FloatArray:
        """The array of the library as one of NumPy."""

    @abstractmethod
    def detached(self, array: Any) -> Any:
        """The same values, through which no gradient passes."""

    @abstractmethod
    def recording(self) -> AbstractContextManager[object]:
        """Within it, operations are recorded for gradients."""

    @abstractmethod
    def gradients(self, outputs: Sequence[Any], of_outputs: Sequence[FloatArray], leaves: Sequence[Any]) -> list[Any]:
        """The gradients of the leaves from those of the outputs, as arrays of NumPy."""


class StepGraph(ABC):
    """The steps of a block, as operations of a library."""

    @abstractmethod
    def step(self, b: int, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The states after step b by symbol, from those before it."""

    @abstractmethod
    def gradients(self, before: Arrays, of_states: Arrays) -> tuple[Arrays, FloatArray, Arrays]:
        """The gradients of all steps as samples of one step.

        `before` is (B·S, U); `of_states` is (B·S, U). Returns mapping of str to ndarray: (B·S, U) by symbol: the
        gradients of the states and of the pre-activations, as far as they are known. Returns an array (B·S, I): that of
        the layer input.
        """


class AutogradLayer:
    """A `BackwardLayer` by a library's automatic differentiation."""

    def __init__(self, autograd: Autograd) -> None:
        self._autograd = autograd

    def graph(self, task: BackwardTask) -> StepGraph:
        """The steps of a task: the lines of the cell, unless a library has a layer that computes it."""
        return CellGraph(self._autograd, task)

    def advance(self, task: BackwardTask) -> Arrays:
        """See `BackwardLayer.advance`."""
        graph, library = self.graph(task), self._autograd
        state = {s: library.constant(array) for s, array in task.state.items()}
        for b in range(len(task.x)):
            state = dict(graph.step(b, state))
            state |= {s: library.constant(array[b]) for s, array in task.states.items()}
        return {s: library.numbers(array) for s, array in state.items()}

    def gradients(self, task: BackwardTask) -> BlockGradients:
        """See `BackwardLayer.gradients`."""
        graph, library = self.graph(task), self._autograd
        after: dict[str, list[FloatArray]] = {s: [] for s in task.state}
        probes: list[Any] = []
        outputs: list[Any] = []
        of_outputs: list[FloatArray] = []
        with library.recording():
            start = {s: library.leaf(array) for s, array in task.state.items()}
            state: dict[str, Any] = start
            for b, cut in enumerate(task.cuts):
                if cut:
                    state = {s: library.detached(array) for s, array in state.items()}
                new = graph.step(b, state)
                for s in state:
                    computed = np.broadcast_to(library.numbers(new[s]), task.state[s].shape)
                    stored = task.states[s][b] if s in task.states else computed
                    probes.append(library.leaf(_difference(stored, computed)))
                    state = {**state, s: new[s] + probes[-1]}
                    after[s].append(stored)
                outputs.append(state["h"])
                of_outputs.append(task.direct[b])
            # MXNet reads only one gradient of an output.
            of_outputs[-1] = of_outputs[-1] + task.final["h"]
            outputs += [array for s, array in state.items() if s != "h"]
            of_outputs += [task.final[s] for s in state if s != "h"]
        found = library.gradients(outputs, of_outputs, [*start.values(), *probes])
        symbols, steps, samples = tuple(task.state), *task.x.shape[:2]
        of_start, of_probes = found[: len(symbols)], found[len(symbols) :]
        of_states = {s: np.concatenate(of_probes[place :: len(symbols)]) for place, s in enumerate(symbols)}
        before = {s: np.concatenate([task.state[s], *after[s][:-1]]) for s in symbols}
        over_time, of_x, of_parameters = graph.gradients(before, of_states)
        return BlockGradients(
            over_time={s: array.reshape(steps, samples, -1) for s, array in over_time.items()},
            x=of_x.reshape(task.x.shape),
            state=dict(zip(symbols, of_start, strict=True)),
            parameters=of_parameters,
        )


def _difference(stored: FloatArray, computed: FloatArray) -> FloatArray:
    """The stored state less the computed one, 0 where both are the same infinity."""
    with np.errstate(all="ignore"):
        return np.subtract(stored, computed, out=np.zeros_like(stored), where=stored != computed)


class CellGraph(StepGraph):
    """The lines of a cell on the arrays of a library."""

    def __init__(self, autograd: Autograd, task: BackwardTask) -> None:
        self._autograd, self._task = autograd, task
        self._p = {name: autograd.constant(array) for name, array in vars(task.parameters).items()}
        steps, samples, features = task.x.shape
        self._x = np.ascontiguousarray(task.x).reshape(-1, features)
        parts = self._part("i2h", self._p, autograd.constant(self._x))
        self._u = {gate: array.reshape(steps, samples, -1) for gate, array in parts.items()}

    def _part(self, kind: str, p: Mapping[str, Any], read: Any) -> dict[str, Any]:
        """The input parts "i2h" or the recurrent parts "h2h" of each gate, (S, H)."""
        gates = self._task.cell.gate_symbols if kind == "i2h" else self._task.cell.recurrent_gates
        if not gates:
            return {}
        rows = self._autograd.library.product(read, p[f"{kind}_weight"]) + p[f"{kind}_bias"]
        size = rows.shape[1] // len(gates)
        return {gate: rows[:, k * size : (k + 1) * size] for k, gate in enumerate(gates)}

    def step(self, b: int, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `StepGraph.step`."""
        u, v = {gate: array[b] for gate, array in self._u.items()}, self._part("h2h", self._p, state["h"])
        values = values_of_parts(self._task.cell, self._p, u, v, state, self._autograd.library)
        return {s: values[s] for s in state}

    def gradients(self, before: Arrays, of_states: Arrays) -> tuple[Arrays, FloatArray, Arrays]:
        """See `StepGraph.gradients`."""
        library, cell = self._autograd, self._task.cell
        values = trace(cell).values
        # Of states that are the same value, the first one has the whole gradient.
        symbols = {values[s]: s for s in reversed(list(of_states))}
        probes: dict[str, Any] = {}

        def probed(name: str, array: Any) -> Any:
            # A value of parameters alone is there once for all samples.
            probes[name] = library.leaf(np.zeros((len(self._x), array.shape[-1]), self._x.dtype))
            return array + probes[name]

        with library.recording():
            p = {name: library.leaf(array) for name, array in vars(self._task.parameters).items()}
            x, state = library.leaf(self._x), {s: library.constant(array) for s, array in before.items()}
            u = {gate: probed(f"u.{gate}", part) for gate, part in self._part("i2h", p, x).items()}
            v = self._part("h2h", p, state["h"])
            layer = ArrayLayer.of(cell, p, library.library)

            def apply(node: Node, args: Sequence[Any]) -> Any:
                value = layer.apply(node, args)
                return probed(symbols[node], value) if node in symbols else value

            found = evaluate(list(values.values()), leaf_of_parts(p, u, v, state), apply)
        wanted = [x, *p.values(), *probes.values()]
        of_nodes: dict[Node, FloatArray] = {}
        for s, array in of_states.items():
            of_nodes[values[s]] = of_nodes[values[s]] + array if values[s] in of_nodes else array
        # A state that a step only hands on contributes nothing to a parameter.
        given = {node: array for node, array in of_nodes.items() if node.op != "state"}
        with library.recording():
            # A state may be a parameter, which is there once for all samples, and may depend on no leaf.
            outputs = [found[node] + library.leaf(np.zeros_like(array)) for node, array in given.items()]
        arrays = library.gradients(outputs, list(given.values()), wanted)
        of_x, of_p = arrays[0], dict(zip(p, arrays[1:], strict=False))
        of_probes = dict(zip(probes, arrays[1 + len(p) :], strict=True))
        over_time = {gate: of_probes[f"u.{gate}"] for gate in cell.gate_symbols}
        totals = {s: of_nodes[node] for node, s in symbols.items()}
        return over_time | {s: of_probes.get(s, totals.get(s, array)) for s, array in of_states.items()}, of_x, of_p
