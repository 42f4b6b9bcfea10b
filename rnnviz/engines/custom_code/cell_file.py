"""Custom cells: a user's Python file that declares a cell in the algebra of `base`; see Custom cells in the guide. The
names of `rnnviz.cells`, such as `sigmoid` and `Step`, are there without an import. Reading a file runs its code:
callers of `load_cell` have asked the user for permission."""

import ast
import re
from collections.abc import Mapping
from inspect import Parameter as Argument
from inspect import signature
from keyword import iskeyword
from pathlib import Path
from traceback import walk_tb
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

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, dict[str, int]()
        self.names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path), **_NAMES}
        try:
            source = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise CellError("The file is not text in UTF-8.") from None
        try:
            tree = ast.parse(source, str(path))
            for statement in tree.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement]
                self.lines |= {getattr(t, "id", getattr(t, "name", "")): statement.lineno for t in targets}
            exec(compile(source, str(path), "exec"), self.names)  # noqa: S102  # the caller has asked for permission
        except SyntaxError as error:
            raise CellError(f"The file is not Python: {error.msg}.", error.lineno) from None
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise self.described(error) from error

    def check(self, key: str, holds: object, message: str) -> None:
        """Raise a CellError with the line of a name unless something holds."""
        if not holds:
            raise CellError(message, self.lines.get(key))

    def described(self, error: BaseException) -> CellError:
        """The message of an exception in the file's code, with the last line of the file that led to it."""
        if isinstance(error, CellError) and error.line is not None:
            return error
        own = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(self.path)]
        line = own[-1] if own else None
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

    def symbols(self, key: str, default: Mapping[str, str] | None = None) -> dict[str, str]:
        """Symbols with their names in words."""
        declared = self.names.get(key, default)
        self.check(key, declared is not None, f'The file defines no {key}, such as {key} = "f n".')
        self.check(
            key, isinstance(declared, str | Mapping), f'{key} must be symbols such as "f n", or {{"f": "forget gate"}}.'
        )
        assert declared is not None
        names = self.keys(key, declared)
        return {s: s if isinstance(declared, str) else self.words(key, declared[s]) for s in names}

    def words(self, key: str, text: object) -> str:
        """A name in words."""
        if not isinstance(text, str):
            raise CellError(
                f"{key} has {type(text).__name__}, but its names in words must be texts.", self.lines.get(key)
            )
        fits = text.isprintable() and 0 < len(text) <= _LONGEST
        self.check(key, fits, f"{key} has a name in words that is not one line of 1 to {_LONGEST} characters.")
        return text

    def keys(self, key: str, declared: str | Mapping[Any, Any]) -> list[str]:
        """The symbols that a key declares, as Python reads them."""
        words = declared.split() if isinstance(declared, str) else list(declared)
        self.check(key, len(words) <= _MOST, f"{key} has {len(words):,} names, but a cell has at most {_MOST}.")
        for name in words:
            plain = isinstance(name, str) and name.isidentifier() and not iskeyword(name) and not name.startswith("_")
            self.check(key, plain, f"{key} has {name!r}, which Python cannot read as a name.")
            read = normalize("NFKC", name)
            self.check(key, read == name, f"{key} has {name}, which Python reads as {read}: write that.")
            free = not _is_taken(name)
            self.check(key, free, f"{key} has {name}, a name that rnnviz uses itself: choose another one.")
            self.check(key, words.count(name) == 1, f"{key} has {name} twice.")
        return words


def load_cell(path: Path) -> CellSpec:
    """The cell that a file declares, checked by a run of its step on symbols, which runs the file's code. Raises
    CellError, one sentence with the line where there is one; OSError if the file cannot be read."""
    file = _File(path)
    step = file.names.get("step")
    if not callable(step):
        raise CellError("The file defines no function step(u, v, state, p).", file.lines.get("step"))
    _check_arguments(file, step)
    gates = file.symbols("gates")
    file.check("gates", gates, "gates must have at least one symbol.")
    recurrent = file.symbols("recurrent_gates", gates)
    for symbol in recurrent:
        message = f"recurrent_gates has {symbol}, which is not among gates: {', '.join(gates)}."
        file.check("recurrent_gates", symbol in gates, message)
    cell = CellSpec(
        path.stem,
        file.words("title", file.names.get("title", path.stem)),
        step,
        tuple(Gate(symbol, name) for symbol, name in gates.items()),
        tuple(recurrent),
        _states(file),
        _parameters(file),
    )
    _check_names(file, cell)
    _check_step(file, cell)
    return cell


def _check_arguments(file: _File, step: Any) -> None:
    arguments = signature(step).parameters.values()
    names = tuple(a.name for a in arguments if a.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.POSITIONAL_ONLY))
    file.check("step", names == _ARGUMENTS, f"step takes ({', '.join(names)}), but must take (u, v, state, p).")
    for argument in arguments:
        fits = argument.kind is not Argument.KEYWORD_ONLY or isinstance(argument.default, Activation | Composition)
        file.check("step", fits, f"step's argument {argument.name} needs an activation as its default.")


def _is_taken(name: str) -> bool:
    return _TAKEN.fullmatch(name) is not None or name in _NAMES


def _states(file: _File) -> tuple[StateSpec, ...]:
    declared = file.names.get("states", "h")
    given = declared if isinstance(declared, Mapping) else {}
    fits = isinstance(declared, str | Mapping) and all(size in ("H", "P") for size in given.values())
    file.check("states", fits, 'states must be symbols such as "h c", or {"h": "P", "c": "H"}.')
    sizes = {name: given.get(name, "H") for name in file.keys("states", declared)}
    file.check("states", "h" in sizes, "states must have h, the output of the cell.")
    order = dict.fromkeys([*(symbol for symbol in ("h", "c") if symbol in sizes), *sizes])
    return tuple(StateSpec(symbol, sizes[symbol]) for symbol in order)


def _parameters(file: _File) -> tuple[ParameterSpec, ...]:
    key, declared = "parameters", file.names.get("parameters", {})
    fits = isinstance(declared, Mapping) and all(isinstance(text, str) for text in declared.values())
    file.check(key, fits, 'parameters must be names with their shapes, such as {"c2f_weight": "H"}.')
    found = []
    for name in file.keys(key, declared):
        text = declared[name]
        file.check(key, name not in _COMMON, f"parameters has {name}, which every cell has.")
        shape = tuple(text.split())
        fits = len(shape) in _SIZES and set(shape) <= set(_SIZES[len(shape)])
        file.check(key, fits, f'parameters gives {name} the shape "{text}", but a shape is "H", or two of H, P and I.')
        initializer: Initializer = "bias" if name.endswith("bias") else "vector" if len(shape) == 1 else "weight"
        found.append(ParameterSpec(name, shape, initializer))
    return tuple(found)


def _check_names(file: _File, cell: CellSpec) -> None:
    """Refuse a size P without a value of this size, and a name that means two things; only h may be a gate and a
    state."""
    projects = any(p.shape == ("P", "H") for p in cell.parameters)
    for state in cell.states:
        message = f'states has {state.symbol} of the size P, which needs a parameter of the shape "P H".'
        file.check("states", projects or state.size != "P", message)
    for symbol in cell.gate_symbols:
        others = cell.state_symbols[1:]
        file.check("gates", symbol not in others, f"gates has {symbol}, which is a state: rename one of them.")
        message = "gates has c, the symbol of a cell state: choose another one, such as n."
        file.check("gates", symbol != "c", message)
    for p in cell.parameters:
        kind = "gate" if p.name in cell.gate_symbols else "state"
        fits = p.name not in (*cell.gate_symbols, *cell.state_symbols)
        file.check("parameters", fits, f"parameters has {p.name}, which is a {kind}: rename one of them.")


def _check_step(file: _File, cell: CellSpec) -> None:
    """Run the step on symbols: it must keep to the algebra, and give what the cell declares."""
    try:
        graph = trace(cell)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        described = file.described(error)
        raise CellError(str(described), described.line or file.lines.get("step")) from error
    used = {node.name for node in graph.nodes if node.op in ("v", "recurrent")}
    for symbol in cell.recurrent_gates:
        message = f"The step uses no recurrent part of {symbol}: use v.{symbol}, or take {symbol} from recurrent_gates."
        file.check("step", symbol in used, message)
    for name in graph.values:
        taken = _is_taken(name) or name in cell.own_parameters or (name == "c" and "c" not in cell.state_symbols)
        file.check("step", not taken, f"The step gives {name}, a name that has another meaning: choose another one.")
