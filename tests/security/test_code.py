"""What the code does not do, whatever it is given: run a shell, unpickle, evaluate texts, reach for a network."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "rnnviz"
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

CALLS = {
    "a shell": {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"},
    "unpickling": {
        *(f"{module}.{name}" for module in ("pickle", "cPickle", "marshal", "dill") for name in ("load", "loads")),
        *("pickle.Unpickler", "shelve.open", "joblib.load", "torch.load", "pandas.read_pickle", "polars.read_pickle"),
    },
    "evaluation": {"eval", "exec", "builtins.eval", "builtins.exec", "numpy.safe_eval", "ast.literal_eval"},
}
ALLOWED = {
    # The user's own file, which they have been asked about.
    ("evaluation", "engines/own/recurrence.py"),
}
IMPORTS = {"urllib", "http", "requests", "ftplib", "smtplib", "xmlrpc", "telnetlib", "webbrowser", "ssl"}
# The window hears signals by a pair of sockets; a sweep's cluster is one that the user names.
SOCKETS = {"gui/application.py": {"socketpair"}}
CLUSTER = "runs/sweep/cluster.py"
# A machine of its own for PyTorch's files, which calls nothing that they name.
UNPICKLER = "files/models/pickled.py"


def called(tree: ast.AST) -> Iterator[str]:
    """The dotted name of everything that is called, with the names that modules were imported by."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            dotted = ast.unparse(node.func)
            first, dot, rest = dotted.partition(".")
            yield names.get(first, first) + dot + rest


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def findings(name: str, source: str) -> list[str]:
    """What a module does that none may."""
    tree = ast.parse(source)
    found = [f"{what} ({call})" for what in CALLS for call in called(tree) if call in CALLS[what]]
    found = [finding for finding in found if (finding.partition(" (")[0], name) not in ALLOWED]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            right = isinstance(node.value, ast.Constant) and node.value.value is False
            found += [] if right else [f"{node.arg} in line {node.value.lineno}"]
    found += [f"{module} imported" for module in imported(tree) if module.partition(".")[0] in IMPORTS]
    sockets = {call for call in called(tree) if call.startswith("socket.")}
    found += [f"{call} called" for call in sockets if call.partition(".")[2] not in SOCKETS.get(name, set())]
    found += [] if name == CLUSTER else [f"{m} imported" for m in imported(tree) if m.startswith("distributed")]
    found += (
        [] if name == UNPICKLER else [f"{m} imported" for m in imported(tree) if m in ("pickle", "marshal", "shelve")]
    )
    found += ["QtNetwork imported" for module in imported(tree) if module.startswith("PySide6.QtNetwork")]
    return found


def test_no_module_runs_a_shell_unpickles_or_reaches_for_a_network() -> None:
    assert len(MODULES) > 300
    found = {name: findings(name, path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import os as o\no.system('ls')",
        "from os import popen\npopen('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import pickle",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import torch\ntorch.load('x')",
        "eval('1')",
        "from urllib.request import urlopen",
        "import socket\nsocket.create_connection(('a', 1))",
        "from PySide6.QtNetwork import QNetworkAccessManager",
        "import distributed",
    ],
)
def test_each_of_them_would_be_seen(source: str) -> None:
    assert len(findings("files/x.py", source)) == 1


def test_unpickling_would_be_seen_where_pickle_is_known() -> None:
    assert len(findings(UNPICKLER, "from pickle import loads as read\nread(b'')")) == 1
