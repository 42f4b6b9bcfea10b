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

import ast
import re
from collections.abc import Mapping, Sequence
from inspect import Parameter as Argument
from inspect import signature
from keyword import iskeyword
from pathlib import Path
from types import TracebackType
from typing import Any
from unicodedata import normalize

from rnnviz.cells import activations, base
from rnnviz.cells.activations import Activation, Composition
from rnnviz.cells.base import CellError, CellSpec, Gate, Initializer, ParameterSpec, StateSpec
from rnnviz.cells.interpreters.graph import trace

_NAMES = {"Step": base.Step, "recurrent": base.recurrent, "clip": activations.clip, **activations.ACTIVATIONS}
"""Names that a file has without an import."""
_COMMON = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
_ARGUMENTS = ("u", "v", "state", "p")
_SIZES = {1: ("H",), 2: ("H", "P", "I")}
_MOST, _LONGEST = 100, 100
"""How many gates, states or parameters a cell may have, and how many characters a name in words."""
_TAKEN = re.compile(
    # Variables of exported notebooks, and what they call.
    r"[xuvptTNIHLDP]|np|dat|state|step|compare|print|range|reversed|zip|globals|x\d+|[lr]\d+_.*|.*_[lr]\d+"
    r"|[uv]_.*|(recorded|initial)_.*"
    # Quantities of lanes, and arrays of a run.
    r"|value|error_ratio|difference|change|norm|pre_.*|hidden|output|out|cell|engine|input|.*_state|state_.*"
    # Functions of compiled programs, and its series.
    r"|product|run|add|subtract|multiply|matmul|dot|copyto|W_.*|all_.*|.*_next"
)
_OPERATION = re.compile(r"for ([^:]*?)(?: or pow\(\))?:|^'(.*?)' not supported")
"""The sign of an operation in the message of a TypeError."""
_ALGEBRA = "it has +, -, *, activations, recurrent(gate, x) and matrix @ value"


class _File:
    """The names that a file defines, and the lines on which they are defined."""

    def __init__(self, names: dict[str, Any], lines: dict[str, int]) -> None:
        self.names, self._lines = names, lines

    def error(self, key: str, message: str) -> CellError:
        return CellError(message, self._lines.get(key))


def load_cell(path: Path) -> CellSpec:
    """The cell that a file declares, checked by a run of its step on symbols. This runs the file's code.

    Raises CellError if the file does not declare a cell; one sentence, with the line where there is one; OSError if the
    file cannot be read.
    """
    file = _run(path)
    step = file.names.get("step")
    if not callable(step):
        raise file.error("step", "The file defines no function step(u, v, state, p).")
    _check_arguments(file, step)
    gates = _symbols(file, "gates", None)
    recurrent = _symbols(file, "recurrent_gates", gates)
    for symbol in recurrent:
        if symbol not in gates:
            message = f"recurrent_gates has {symbol}, which is not among gates: {', '.join(gates)}."
            raise file.error("recurrent_gates", message)
    cell = CellSpec(
        path.stem,
        _words(file, "title", file.names.get("title", path.stem)),
        step,
        tuple(Gate(symbol, name) for symbol, name in gates.items()),
        tuple(recurrent),
        _states(file),
        _parameters(file),
    )
    _check_sizes(file, cell.states, cell.parameters)
    _check_distinct(file, cell)
    _check_step(file, cell, path)
    return cell


def _run(path: Path) -> _File:
    """Run the file."""
    try:
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CellError("The file is not text in UTF-8.") from None
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path), **_NAMES}
    lines: dict[str, int] = {}
    try:
        tree = ast.parse(source, str(path))
        for statement in tree.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement]
            lines |= {getattr(target, "id", getattr(target, "name", "")): statement.lineno for target in targets}
        exec(compile(source, str(path), "exec"), namespace)  # noqa: S102  # the caller has asked for permission
    except SyntaxError as error:
        raise CellError(f"The file is not Python: {error.msg}.", error.lineno) from None
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _described(error, path) from error
    return _File(namespace, lines)


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
    if isinstance(error, TypeError) and "Node" in first:
        named = _OPERATION.search(first)
        operation = "an operation" if named is None else named[1] or named[2]
        message = f"The step uses {operation} on a value, which the algebra of a cell lacks: {_ALGEBRA}."
        return CellError(message, line)
    if isinstance(error, TypeError) and first.startswith("Step.__init__"):
        return CellError("Step takes values by name, such as Step(h=h).", line)
    if isinstance(error, AttributeError) and first.endswith(("'activated'", "'recurrent'")):
        return CellError("The step gives an activation, or recurrent, something else than a value.", line)
    return CellError(f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}.", line)


def _check_arguments(file: _File, step: Any) -> None:
    arguments = signature(step).parameters.values()
    names = tuple(a.name for a in arguments if a.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.POSITIONAL_ONLY))
    if names != _ARGUMENTS:
        raise file.error("step", f"step takes ({', '.join(names)}), but must take (u, v, state, p).")
    for argument in arguments:
        if argument.kind is Argument.KEYWORD_ONLY and not isinstance(argument.default, Activation | Composition):
            raise file.error("step", f"step's argument {argument.name} needs an activation as its default.")


def _symbols(file: _File, key: str, default: Mapping[str, str] | None) -> dict[str, str]:
    """Symbols with their names in words."""
    declared = file.names.get(key, default)
    if declared is None:
        raise CellError(f'The file defines no {key}, such as {key} = "f n".')
    if not isinstance(declared, str | Mapping):
        raise file.error(key, f'{key} must be symbols such as "f n", or {{"f": "forget gate"}}.')
    found = {}
    for symbol in _names(file, key, declared):
        found[symbol] = symbol if isinstance(declared, str) else _words(file, key, declared[symbol])
    if key == "gates" and not found:
        raise file.error(key, "gates must have at least one symbol.")
    return found


def _words(file: _File, key: str, text: object) -> str:
    """A name in words."""
    if not isinstance(text, str):
        raise file.error(key, f"{key} has {type(text).__name__}, but its names in words must be texts.")
    if not text.isprintable() or not 0 < len(text) <= _LONGEST:
        raise file.error(key, f"{key} has a name in words that is not one line of 1 to {_LONGEST} characters.")
    return text


def _names(file: _File, key: str, declared: str | Mapping[Any, Any]) -> list[str]:
    """The symbols that a key declares, as Python reads them."""
    words = declared.split() if isinstance(declared, str) else list(declared)
    if len(words) > _MOST:
        raise file.error(key, f"{key} has {len(words):,} names, but a cell has at most {_MOST}.")
    for name in words:
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name.startswith("_"):
            raise file.error(key, f"{key} has {name!r}, which Python cannot read as a name.")
        if normalize("NFKC", name) != name:
            raise file.error(key, f"{key} has {name}, which Python reads as {normalize('NFKC', name)}: write that.")
        if _is_taken(name):
            raise file.error(key, f"{key} has {name}, a name that rnnviz uses itself: choose another one.")
        if words.count(name) > 1:
            raise file.error(key, f"{key} has {name} twice.")
    return words


def _is_taken(name: str) -> bool:
    return _TAKEN.fullmatch(name) is not None or name in _NAMES


def _states(file: _File) -> tuple[StateSpec, ...]:
    declared = file.names.get("states", "h")
    given = declared if isinstance(declared, Mapping) else {}
    if not isinstance(declared, str | Mapping) or not all(size in ("H", "P") for size in given.values()):
        raise file.error("states", 'states must be symbols such as "h c", or {"h": "P", "c": "H"}.')
    sizes = {name: given.get(name, "H") for name in _names(file, "states", declared)}
    if "h" not in sizes:
        raise file.error("states", "states must have h, the output of the cell.")
    order = dict.fromkeys([*(symbol for symbol in ("h", "c") if symbol in sizes), *sizes])
    return tuple(StateSpec(symbol, sizes[symbol]) for symbol in order)


def _parameters(file: _File) -> tuple[ParameterSpec, ...]:
    declared = file.names.get("parameters", {})
    if not isinstance(declared, Mapping) or not all(isinstance(text, str) for text in declared.values()):
        raise file.error("parameters", 'parameters must be names with their shapes, such as {"c2f_weight": "H"}.')
    found = []
    for name in _names(file, "parameters", declared):
        text = declared[name]
        if name in _COMMON:
            raise file.error("parameters", f"parameters has {name}, which every cell has.")
        shape = tuple(text.split())
        if len(shape) not in _SIZES or not set(shape) <= set(_SIZES[len(shape)]):
            message = f'parameters gives {name} the shape "{text}", but a shape is "H", or two of H, P and I.'
            raise file.error("parameters", message)
        initializer: Initializer = "bias" if name.endswith("bias") else "vector" if len(shape) == 1 else "weight"
        found.append(ParameterSpec(name, shape, initializer))
    return tuple(found)


def _check_sizes(file: _File, states: Sequence[StateSpec], parameters: Sequence[ParameterSpec]) -> None:
    """Refuse states of the size P where nothing gives a value of that size."""
    if not any(p.shape == ("P", "H") for p in parameters):
        for state in states:
            if state.size == "P":
                message = f'states has {state.symbol} of the size P, which needs a parameter of the shape "P H".'
                raise file.error("states", message)


def _check_distinct(file: _File, cell: CellSpec) -> None:
    """Refuse a name that means two things; only h may be a gate and a state."""
    others = set(cell.state_symbols[1:])
    for symbol in cell.gate_symbols:
        if symbol in others:
            raise file.error("gates", f"gates has {symbol}, which is a state: rename one of them.")
        if symbol == "c":
            raise file.error("gates", "gates has c, the symbol of a cell state: choose another one, such as n.")
    for p in cell.parameters:
        if p.name in (*cell.gate_symbols, *cell.state_symbols):
            kind = "gate" if p.name in cell.gate_symbols else "state"
            raise file.error("parameters", f"parameters has {p.name}, which is a {kind}: rename one of them.")


def _check_step(file: _File, cell: CellSpec, path: Path) -> None:
    """Run the step on symbols.

    Raises CellError if it does what the algebra has no operation for, or does not give what the cell declares.
    """
    try:
        graph = trace(cell)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        described = _described(error, path)
        raise described if described.line else file.error("step", str(described)) from error
    used = {node.name for node in graph.nodes if node.op in ("v", "recurrent")}
    for symbol in cell.recurrent_gates:
        if symbol not in used:
            raise file.error(
                "step",
                f"The step uses no recurrent part of {symbol}: use v.{symbol}, or take {symbol} from recurrent_gates.",
            )
    for name in graph.values:
        if _is_taken(name) or name in cell.own_parameters or (name == "c" and not cell.has_cell_state):
            raise file.error("step", f"The step gives {name}, a name that has another meaning: choose another one.")
