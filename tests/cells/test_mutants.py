"""Every operation of every step matters to an oracle: a step with one of them changed is seen to be another one.

The changes are made in the step's own source: another operation, another activation, another gate, state, parameter or
value, another number.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CELLS, CellError, CellSpec
from rnnviz.cells import activations as activations_module
from rnnviz.cells.activations import Activation, hard_sigmoid, scaled_tanh, softsign
from rnnviz.cells.interpreters.arrays import step_values
from tests.cells.layers import ALL_CELLS, draw_layer
from tests.oracles.cell_loops import cell_values, function
from tests.profiles import nightly_except

LEAST = {"rnn_tanh": 4, "indrnn": 4, "lstm_projection": 3, "mingru": 12}
"""The fewest mutants that the steps of few operations have; of the others at least twenty."""


class Mutation(ast.NodeTransformer):
    """Makes the n-th change that can be made of a function."""

    def __init__(self, wanted: int, cell: CellSpec, names: list[str], roles: list[str]) -> None:
        self.wanted, self.count, self.what = wanted, 0, ""
        self.cell, self.names, self.roles = cell, names, roles

    def _changed(self, old: ast.AST, others: Iterator[tuple[str, ast.AST]]) -> ast.AST:
        for what, new in others:
            if self.count == self.wanted:
                self.what, old = what, ast.copy_location(new, old)
            self.count += 1
        return old

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        operators: dict[type[ast.operator], list[type[ast.operator]]] = {
            ast.Add: [ast.Sub, ast.Mult],
            ast.Sub: [ast.Add, ast.Mult],
            ast.Mult: [ast.Add, ast.Sub],
        }
        changes = [
            (f"{type(node.op).__name__} to {other.__name__}", ast.BinOp(node.left, other(), node.right))
            for other in operators.get(type(node.op), [])
        ]
        changes += [("left operand alone", node.left), ("right operand alone", node.right)]
        return self._changed(node, iter(changes))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not isinstance(node.value, ast.Name):
            return node
        known = {
            "u": self.cell.gate_symbols,
            "v": self.cell.recurrent_gates,
            "state": self.cell.state_symbols,
            "p": tuple(p.name for p in self.cell.parameters),
            "lstm": ("i", "f", "g", "o", "c", "h"),
        }.get(node.value.id, ())
        others = [(f"{node.value.id}.{name}", ast.Attribute(node.value, name, node.ctx)) for name in known]
        return self._changed(node, ((what, new) for what, new in others if new.attr != node.attr))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            return node
        for among in (self.names, self.roles, ["sigmoid", "tanh", "relu"]):
            if node.id in among:
                others = [name for name in among if name != node.id]
                return self._changed(node, iter((f"{node.id} to {n}", ast.Name(n, ast.Load())) for n in others))
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, int):
            others: list[Any] = [0, node.value + 1]
        elif node.value in self.cell.recurrent_gates:
            others = [gate for gate in self.cell.recurrent_gates if gate != node.value]
        else:
            return node
        return self._changed(node, iter((f"{node.value} to {other}", ast.Constant(other)) for other in others))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        # Annotations do not change the result.
        return node


def mutants(cell: CellSpec) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The step with one change, and what was changed, as long as there is another one."""
    source = textwrap.dedent(inspect.getsource(cell.step))
    line = cell.step.__code__.co_firstlineno
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    names = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    names = [name for name in dict.fromkeys(names) if name != "lstm"]
    roles = [role.arg for role in function.args.kwonlyargs]
    number = 0
    while True:
        tree = ast.parse(source)
        mutation = Mutation(number, cell, names, roles)
        mutation.visit(tree)
        if mutation.count <= number:
            return
        namespace = dict(cell.step.__globals__)
        namespace |= {name: getattr(activations_module, name) for name in ("sigmoid", "tanh", "relu")}
        ast.increment_lineno(tree, line - 1)
        ast.fix_missing_locations(tree)
        changed = f"line {_changed_line(source, tree, line)}: {mutation.what}"
        try:
            exec(compile(tree, "mutant", "exec"), namespace)
        except NameError:
            number += 1
            continue
        yield changed, namespace[function.name]
        number += 1


def _changed_line(source: str, tree: ast.Module, line: int) -> str:
    before, after = ast.unparse(ast.parse(source)).splitlines(), ast.unparse(tree).splitlines()
    return next((new.strip() for old, new in zip(before, after, strict=True) if old != new), str(line))


def seen(cell: CellSpec, step: Callable[..., Any], name: str) -> bool:
    """Whether a step gives other values than the oracle for some layer."""
    # By its own defaults, and with a different activation in each role, so that none of them can be another one's.
    return _differs(cell, step, name, {}) or (bool(cell.activations) and _differs(cell, step, name, DIFFERENT))


def _differs(cell: CellSpec, step: Callable[..., Any], name: str, roles: Mapping[str, Activation]) -> bool:
    # The steps of the example files have their activations as defaults, which are changed, too.
    chosen = cell.activations if name in CELLS else ()
    if roles:
        chosen = tuple((role, roles[role]) for role, _ in cell.activations)
    functions = {role: function(f.name, f.alpha, f.beta) for role, f in chosen} if roles else None
    try:
        mutant = replace(cell, step=step, activations=chosen)
        layer = draw_layer(mutant, seed=11, timesteps=1, scale=0.9)
        values = step_values(mutant, layer.parameters, layer.x[0], layer.state)
    except (CellError, NameError, TypeError, AttributeError, ValueError):
        return True
    expected = cell_values(name, layer.parameters, layer.x, layer.state, functions)
    if set(values) != set(expected):
        return True
    return any(
        np.shape(values[k]) != array[0].shape or float(np.abs(values[k] - array[0]).max()) > 1e-6
        for k, array in expected.items()
    )


DIFFERENT = {
    "activation": softsign,
    "gate": hard_sigmoid.with_constants(0.1, 0.4),
    "candidate": softsign,
    "output": scaled_tanh.with_constants(0.8, 0.6),
}


@pytest.mark.parametrize("name", nightly_except([name for name in ALL_CELLS if name != "rnn_relu"], "lstm", "gru"))
def test_every_change_of_a_step_is_seen(name):
    """The step of rnn_relu is that of rnn_tanh."""
    cell = ALL_CELLS[name]
    assert not seen(cell, cell.step, name)
    tried = list(mutants(cell))
    assert len(tried) >= LEAST.get(name, 20), len(tried)
    assert [what for what, step in tried if not seen(cell, step, name)] == []
