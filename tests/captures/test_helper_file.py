"""The capture as one file, in an environment with NumPy 2 and without rnnviz."""

import ast
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import rnnviz
from rnnviz.captures import rnn_capture
from rnnviz.cli import main
from rnnviz.verify.verdict import Verdict
from tests.cases import cases

SCRIPT = cases(__file__)["script"]


def test_the_helper_runs_on_python_3_9_and_imports_numpy_alone():
    tree = ast.parse(Path(rnn_capture.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}


@pytest.mark.nightly
def test_a_capture_with_numpy_2_opens_here(tmp_path, capsys):
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    installed = subprocess.run(
        [*install, "install", "-q", "numpy>=2", "keras>=3", "jax"], capture_output=True, text=True, timeout=100
    )
    if installed.returncode:
        pytest.skip(f"Keras cannot be installed: {installed.stderr.strip()}")
    assert main(["capture", "--helper"]) == 0
    (tmp_path / "rnn_capture.py").write_text(capsys.readouterr().out, encoding="utf-8")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": ""}
    script = [str(python), "-c", SCRIPT]
    subprocess.run(script, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=100)
    run = rnnviz.run(rnnviz.load_config(tmp_path / "layer.rnnviz"))
    assert run.verdict is Verdict.AGREE
    assert run.shape == (1, 2, 7, 2, 3)
