"""The guide's page on notebooks in a kernel of Jupyter: its cells run as written, and show what it says."""

import re

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from rnnviz.core.resources import resource_path
from tests.needs import needs

pytestmark = [pytest.mark.slow, needs("anywidget")]


def results(cell: NotebookNode) -> list[dict[str, str]]:
    return [output["data"] for output in cell.outputs if output.output_type == "execute_result"]


def test_the_cells_of_the_guide_show_a_run_and_a_view(tmp_path):
    text = resource_path("guide", "notebooks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    notebook = new_notebook(cells=[new_code_cell(block) for block in (*blocks, "view.selection.index, seen(view)")])
    notebook.cells[0].source = f"seen = lambda view: view.audit['manual']['h'].right\n{notebook.cells[0].source}"
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    run, _, view, value, *_, last = notebook.cells
    assert "<iframe" in results(run)[0]["text/html"]
    assert "is wrong" in results(run)[0]["text/plain"]
    assert (tmp_path / "run.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "application/vnd.jupyter.widget-view+json" in results(view)[0]
    printed = "".join(output["text"] for output in value.outputs if output.output_type == "stream")
    assert "layer 0, forward, t = 0, sample 0, unit 0" in printed
    assert re.search(r"^bug:no-h2h-bias h .* False$", printed, re.MULTILINE)
    assert results(last)[0]["text/plain"] == "((0, 0, 0, 0, 0), True)"
