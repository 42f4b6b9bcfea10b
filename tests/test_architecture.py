"""The direction of imports, which holds the parts of the program apart."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from tests.programs import python

ROOT = Path(__file__).parents[1]

# What each part may import beyond the standard library, where the answer is short enough to be a rule.
_NUMPY_ONLY = ("core", "steps", "verify", "explain", "reading", "dependence", "series")
THIRD_PARTY = {f"rnnviz.{part}": {"numpy"} for part in _NUMPY_ONLY}
BROUGHT = {"shiboken6": "PySide6"}
"""Packages that another one brings in its own version."""

HEAVY = {"PySide6", "mxnet", "onnx", "onnxruntime", "pyqtgraph", "torch"}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("rnnviz", include_external_packages=True, cache_dir=None)


def third_party(graph: grimp.ImportGraph, part: str) -> Iterator[tuple[str, str]]:
    """Every import of another project's package in `part`, as (importing module, package)."""
    for module in sorted({part} | graph.find_descendants(part)):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            package = imported.partition(".")[0]
            if package != "rnnviz" and package not in sys.stdlib_module_names:
                yield module, package


def test_no_modules_import_each_other_in_a_cycle(graph):
    # The package itself imports its parts only when they are asked for.
    imports = {
        module: {name for name in graph.find_modules_directly_imported_by(module) if name.startswith("rnnviz.")}
        for module in graph.modules
        if module.startswith("rnnviz.")
    }
    while leaves := {module for module, imported in imports.items() if not imported}:
        imports = {module: imported - leaves for module, imported in imports.items() if module not in leaves}
    # Modules that no other imports are in no cycle either.
    while (imported := set().union(*imports.values())) != set(imports):
        imports = {module: names for module, names in imports.items() if module in imported}
    assert sorted(imports) == []


NAMED = re.compile(r"sigmoid|tanh|expit")
ACTIVATED = re.compile(r"\b(sigmoid|tanh|expit)\(")


def applied_activations(path: Path) -> Iterator[int]:
    """The lines of a module that apply an activation of the built-in cells, in code or in code that it writes."""
    source = path.read_text(encoding="utf-8")
    # Most modules name no activation, and parsing them takes seconds.
    nodes = list(ast.walk(ast.parse(source))) if NAMED.search(source) else []
    statements = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        text = ""
        if isinstance(node, ast.Call):
            function = node.func
            text = f"{getattr(function, 'attr', getattr(function, 'id', ''))}("
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in statements:
            text = node.value
        if ACTIVATED.search(text):
            yield node.lineno


def test_equations_of_cells_are_written_in_one_package():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "rnnviz").rglob("*.py"))
        if ROOT / "rnnviz" / "cells" not in path.parents
        for line in applied_activations(path)
    ]
    assert found == []


@pytest.mark.parametrize("part", THIRD_PARTY)
def test_a_package_imports_only_its_allowed_packages(graph, part):
    found = list(third_party(graph, part))
    assert found
    assert [(module, package) for module, package in found if package not in THIRD_PARTY[part]] == []


def test_every_import_is_a_declared_dependency(graph):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = {normal(requirement) for requirement in [*project["dependencies"], *extras]}
    distributions = packages_distributions()
    undeclared = [
        (module, package)
        for module, package in third_party(graph, "rnnviz")
        if not declared & {normal(name) for name in distributions.get(BROUGHT.get(package, package), [package])}
    ]
    assert undeclared == []


def normal(requirement: str) -> str:
    name = requirement
    for end in " ;=<>!~[":
        name = name.partition(end)[0]
    return name.lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("module", ["rnnviz", "rnnviz.cli", "rnnviz.gui"])
def test_importing_the_face_loads_nothing_heavy(module):
    code = f"import {module}, sys; print(*sorted({HEAVY} & set(sys.modules)))"
    answer = python("-c", code)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []


@pytest.mark.slow
def test_long_classes_and_parameter_lists_have_a_reason():
    found = []
    for path in sorted((ROOT / "rnnviz").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                count, most, what = sum(isinstance(item, ast.FunctionDef) for item in node.body), 30, "methods"
            elif isinstance(node, ast.FunctionDef):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count, most, what = sum(item.arg not in ("self", "cls") for item in taken), 8, "parameters"
            else:
                continue
            if count > most and what not in (ast.get_docstring(node) or "").lower():
                found.append(f"{path.name}: {node.name} has {count} {what}")
    assert found == []
