"""A user's file: a custom step `step(x, state, p)`, called step by step, or a custom cell."""

import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, TypeAlias, TypeVar

import numpy as np

from rnnviz.cells import CellError
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.program_source import listing
from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.core.words import unreadable
from rnnviz.engines.base import Progress
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.engines.custom_code.protocol import Declared
from rnnviz.engines.layers import LayerTask, RunLayer

_MODULE = "__recurrence__"
"""Module name under which the user's file is imported; unlikely to be in use."""


_LONGEST_TEXT = 500

Returned = TypeVar("Returned")

Arrays: TypeAlias = dict[str, FloatArray]

AddLine: TypeAlias = Callable[[str, int], FloatArray]
"""Create the array (L, D, T, N, U) of a returned line from its name and U."""


class CustomCodeError(Exception):
    """The user's code cannot be run; the text is one sentence that names the file and the line."""


def read_cell(path: Path, watched: AbstractContextManager[object]) -> Declared:
    """The cell that a file declares; the file's code runs inside of `watched`.

    Raises CustomCodeError if the file does not declare a cell; one sentence with the line, where it is known.
    """
    with watched:
        try:
            cell = load_cell(path)
            return Declared(cell_to_json(cell), listing(cell))
        except OSError as error:
            raise CustomCodeError(str(unreadable(path, error))) from error
        except CellError as error:
            at = str(path) if error.line is None else f"{path}, line {error.line}"
            raise CustomCodeError(f"{at}: {error}") from error
        except BaseException as error:
            raise CustomCodeError(f"{path}: {_cause(error)}.") from error


class UserFunction:
    """One function of a file.

    Whatever may run code of the user's is done inside of `watched`, so that a watchman knows when it began: calls of
    the function, and methods of the objects that it returns or raises.
    """

    name: str
    """The name of the function."""
    arguments: str
    """Its arguments, for an error."""
    lines: str
    """The arrays that it may return besides those that each call needs, for an error."""

    def __init__(self, path: Path, watched: AbstractContextManager[object] | None = None) -> None:
        """Run the file once and take its function.

        Raises CustomCodeError if it cannot be read, is not a Python, raises, exits, or does not define the function.
        """
        self._path = path
        self._definition = str(path)
        """The file and, once it is known, the line where the function is defined."""
        self._watched = nullcontext() if watched is None else watched
        self._lines: dict[str, FloatArray | None] | None = None
        """The arrays of the returned lines by name; None before the first call."""
        module = ModuleType(_MODULE)
        module.__file__ = str(path)
        # Dataclasses and pickle look a class's module up by its name.
        sys.modules[_MODULE] = module
        self._function: Any = self._guarded(lambda: self._loaded(module))

    def _loaded(self, module: ModuleType) -> object:
        exec(self._compiled(), vars(module))  # noqa: S102 - it is what they asked for
        function = getattr(module, self.name, None)
        if not callable(function):
            raise CustomCodeError(
                f"{self._path} does not define {self.name}({self.arguments}), the function of a custom step."
            )
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType):
            self._definition = f"{self._path}, line {code.co_firstlineno}"
        return function

    def _compiled(self) -> CodeType:
        try:
            return compile(self._path.read_bytes(), str(self._path), "exec")
        except OSError as error:
            raise CustomCodeError(str(unreadable(self._path, error))) from error
        except SyntaxError as error:
            # Of null bytes, Python tells no line.
            at = f"{self._path}, line {error.lineno}" if error.lineno else str(self._path)
            raise CustomCodeError(f"{at}: {type(error).__name__}: {error.msg}.") from error

    def _array(self, value: object, name: str, like: FloatArray, where: str) -> FloatArray:
        """One of the returned states as its own array, of the shape and dtype of `like`."""
        array = np.asarray(value)
        if array.dtype.kind not in "biufO":
            raise self._unfit(f"{self.name} returned {name} of {array.dtype} at {where}, but it must hold real numbers")
        try:
            with np.errstate(over="ignore"):
                converted: FloatArray = array.astype(like.dtype)
        except (TypeError, ValueError):
            raise self._unfit(
                f"{self.name} returned {described(value)} for {name} at {where}, but it must be an array of numbers"
            ) from None
        if converted.shape != like.shape:
            raise self._unfit(
                f"{self.name} returned {name} of the shape {converted.shape} at {where}, but it must be {like.shape}"
            )
        return converted

    def _store(self, at: tuple[Any, ...], lines: Arrays, add_line: AddLine | None) -> None:
        """Store the returned lines (S, U) of a lane and a time step, for which the first call makes room."""
        if self._lines is None:
            try:
                self._lines = {n: add_line(n, array.shape[1]) if add_line else None for n, array in lines.items()}
            except OSError as error:
                raise self._unfit(f"the returned {self.lines} cannot be stored: {error.strerror}") from error
        for name, series in self._lines.items():
            if series is not None:
                series[at] = lines[name]

    def _unfit(self, what: str) -> CustomCodeError:
        return CustomCodeError(f"{self._definition}: {what}.")

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

    name, arguments, lines = "step", "x, state, p", "lines"

    def run_layer(self, add_line: AddLine | None = None) -> RunLayer:
        """The step as a way to run one layer; see `engines.layers.RunLayer`.

        Lines that step returns besides the states are stored in the arrays of `add_line`, if it is given.
        """

        def run_layer(task: LayerTask, progress: Progress) -> Arrays:
            direction = DIRECTIONS[task.backward]
            state = {name: np.array(array) for name, array in task.state.items()}
            for done, t in enumerate(task.timesteps, start=1):
                where = f"{direction}, t = {task.start + t}"
                state, lines = self._guarded(partial(self._next, task, task.x[t], state, where), f" at {where}")
                for name, series in task.series.items():
                    series[t] = state[name]
                self._store((*task.lane, task.start + t, task.samples), lines, add_line)
                progress(done / len(task.x))
            return state

        return run_layer

    def _next(
        self, task: LayerTask, x: FloatArray, state: Mapping[str, FloatArray], where: str
    ) -> tuple[Arrays, Arrays]:
        """The state and the lines that the user's step returns, in the network's dtype."""
        # The user may write into what they are given.
        given = tuple(array.copy() for array in state.values())
        returned = self._function(x.copy(), given, task.parameters)
        lines: dict[Any, Any] = {}
        if isinstance(returned, tuple | list) and len(returned) == len(state) + 1 and isinstance(returned[-1], dict):
            returned, lines = returned[:-1], returned[-1]
        if not isinstance(returned, tuple | list) or len(returned) != len(state):
            raise self._unfit(
                f"step returned {described(returned)} at {where}, but it must return the tuple "
                f"({', '.join(state)}{',' if len(state) == 1 else ''})"
            )
        following = {
            name: self._array(value, name, array, where)
            for (name, array), value in zip(state.items(), returned, strict=True)
        }
        return following, self._returned_lines(task, dict(lines), following, where)

    def _returned_lines(self, task: LayerTask, lines: dict[Any, Any], state: Arrays, where: str) -> Arrays:
        """The lines by name, which must be lines of the cell, and the same in every call."""
        if not lines and not self._lines:
            return {}
        known = {name: node for name, node in graph_of(task.cell).values.items() if name not in state}
        for name in lines:
            if type(name) is not str or name not in known:
                named = name[:_LONGEST_TEXT] if type(name) is str else described(name)
                has = f"the cell has {', '.join(known)}" if known else "the cell has no lines besides its states"
                raise self._unfit(f"step returned the line {named} at {where}, but {has}")
        if self._lines is not None and lines.keys() != self._lines.keys():
            raise self._unfit(f"step returned other lines at {where} than in its first call")
        samples, projected = state["h"].shape
        units = {"H": len(task.parameters.i2h_bias) // len(task.cell.gates), "P": projected}
        return {
            name: self._array(lines[name], name, np.empty((samples, units[node.shape[0]]), state["h"].dtype), where)
            for name, node in known.items()
            if name in lines
        }


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


def described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of the shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"{len(value)} value{'' if len(value) == 1 else 's'}"
    return f"a value of the type {type(value).__name__}"
