"""Lines of a custom step's file that give the lines of the cell."""

import ast

from rnnviz.verify.audit import Audit
from rnnviz.verify.result import RunResult


def first_line_in_source(result: RunResult, audit: Audit) -> int | None:
    """The line number of the first line that differs in the file that ran; None where it is not known."""
    source, line = result.sources.get(audit.engine), audit.first_line
    if source is None or line is None:
        return None
    return line_number(source, line.name, result.config.network.kind.state_symbols)


def line_number(source: str, name: str, states: tuple[str, ...]) -> int | None:
    """The line number where a step computes a value that it returns; None where it cannot be found.

    Parameters
    ----------
    source : str
        Text of a custom step. It is parsed, not run.
    name : str
        Name of a state or of a returned line, or "step" for the definition of the function.
    states : tuple of str
        Names of the states, in the order in which they are returned.

    Returns
    -------
    int or None
        From 1: the last assignment of the returned variable, or else the returned expression.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    steps = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "step"]
    if not steps:
        return None
    if name == "step":
        return steps[-1].lineno
    nodes = list(ast.walk(steps[-1]))
    returns = [node for node in nodes if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List)]
    if not returns:
        return None
    last = max(returns, key=lambda node: node.lineno)
    value = _returned(last.value, name, states)
    if isinstance(value, ast.Name):
        assigned = [
            node.lineno
            for node in nodes
            if isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and node.id == value.id
            and node.lineno <= last.lineno
        ]
        return max(assigned, default=last.lineno)
    return None if value is None else value.lineno


def _returned(value: ast.expr | None, name: str, states: tuple[str, ...]) -> ast.expr | None:
    """The returned expression of a state or of a line."""
    assert isinstance(value, ast.Tuple | ast.List)
    if name in states:
        return value.elts[states.index(name)] if len(value.elts) >= len(states) else None
    lines = value.elts[-1] if value.elts else None
    if not isinstance(lines, ast.Dict):
        return None
    pairs = zip(lines.keys, lines.values, strict=True)
    return next((own for key, own in pairs if isinstance(key, ast.Constant) and key.value == name), None)
