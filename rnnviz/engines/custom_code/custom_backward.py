"""The function `backward(x, state, p, d_state)` of a user's file: the gradients of one step, called step by step."""

import ast
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.engines.backward import BackwardTask, BlockGradients
from rnnviz.engines.custom_code.custom_step import AddLine, Arrays, UserFunction, described


def defines_backward(path: Path) -> bool:
    """Whether a file defines `backward` at its top level; no code of it runs."""
    with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        for statement in ast.parse(path.read_bytes()).body:
            match statement:
                case ast.FunctionDef(name="backward"):
                    return True
                case ast.Assign(targets=targets) if any(ast.unparse(target) == "backward" for target in targets):
                    return True
                case ast.ImportFrom(names=names) if any((n.asname or n.name) == "backward" for n in names):
                    return True
    return False


class CustomBackward(UserFunction):
    """The `backward` of one file, as a `BackwardLayer`.

    Lines are the gradients of pre-activations, and of states other than h, that it returns after those that each call
    needs. They are stored in the arrays (L, D, T, N, U) of `add_gradient(name, U)`.
    """

    name, arguments, lines = "backward", "x, state, p, d_state", "gradients"

    def __init__(
        self,
        path: Path,
        watched: AbstractContextManager[object] | None = None,
        add_gradient: AddLine | None = None,
    ) -> None:
        super().__init__(path, watched)
        self._add_gradient = add_gradient

    def advance(self, task: BackwardTask) -> Arrays:
        """See `BackwardLayer.advance`."""
        raise AssertionError("the trace of a custom step has every state")

    def gradients(self, task: BackwardTask) -> BlockGradients:
        """See `BackwardLayer.gradients`."""
        d_state = {s: np.array(array) for s, array in task.final.items()}
        of_h, of_x = np.empty_like(task.direct), np.empty_like(task.x)
        sums = {name: np.zeros(array.shape) for name, array in vars(task.parameters).items()}
        steps = range(task.times.start, task.times.stop)[:: -1 if task.backward else 1]
        for b in reversed(range(len(task.x))):
            where = f"{DIRECTIONS[task.backward]}, t = {steps[b]}"
            state = {s: array[b - 1] for s, array in task.states.items()} if b else task.state
            of_h[b] = d_state["h"] = d_state["h"] + task.direct[b]
            call = partial(self._previous, task, task.x[b], state, d_state, where)
            of_x[b], d_state, of_parameters, lines = self._guarded(call, f" at {where}")
            for name, array in of_parameters.items():
                sums[name] += array
            self._store((*task.lane, steps[b], task.samples), lines, self._add_gradient)
            if task.cuts[b]:
                d_state = {s: np.zeros_like(array) for s, array in d_state.items()}
        return BlockGradients({"h": of_h}, of_x, d_state, sums)

    def _previous(
        self, task: BackwardTask, x: FloatArray, state: Mapping[str, FloatArray], d_state: Arrays, where: str
    ) -> tuple[FloatArray, Arrays, Arrays, Arrays]:
        """The gradients of x, of the previous state, of the parameters, and of lines, in the network's dtype."""
        # The user may write into what they are given.
        given = [tuple(np.array(array) for array in arrays.values()) for arrays in (state, d_state)]
        returned = self._function(np.array(x), given[0], task.parameters, given[1])
        if not isinstance(returned, tuple | list) or len(returned) not in (3, 4):
            raise self._unfit(
                f"backward returned {described(returned)} at {where}, but it must return (d_x, d_state, d_p), and may "
                "return a dict of further gradients after them"
            )
        d_x, before, d_p, *further = returned
        if not isinstance(before, tuple | list) or len(before) != len(state):
            raise self._unfit(
                f"backward returned {described(before)} for d_state at {where}, but it must be the tuple "
                f"({', '.join(f'd_{s}' for s in state)}{',' if len(state) == 1 else ''})"
            )
        found, parameters = self._dict(d_p, "d_p", where), vars(task.parameters)
        if found.keys() != parameters.keys():
            raise self._unfit(
                f"backward returned gradients of {', '.join(map(str, found)) or 'no parameters'} at {where}, but d_p "
                f"must have {', '.join(parameters)}"
            )
        return (
            self._array(d_x, "d_x", x, where),
            {s: self._array(d, f"d_{s}", state[s], where) for s, d in zip(state, before, strict=True)},
            {name: self._array(found[name], f"d_p of {name}", array, where) for name, array in parameters.items()},
            self._lines_of(task, self._dict(further[0], "further gradients", where) if further else {}, where),
        )

    def _dict(self, value: object, name: str, where: str) -> dict[Any, Any]:
        """A returned dict, or the attributes of an object such as `p`."""
        found = value if isinstance(value, dict) else getattr(value, "__dict__", None)
        if not isinstance(found, dict):
            raise self._unfit(f"backward returned {described(value)} for {name} at {where}, but it must be a dict")
        return dict(found)

    def _lines_of(self, task: BackwardTask, lines: dict[Any, Any], where: str) -> Arrays:
        """The further gradients by name, which must be the same in every call."""
        samples, hidden = len(task.x[0]), len(task.parameters.i2h_bias) // task.cell.gate_count
        gates = {gate: np.empty((samples, hidden), task.x.dtype) for gate in task.cell.gate_symbols}
        known = {name: array for name, array in (gates | dict(task.state)).items() if name != "h"}
        for name in lines:
            if name not in known:
                has = f"the cell has {', '.join(known)}" if known else "the cell has none besides h"
                raise self._unfit(f"backward returned the gradient of {name!s:.100} at {where}, but {has}")
        if self._lines is not None and lines.keys() != self._lines.keys():
            raise self._unfit(f"backward returned other gradients at {where} than in its first call")
        return {name: self._array(lines[name], f"the gradient of {name}", known[name], where) for name in lines}
