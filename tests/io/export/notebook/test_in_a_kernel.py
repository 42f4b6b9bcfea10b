"""Notebooks run as their readers run them: by a kernel, with the real Gluon."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from jupyter_client.client import KernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from rnnviz.io.export.notebook import write_notebook
from tests.factories import make_result
from tests.io.export.notebook.running import read
from tests.needs import needs

pytestmark = [
    pytest.mark.slow,
    needs("mxnet"),
]


class Kernel(NamedTuple):
    """A kernel that runs, and the channels to it."""

    manager: KernelManager
    client: KernelClient


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
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


def failure(path: Path, before: str, weight: str, kernel: Kernel) -> str:
    """The error when one number of a weight changes before the cell with the text `before`."""
    notebook = read(path)
    place = next(k for k, own in enumerate(notebook.cells) if own.cell_type == "code" and before in own.source)
    change = f"{weight} = {weight}.copy()\n{weight}[1, 2] += 2"
    notebook.cells.insert(place, nbformat.v4.new_code_cell(change))
    with pytest.raises(CellExecutionError, match="Not equal to tolerance") as caught:
        execute(notebook, kernel)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cell", "bidirectional", "layers"),
    [("rnn_relu", False, 2), ("rnn_tanh", True, 1), ("lstm", False, 1), ("lstm", True, 2), ("gru", True, 2)],
)
def test_a_notebook_runs_clean(tmp_path: Path, kernel: Kernel, cell: str, bidirectional: bool, layers: int) -> None:
    path = tmp_path / "run.ipynb"
    write_notebook(make_result(cell=cell, bidirectional=bidirectional, num_layers=layers), path)
    printed = execute(read(path), kernel)
    assert "Without MXNet" not in printed
    assert printed.count("largest difference") > 3 * layers


@pytest.mark.parametrize("cell", ["rnn_relu", "lstm"])
def test_a_notebook_fails_with_one_weight_perturbed(tmp_path: Path, kernel: Kernel, cell: str) -> None:
    path = tmp_path / "run.ipynb"
    write_notebook(make_result(cell=cell, bidirectional=True, num_layers=2), path)
    everywhere = failure(path, "recorded_out = ", "l1_h2h_weight", kernel)
    assert "model = rnn." in everywhere
    by_hand_alone = failure(path, "def step(", "r0_h2h_weight", kernel)
    assert "final h of layer 0, backward" in by_hand_alone
