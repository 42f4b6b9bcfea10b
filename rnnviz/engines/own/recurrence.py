"""A user's `step(x, state, p)`: loaded from a file, called step by step, and held to its contract."""

import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import numpy as np

from rnnviz.engines.base import Progress
from rnnviz.engines.stack import RunLayer
from rnnviz.model.arrays import FloatArray
from rnnviz.model.parameters import LayerParameters


class RecurrenceError(Exception):
    """The user's code cannot be run; the text is one sentence that names the file and the line."""


class OwnRecurrence:
    """The `step` of one file.

    `called` is invoked before every call into the user's code, so that a watchman knows when it began.
    """

    def __init__(self, path: Path, called: Callable[[], None] = lambda: None) -> None:
        """Run the file once and take its `step`.

        Raises
        ------
        RecurrenceError
            If it cannot be read, is no Python, raises, exits, or defines no step.
        """
        self._path = path
        self._called = called
        namespace: dict[str, Any] = {"__name__": "recurrence", "__file__": str(path)}
        called()
        self._guarded(lambda: exec(self._compiled(), namespace))
        step = namespace.get("step")
        if not callable(step):
            raise RecurrenceError(f"{path} defines no step(x, state, p), which every recurrence must define.")
        self._step = step

    def _compiled(self) -> CodeType:
        try:
            return compile(self._path.read_bytes(), str(self._path), "exec")
        except OSError as error:
            raise RecurrenceError(f"{self._path} cannot be read: {error.strerror}.") from error
        except SyntaxError as error:
            raise RecurrenceError(f"{self._path}, line {error.lineno}: {type(error).__name__}: {error.msg}.") from error
        except ValueError as error:
            raise RecurrenceError(f"{self._path} is no Python file: {error}.") from error

    def run_layer(self) -> RunLayer:
        """The step as a way to run one layer; see `engines.manual.run_layer`."""

        def run_layer(
            cell: str,
            p: LayerParameters,
            x: FloatArray,
            h0: FloatArray,
            c0: FloatArray | None,
            hidden: FloatArray,
            cells: FloatArray | None,
            *,
            backward: bool,
            progress: Progress,
        ) -> tuple[FloatArray, FloatArray | None]:
            state: tuple[FloatArray, ...] = (np.array(h0),) if c0 is None else (np.array(h0), np.array(c0))
            for done, t in enumerate(reversed(range(len(x))) if backward else range(len(x))):
                where = f"{'backward' if backward else 'forward'}, t = {t}"
                state = self._next(x[t], state, p, where)
                hidden[t] = state[0]
                if cells is not None:
                    cells[t] = state[1]
                progress((done + 1) / len(x))
            return state[0], state[1] if len(state) == 2 else None

        return run_layer

    def _next(
        self, x: FloatArray, state: tuple[FloatArray, ...], p: LayerParameters, where: str
    ) -> tuple[FloatArray, ...]:
        """The state that the user's step returns, in the network's dtype."""
        self._called()
        names, wanted = ("h", "c")[: len(state)], state[0].shape
        # The user may write into what they are given.
        given = tuple(array.copy() for array in state)
        returned = self._guarded(lambda: self._step(x.copy(), given, p))
        if not isinstance(returned, tuple | list) or len(returned) != len(state):
            raise self._unfit(
                f"step returned {_described(returned)} at {where}, but it must return the tuple "
                f"({', '.join(names)}{',' if len(names) == 1 else ''})"
            )
        arrays = []
        for name, value in zip(names, returned, strict=True):
            try:
                array = np.asarray(value).astype(state[0].dtype)
            except (TypeError, ValueError):
                raise self._unfit(
                    f"step returned {_described(value)} for {name} at {where}, but it must be an array of numbers"
                ) from None
            if array.shape != wanted:
                raise self._unfit(
                    f"step returned {name} of the shape {array.shape} at {where}, but it must be {wanted}"
                )
            arrays.append(array)
        return tuple(arrays)

    def _unfit(self, what: str) -> RecurrenceError:
        code = getattr(self._step, "__code__", None)
        line = f", line {code.co_firstlineno}" if code is not None else ""
        return RecurrenceError(f"{self._path}{line}: {what}.")

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Call into the user's code; whatever it raises becomes a sentence."""
        try:
            return call()
        except RecurrenceError:
            raise
        except SystemExit as error:
            raise RecurrenceError(
                f"{self._at(error.__traceback__)}: the recurrence called sys.exit, which would end the run."
            ) from error
        except BaseException as error:
            text = " ".join(str(error).split())
            raise RecurrenceError(
                f"{self._at(error.__traceback__)}: {type(error).__name__}{': ' + text if text else ''}."
            ) from error

    def _at(self, trace: TracebackType | None) -> str:
        """The file and the last line of it that was being run."""
        lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == str(self._path)]
        return f"{self._path}, line {lines[-1]}" if lines else str(self._path)


def _described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of the shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"{len(value)} value{'' if len(value) == 1 else 's'}"
    return f"a value of the type {type(value).__name__}"
