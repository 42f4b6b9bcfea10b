"""A user's `step(x, state, p)` and `backward(x, state, p, d_state)`, called step by step in the process of the file."""

import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, TypeAlias, TypeVar

import numpy as np

from rnnviz.cells import CellError
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.numpy_program import listing
from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.core.words import unreadable
from rnnviz.engines.backward import BackwardTask, BlockGradients
from rnnviz.engines.base import LayerTask, Progress
from rnnviz.engines.custom_code.cell_file import load_cell

_MODULE = "__recurrence__"
"""Module name under which the user's file is imported; unlikely to be in use."""

_LONGEST_TEXT = 500

Returned = TypeVar("Returned")

Arrays: TypeAlias = dict[str, FloatArray]

AddLine: TypeAlias = Callable[[str, int], FloatArray]
"""Create the array (L, D, T, N, U) of a returned line, or of its gradient, from its name and U."""


class CustomCodeError(Exception):
    """The user's code cannot be run; the text is one sentence that names the file and the line."""


def read_cell(path: Path, watched: AbstractContextManager[object]) -> tuple[str, str]:
    """The cell that a file declares as JSON, and the listing of its program, or a CustomCodeError if it declares none;
    the file's code runs inside of `watched`."""
    with watched:
        try:
            cell = load_cell(path)
            return cell_to_json(cell), listing(cell)
        except OSError as error:
            raise CustomCodeError(str(unreadable(path, error))) from error
        except CellError as error:
            at = str(path) if error.line is None else f"{path}, line {error.line}"
            raise CustomCodeError(f"{at}: {error}") from error
        except BaseException as error:
            raise CustomCodeError(f"{path}: {_cause(error)}.") from error


class UserFunction:
    """One function of a file; arrays that it returns besides the ones that each call needs are stored in the arrays of
    `add_line`. Whatever may run the user's code is done inside of `watched`, so that a watchdog knows when it began:
    calls of the function, and methods of objects that it returns or raises."""

    name: str
    arguments: str
    line: str
    """The noun for these arrays, for an error."""

    def __init__(
        self, path: Path, watched: AbstractContextManager[object] | None = None, add_line: AddLine | None = None
    ) -> None:
        """Run the file once and take its function; raises a CustomCodeError if that fails."""
        self._path = path
        self._definition = str(path)
        """The file and, once it is known, the line where the function is defined."""
        self._watched = nullcontext() if watched is None else watched
        self._add_line = add_line
        self._lines: dict[str, FloatArray | None] | None = None
        """The arrays of the returned lines by name; None before the first call."""
        module = ModuleType(_MODULE)
        module.__file__ = str(path)
        # Dataclasses and pickle look a class's module up by its name.
        sys.modules[_MODULE] = module
        self._function: Any = self._guarded(lambda: self._loaded(module))

    def _loaded(self, module: ModuleType) -> object:
        try:
            code = compile(self._path.read_bytes(), str(self._path), "exec")
        except OSError as error:
            raise CustomCodeError(str(unreadable(self._path, error))) from error
        except SyntaxError as error:
            # Of null bytes, Python tells no line.
            at = f"{self._path}, line {error.lineno}" if error.lineno else str(self._path)
            raise CustomCodeError(f"{at}: {type(error).__name__}: {error.msg}.") from error
        exec(code, vars(module))  # noqa: S102 - it is what they asked for
        function = getattr(module, self.name, None)
        if not callable(function):
            raise CustomCodeError(
                f"{self._path} does not define {self.name}({self.arguments}), the function of a custom step."
            )
        if isinstance(defined := getattr(function, "__code__", None), CodeType):
            self._definition = f"{self._path}, line {defined.co_firstlineno}"
        return function

    def _tuple(self, value: object, counts: Collection[int], wanted: str, where: str, name: str = "") -> Sequence[Any]:
        """A returned tuple or list of one of some lengths."""
        if not isinstance(value, tuple | list) or len(value) not in counts:
            of = f" for {name}" if name else ""
            raise self._unfit(f"returned {_described(value)}{of} at {where}, but it must {wanted}")
        return value

    def _array(self, value: object, name: str, like: FloatArray, where: str) -> FloatArray:
        """A returned value as an array of the shape and dtype of `like`."""
        array = np.asarray(value)
        if array.dtype.kind not in "biufO":
            raise self._unfit(f"returned {name} of {array.dtype} at {where}, but it must hold real numbers")
        try:
            with np.errstate(over="ignore"):
                converted: FloatArray = array.astype(like.dtype)
        except (TypeError, ValueError):
            raise self._unfit(
                f"returned {_described(value)} for {name} at {where}, but it must be an array of numbers"
            ) from None
        if converted.shape != like.shape:
            raise self._unfit(f"returned {name} of the shape {converted.shape} at {where}, but it must be {like.shape}")
        return converted

    def _further(self, lines: Mapping[Any, Any], known: Mapping[str, FloatArray], where: str) -> Arrays:
        """The returned lines by name, which must be known, and the same in every call; each (S, U) as in `known`."""
        for name in lines:
            if type(name) is not str or name not in known:
                named = f"{name:.{_LONGEST_TEXT}}" if type(name) is str else _described(name)
                has = (
                    f"the cell has {', '.join(known)}" if known else f"the cell has no {self.line}s besides its states"
                )
                raise self._unfit(f"returned the {self.line} {named} at {where}, but {has}")
        if self._lines is not None and lines.keys() != self._lines.keys():
            raise self._unfit(f"returned other {self.line}s at {where} than in its first call")
        return {name: self._array(lines[name], name, like, where) for name, like in known.items() if name in lines}

    def _store(self, at: tuple[Any, ...], lines: Arrays) -> None:
        """Store the returned lines (S, U) of a lane and a time step, for which the first call makes room."""
        if self._lines is None:
            add = self._add_line
            try:
                self._lines = {name: add(name, array.shape[1]) if add else None for name, array in lines.items()}
            except OSError as error:
                raise CustomCodeError(
                    f"{self._definition}: the returned {self.line}s cannot be stored: {error.strerror}."
                ) from error
        for name, series in self._lines.items():
            if series is not None:
                series[at] = lines[name]

    def _unfit(self, what: str) -> CustomCodeError:
        return CustomCodeError(f"{self._definition}: {self.name} {what}.")

    def _guarded(self, call: Callable[[], Returned], where: str = "") -> Returned:
        """Run code of the user's; whatever it raises becomes a sentence, which says `where` in the sequence."""
        with self._watched:
            try:
                return call()
            except BaseException as error:
                if type(error) is CustomCodeError:
                    raise
                raise CustomCodeError(f"{self._at(sys.exc_info()[2])}{where}: {_cause(error)}.") from error

    def _at(self, trace: TracebackType | None) -> str:
        """The file and the last line of it that was being run."""
        lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == str(self._path)]
        return f"{self._path}, line {lines[-1]}" if lines else self._definition


class CustomStep(UserFunction):
    """The `step` of one file."""

    name, arguments, line = "step", "x, state, p", "line"

    def run_layer(self, task: LayerTask, progress: Progress) -> Arrays:
        state = {name: np.array(array) for name, array in task.state.items()}
        for done, t in enumerate(task.timesteps, start=1):
            where = f"{DIRECTIONS[task.backward]}, t = {task.start + t}"
            state, lines = self._guarded(partial(self._next, task, task.x[t], state, where), f" at {where}")
            for name, series in task.series.items():
                series[t] = state[name]
            self._store((*task.lane, task.start + t, task.samples), lines)
            progress(done / len(task.x))
        return state

    def _next(self, task: LayerTask, x: FloatArray, state: Arrays, where: str) -> tuple[Arrays, Arrays]:
        """The state and the lines that the user's step returns, in the network's dtype."""
        # The user may write into what they are given.
        returned = self._function(x.copy(), tuple(array.copy() for array in state.values()), task.parameters)
        lines: Mapping[Any, Any] = {}
        if isinstance(returned, tuple | list) and len(returned) == len(state) + 1 and isinstance(returned[-1], dict):
            returned, lines = returned[:-1], dict(returned[-1])
        values = self._tuple(returned, (len(state),), f"return the tuple {_tuple_of(state)}", where)
        following = {
            name: self._array(value, name, array, where)
            for (name, array), value in zip(state.items(), values, strict=True)
        }
        return following, self._further(lines, self._known(task, state), where) if lines or self._lines else {}

    def _known(self, task: LayerTask, state: Arrays) -> Arrays:
        """The lines of the cell besides its states, (S, U) each."""
        samples, projected = state["h"].shape
        units = {"H": len(task.parameters.i2h_bias) // len(task.cell.gates), "P": projected}
        nodes = {name: node for name, node in graph_of(task.cell).values.items() if name not in state}
        return {name: np.empty((samples, units[node.shape[0]]), task.x.dtype) for name, node in nodes.items()}


class CustomBackward(UserFunction):
    """The `backward` of one file, as a `BackwardLayer`; lines are gradients of pre-activations, and of states other
    than h."""

    name, arguments, line = "backward", "x, state, p, d_state", "gradient"

    def advance(self, task: BackwardTask) -> Arrays:
        raise AssertionError("the trace of a custom step has every state")

    def gradients(self, task: BackwardTask) -> BlockGradients:
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
            self._store((*task.lane, steps[b], task.samples), lines)
            if task.cuts[b]:
                d_state = {s: np.zeros_like(array) for s, array in d_state.items()}
        return BlockGradients({"h": of_h}, of_x, d_state, sums)

    def _previous(
        self, task: BackwardTask, x: FloatArray, state: Mapping[str, FloatArray], d_state: Arrays, where: str
    ) -> tuple[FloatArray, Arrays, Arrays, Arrays]:
        """The gradients of x, of the previous state, of the parameters, and of lines, in the network's dtype."""
        given = [tuple(np.array(array) for array in arrays.values()) for arrays in (state, d_state)]
        wanted = "return (d_x, d_state, d_p), and may return a dict of further gradients after them"
        returned = self._function(np.array(x), given[0], task.parameters, given[1])
        d_x, before, d_p, *further = self._tuple(returned, (3, 4), wanted, where)
        names = [f"d_{s}" for s in state]
        before = self._tuple(before, (len(state),), f"be the tuple {_tuple_of(names)}", where, "d_state")
        found, parameters = self._dict(d_p, "d_p", where), vars(task.parameters)
        if found.keys() != parameters.keys():
            raise self._unfit(
                f"returned gradients of {', '.join(map(str, found)) or 'no parameters'} at {where}, but d_p must have "
                f"{', '.join(parameters)}"
            )
        return (
            self._array(d_x, "d_x", x, where),
            {s: self._array(d, f"d_{s}", state[s], where) for s, d in zip(state, before, strict=True)},
            {name: self._array(found[name], f"d_p of {name}", array, where) for name, array in parameters.items()},
            self._further(self._dict(further[0], "lines", where) if further else {}, self._known(task), where),
        )

    def _dict(self, value: object, name: str, where: str) -> dict[Any, Any]:
        """A returned dict, or the attributes of an object such as `p`."""
        found = value if isinstance(value, dict) else getattr(value, "__dict__", None)
        if not isinstance(found, dict):
            raise self._unfit(f"returned {_described(value)} for {name} at {where}, but it must be a dict")
        return dict(found)

    def _known(self, task: BackwardTask) -> Mapping[str, FloatArray]:
        """The pre-activations, and the states other than h, (S, U) each."""
        hidden = len(task.parameters.i2h_bias) // task.cell.gate_count
        gates = {gate: np.empty((len(task.x[0]), hidden), task.x.dtype) for gate in task.cell.gate_symbols}
        return {name: array for name, array in (gates | dict(task.state)).items() if name != "h"}


def _tuple_of(names: Collection[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _cause(error: BaseException) -> str:
    """The error's type and its text, in one line; both may be the user's code as well."""
    if isinstance(error, SystemExit):
        return "the custom step called sys.exit, which would end the run"
    name, text = BaseException.__name__, ""
    with suppress(BaseException):
        name = str(type(error).__name__)
        text = " ".join(str(error).split())
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]} ..."
    return f"{name}: {text}".removesuffix(": ").removesuffix(".")


def _described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of the shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"{len(value)} value{'' if len(value) == 1 else 's'}"
    return f"a value of the type {type(value).__name__}"
