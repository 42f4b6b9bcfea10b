"""Docstrings: shapes of arrays in the core, and numpydoc sections of the public functions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "rnnviz"
FACADE = [ROOT / "__init__.py", ROOT / "core/config.py"]
CORE = sorted((ROOT / "core").glob("*.py"))
CHECKED = ("compare", "consistency_checks", "metrics", "mismatches", "result")
VERIFY = [ROOT / "verify" / f"{name}.py" for name in CHECKED]
ENGINES = [ROOT / "engines/base.py"]
SHAPE = re.compile(r"\([A-Z][A-Z0-9·]*(, [A-Z0-9·]+)*,?\)|of the (same|given|file's|header's) shapes?")


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the public functions and methods of a module."""

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in node.body:
            if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
                yield from visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
                yield f"{prefix}{child.name}", child

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), f"{path.stem}.")


def parameters(function: ast.FunctionDef) -> list[str]:
    names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def documented_names(docstring: str) -> set[str]:
    _, _, section = docstring.partition("Parameters\n----------\n")
    section = re.split(r"\n\w+\n-{3,}\n", section)[0]
    lines = re.findall(r"^(\w[\w, ]*) : ", section, re.MULTILINE)
    return {name for line in lines for name in line.split(", ")}


@pytest.mark.parametrize("path", [*CORE, *VERIFY, *ENGINES], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_that_returns_arrays_documents_their_shape(path):
    without = [
        name
        for name, function in functions(path)
        if function.returns is not None
        and re.search(r"Array\b", ast.unparse(function.returns))
        and not SHAPE.search(ast.get_docstring(function) or "")
    ]
    assert without == []


@pytest.mark.parametrize("path", FACADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_parameters_and_results_of_the_public_face_have_sections(path):
    fewest = 1 if path.stem == "__init__" else 2
    without = []
    for name, function in functions(path):
        if path.stem == "config" and ".Config." not in name:
            continue
        docstring, names = ast.get_docstring(function) or "", parameters(function)
        if len(names) < fewest:
            continue
        returns = "None" if function.returns is None else ast.unparse(function.returns)
        if documented_names(docstring) != set(names):
            without.append(f"{name}: Parameters")
        if returns != "None" and not re.search(r"^(Returns|Yields)\n-", docstring, re.MULTILINE):
            without.append(f"{name}: Returns")
    assert without == []
