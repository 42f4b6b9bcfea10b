"""Notebooks run as their readers run them: by a kernel, with the real Gluon."""

from typing import Any, NamedTuple

import nbformat
import pytest
from jupyter_client.client import KernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

from rnnviz.io.export.notebook import write_notebook
from tests.factories import make_result
from tests.io.export.notebook.running import read
from tests.needs import needs

pytestmark = [pytest.mark.slow, needs("mxnet")]


class Kernel(NamedTuple):
    manager: KernelManager
    client: KernelClient


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all: most of the time would else go into starting them."""
    manager, client = start_new_kernel(startup_timeout=60)
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(notebook: Any, kernel: Kernel) -> str:
    """Run every cell, after nothing is left of the notebook before it, and return what is printed."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    client = NotebookClient(notebook, km=kernel.manager, timeout=60)
    client.kc = kernel.client
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert {output.get("name") for output in outputs} <= {"stdout"}
    return "".join(output.text for output in outputs)


@pytest.mark.parametrize(
    ("cell", "bidirectional", "layers"), [("rnn_relu", False, 2), ("lstm", True, 2), ("gru", True, 1)]
)
def test_a_notebook_runs_clean(tmp_path, kernel, cell, bidirectional, layers):
    path = tmp_path / "run.ipynb"
    write_notebook(make_result(cell=cell, bidirectional=bidirectional, num_layers=layers), path)
    printed = execute(read(path), kernel)
    assert "Without MXNet" not in printed
    assert printed.count("largest difference") > 3 * layers
