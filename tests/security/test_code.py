"""Operations that the code never uses: run a shell, unpickle, evaluate texts, open a connection.

Nor does it measure by a clock that a user or a server sets.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.cases import cases

PACKAGE = Path(__file__).parents[2] / "rnnviz"
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

CASES = cases(__file__)
CALLS = CASES["calls"]
IMPORTS, KNOWN_BY = set(CASES["imports"]["none"]), CASES["imports"]["one"]


def dotted(node: ast.expr) -> str:
    """A name with its attributes, such as os.path.join; empty for any other expression."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


class Module:
    """The imports and calls of a module, by full names, and the keyword arguments."""

    def __init__(self, source: str) -> None:
        nodes = list(ast.walk(ast.parse(source)))
        names, self.imports = dict[str, str](), list[str]()
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
                self.imports += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                self.imports.append(node.module or "")
        calls = (dotted(node.func).partition(".") for node in nodes if isinstance(node, ast.Call))
        self.calls = [names.get(first, first) + dot + rest for first, dot, rest in calls]
        self.keywords = [node for node in nodes if isinstance(node, ast.keyword)]


_MODULES = {call.partition(".")[0] for calls in CALLS.values() for call in calls if "." in call} | {*IMPORTS, *KNOWN_BY}
SUSPECT = re.compile(
    rf"^\s*(?:import|from) (?:{'|'.join(map(re.escape, _MODULES - {'numpy', 'ast'}))}|socket)\b"
    r"|\b(?:eval|exec|safe_eval|literal_eval)\(|\b(?:shell|allow_pickle)=",
    re.MULTILINE,
)
"""What the source of a module has if it may have one of them: to parse all of them takes seconds."""


def findings(name: str, source: str) -> list[str]:
    if not SUSPECT.search(source):
        return []
    module = Module(source)
    watched = [what for what in CALLS if name not in CASES["allowed"].get(what, ())]
    found = [f"{what}: {call}" for what in watched for call in module.calls if call in CALLS[what]]
    for keyword in module.keywords:
        if keyword.arg in ("shell", "allow_pickle") and getattr(keyword.value, "value", None) is not False:
            found.append(f"{keyword.arg} in line {keyword.value.lineno}")
    sockets = {call for call in module.calls if call.startswith("socket.")}
    found += [f"{call} called" for call in sockets if call.partition(".")[2] not in CASES["sockets"].get(name, ())]
    for imported in module.imports:
        package = imported.partition(".")[0]
        known = KNOWN_BY.get(package) or KNOWN_BY.get(imported)
        if package in IMPORTS or (known is not None and known != name):
            found.append(f"{imported} imported")
    return found


@pytest.mark.slow
def test_no_module_runs_a_shell_unpickles_reaches_for_a_network_or_trusts_the_clock():
    assert len(MODULES) > 150
    found = {name: findings(name, path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        *("import os as o\no.system('ls')", "from os import popen\npopen('ls')"),
        *("import subprocess\nsubprocess.run('ls', shell=True)", "import pickle"),
        *("import numpy as np\nnp.load('x', allow_pickle=True)", "import torch\ntorch.load('x')", "eval('1')"),
        *("from time import time\ntime()", "import datetime\ndatetime.datetime.now()"),
        *("from urllib.request import urlopen", "import socket\nsocket.create_connection(('a', 1))"),
        *("from PySide6.QtNetwork import QNetworkAccessManager", "import distributed"),
    ],
)
def test_each_of_them_would_be_seen(source):
    assert len(findings("files/x.py", source)) == 1


def test_unpickling_would_be_seen_where_pickle_is_known():
    assert len(findings(KNOWN_BY["pickle"], "from pickle import loads as read\nread(b'')")) == 1
