"""Custom cells: a user's Python file that declares a cell in the algebra of `base`.

    gates = "f n"                           symbols in the order of the rows, or {"f": "forget gate", ...}
    recurrent_gates = "f n"                 those with recurrent rows; by default all, "" for none
    states = "h"                            or "h c", or {"h": "P", "c": "H"} with their sizes
    parameters = {"c2f_weight": "H"}        further parameters with their shapes, such as "P H"
    title = "Minimal gated unit"

    def step(u, v, state, p): ...

All but `gates` and `step` may be left out. The names of `rnnviz.cells`, such as `sigmoid` and `Step`, are there without
an import. Reading a file runs its code: callers of `load_cell` have asked the user for permission.
"""

from collections.abc import Mapping
from inspect import Parameter as Argument
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import Any

from rnnviz.cells import activations, base
from rnnviz.cells.activations import Activation, Composition
from rnnviz.cells.base import CellError, CellSpec, Gate, Initializer, ParameterSpec, StateSpec
from rnnviz.cells.interpreters.graph import trace

_COMMON = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
_ARGUMENTS = ("u", "v", "state", "p")
_SIZES = {1: ("H",), 2: ("H", "P", "I")}


def load_cell(path: Path) -> CellSpec:
    """The cell that a file declares, checked by a run of its step on symbols. This runs the file's code.

    Raises
    ------
    CellError
        If the file does not declare a cell; one sentence, with the line where there is one.
    OSError
        If the file cannot be read.
    """
    namespace = _run(path)
    step = namespace.get("step")
    if not callable(step):
        raise CellError("The file defines no function step(u, v, state, p).")
    _check_arguments(step)
    gates = _symbols(namespace, "gates", None)
    recurrent = _symbols(namespace, "recurrent_gates", gates)
    for symbol in recurrent:
        if symbol not in gates:
            raise CellError(f"recurrent_gates has {symbol}, which is not among gates: {', '.join(gates)}.")
    title = namespace.get("title", path.stem)
    if not isinstance(title, str):
        raise CellError(f"title is {type(title).__name__}, but must be a text.")
    cell = CellSpec(
        path.stem,
        title,
        step,
        tuple(Gate(symbol, name) for symbol, name in gates.items()),
        tuple(recurrent),
        _states(namespace),
        _parameters(namespace),
    )
    _check_step(cell, path)
    return cell


def _run(path: Path) -> dict[str, Any]:
    """The names that the file defines."""
    try:
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CellError("The file is not text in UTF-8.") from None
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    namespace |= {"Step": base.Step, "recurrent": base.recurrent, "clip": activations.clip}
    namespace |= activations.ACTIVATIONS
    try:
        exec(compile(source, str(path), "exec"), namespace)  # noqa: S102  # the caller has asked for permission
    except SyntaxError as error:
        raise CellError(f"The file is not Python: {error.msg}.", error.lineno) from None
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _described(error, path) from error
    return namespace


def _described(error: BaseException, path: Path) -> CellError:
    """The message of an exception in the file's code, with the last line of the file that led to it."""
    if isinstance(error, CellError) and error.line is not None:
        return error
    line, traceback = None, error.__traceback__
    while isinstance(traceback, TracebackType):
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    first = next(iter(str(error).splitlines()), "").rstrip(".")
    if isinstance(error, CellError):
        return CellError(f"{first}.", line)
    return CellError(f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}.", line)


def _check_arguments(step: Any) -> None:
    arguments = signature(step).parameters.values()
    names = tuple(a.name for a in arguments if a.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.POSITIONAL_ONLY))
    line = getattr(getattr(step, "__code__", None), "co_firstlineno", None)
    if names != _ARGUMENTS:
        raise CellError(f"step takes ({', '.join(names)}), but must take (u, v, state, p).", line)
    for argument in arguments:
        if argument.kind is Argument.KEYWORD_ONLY and not isinstance(argument.default, Activation | Composition):
            raise CellError(f"step's argument {argument.name} needs an activation as its default.", line)


def _symbols(namespace: Mapping[str, Any], key: str, default: Mapping[str, str] | None) -> dict[str, str]:
    """Symbols with their names in words."""
    declared = namespace.get(key, default)
    if declared is None:
        raise CellError(f'The file defines no {key}, such as {key} = "f n".')
    if isinstance(declared, str):
        declared = {symbol: symbol for symbol in declared.split()}
    if not isinstance(declared, Mapping) or not all(isinstance(n, str) for item in declared.items() for n in item):
        raise CellError(f'{key} must be symbols such as "f n", or {{"f": "forget gate"}}.')
    for symbol in declared:
        _check_name(key, symbol)
    if key == "gates" and not declared:
        raise CellError("gates must have at least one symbol.")
    return dict(declared)


def _states(namespace: Mapping[str, Any]) -> tuple[StateSpec, ...]:
    declared = namespace.get("states", "h")
    if isinstance(declared, str):
        declared = dict.fromkeys(declared.split(), "H")
    if not isinstance(declared, Mapping) or not all(size in ("H", "P") for size in declared.values()):
        raise CellError('states must be symbols such as "h c", or {"h": "P", "c": "H"}.')
    for symbol in declared:
        _check_name("states", symbol)
    if "h" not in declared:
        raise CellError("states must have h, the output of the cell.")
    order = dict.fromkeys([*(symbol for symbol in ("h", "c") if symbol in declared), *declared])
    return tuple(StateSpec(symbol, declared[symbol]) for symbol in order)


def _parameters(namespace: Mapping[str, Any]) -> tuple[ParameterSpec, ...]:
    declared = namespace.get("parameters", {})
    if not isinstance(declared, Mapping) or not all(isinstance(n, str) for item in declared.items() for n in item):
        raise CellError('parameters must be names with their shapes, such as {"c2f_weight": "H"}.')
    found = []
    for name, text in declared.items():
        _check_name("parameters", name)
        if name in _COMMON:
            raise CellError(f"parameters has {name}, which every cell has.")
        shape = tuple(text.split())
        if len(shape) not in _SIZES or not set(shape) <= set(_SIZES[len(shape)]):
            raise CellError(f'parameters gives {name} the shape "{text}", but a shape is "H", or two of H, P and I.')
        initializer: Initializer = "bias" if name.endswith("bias") else "vector" if len(shape) == 1 else "weight"
        found.append(ParameterSpec(name, shape, initializer))
    return tuple(found)


def _check_name(key: str, name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise CellError(f"{key} has {name!r}, which Python cannot read as a name.")


def _check_step(cell: CellSpec, path: Path) -> None:
    """Run the step on symbols.

    Raises
    ------
    CellError
        If it does what the algebra has no operation for, or does not give what the cell declares.
    """
    try:
        graph = trace(cell)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _described(error, path) from error
    used = {node.name for node in graph.nodes if node.op in ("v", "recurrent")}
    for symbol in cell.recurrent_gates:
        if symbol not in used:
            raise CellError(
                f"The step uses no recurrent part of {symbol}: use v.{symbol}, or take {symbol} from recurrent_gates."
            )
