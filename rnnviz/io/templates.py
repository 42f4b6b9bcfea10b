"""Templates of user code: a custom step, from the cell's lines as NumPy source, and a custom cell."""

from collections.abc import Iterable
from pathlib import Path

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.backward_source import backward_lines
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.symbols import code_lines, equations_of_all_units, helper_lines
from rnnviz.core.resources import resource_path
from rnnviz.io.outputs import write_text

_LINES_NOTE = """ The dict after it is optional: rnnviz also compares
its lines, and names the first one that differs."""


def _resource(name: str) -> str:
    return resource_path("starters", name).read_text(encoding="utf-8")


def starter(cell: str | CellSpec, *, backward: bool = False) -> str:
    """The text of a file that computes a cell and says what step gets and returns."""
    kind = CELLS[cell] if isinstance(cell, str) else cell
    lines, gates, states = code_lines(kind, "p."), kind.gate_symbols, kind.state_symbols
    pairs = ", ".join(f'"{name}": {name}' for name in graph_of(kind).values if name not in states)
    state, all_of_h = _tuple(states), all(state.size == "H" for state in kind.states)
    sizes = "each (N, H)" if all_of_h else ", ".join(f"{state.symbol} (N, {state.size})" for state in kind.states)
    gradients = _backward(kind) if backward else ""
    helpers = helper_lines([*lines, *gradients.splitlines()])
    text = _resource("step.txt").format(
        equations="\n".join(equations_of_all_units(kind)),
        gates=f"; gate rows {', '.join(gates)}" if len(gates) > 1 else "",
        tuple=state,
        returned=f"{', '.join(states)}, {{{pairs}}}" if pairs else state,
        note=_LINES_NOTE if pairs else "",
        sizes=sizes,
        parameters=_parameters(kind),
        helpers="\n".join([*helpers, "", "", ""]) if helpers else "",
        lines="\n".join(f"    {line}" for line in lines),
    )
    return text + gradients


def _backward(cell: CellSpec) -> str:
    """The function `backward` of a cell, whose last returned dict has the gradients of pre-activations."""
    states, names, lines = cell.state_symbols, tuple(cell.initializers()), backward_lines(cell)
    gates = {gate: f"d_u_{gate}" if len(cell.gates) > 1 else "d_u" for gate in cell.gate_symbols if gate not in states}
    written = {line.partition(" = ")[0] for line in lines}
    further = [f'"{name}": {d}' for name, d in (gates | {s: f"d_{s}" for s in states[1:]}).items() if d in written]
    return _resource("backward.txt").format(
        tuple=_tuple(states),
        paths="".join(f"; that of {s} is without its path through h" for s in states[1:]),
        d_tuple=_tuple(f"d_{s}" for s in states),
        parameters=", ".join(names),
        read=", ".join(f"p.{name}" for name in names),
        lines="\n".join(f"    {line}" for line in lines),
        d_before=_tuple(f"d_{s}_before" for s in states),
        d_parameters="\n".join(f'        "{name}": d_{name},' for name in names),
        further=f", {{{', '.join(further)}}}" if further else "",
    )


def _tuple(names: Iterable[str]) -> str:
    joined = ", ".join(names)
    return f"({joined})" if ", " in joined else f"({joined},)"


def _parameters(cell: CellSpec) -> str:
    rows, recurrent = (
        "H" if len(gates) == 1 else f"{len(gates)}·H" for gates in (cell.gate_symbols, cell.recurrent_gates)
    )
    shapes = {"i2h_weight": f"({rows}, I)", "h2h_weight": f"({recurrent}, {cell.states[0].size})"}
    shapes |= {"i2h_bias": f"({rows},)", "h2h_bias": f"({recurrent},)"}
    shapes |= {p.name: f"({', '.join(p.shape)}{',' * (len(p.shape) == 1)})" for p in cell.parameters}
    return ", ".join(f"p.{name} {shapes[name]}" for name in shapes if name in cell.initializers())


def write_starter(cell: str | CellSpec, path: Path, *, backward: bool = False) -> None:
    write_text(path, starter(cell, backward=backward))


def write_cell_starter(path: Path) -> None:
    write_text(path, _resource("cell.py"))
