"""Long reads in pieces: content, progress and memory."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnnviz.core.config import Network
from rnnviz.core.progress import expect, watched
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io import bounded_read as pieces
from rnnviz.io.bounded_read import limited_memory, read_pieces
from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.samples import WRITERS
from tests.io.model_formats.sources import in_torch_names, read_parameters, weights_of


@pytest.mark.parametrize(("size", "told"), [(7, [3 / 8, 6 / 8, 7 / 8]), (100, [3 / 8, 6 / 8, 1.0]), (0, [])])
def test_a_chunked_read_reports_progress_and_ends_with_the_file(
    size: int, told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3)
    found: list[float] = []
    with watched(found.append):
        expect(8)
        assert bytes(read_pieces(BytesIO(b"12345678"), size)) == b"12345678"[:size]
    assert found == told


# MXNet takes seconds to be imported.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "w.params" else []) for name in WRITERS]
)
def test_every_format_reports_the_progress_of_reading_weights(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    entry = next(entry for entry in entries_of(path) if entry.supported)
    network = entry.network(entry.cell or entry.cells[0])
    told: list[float] = []
    with watched(told.append):
        read_parameters(path, entry.name, network)
    # What is small in an ONNX message is read with it, and Keras has one bias where Gluon has two.
    assert told == [] if name == "w.onnx" else 0.8 < told[-1] <= 1.0


def read_within(path: Path, name: str, network: Network, allowance: int) -> float:
    from rnnviz.io.model_formats.formats import open_model
    from rnnviz.io.model_formats.load import choose, read_weights

    with limited_memory(allowance):
        model = open_model(path)
        read = read_weights(model, choose(model.entries, name, path), network)
    return float(read["l0_h2h_weight"][-1, -1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux holds a process to a limit")
def test_of_two_networks_only_the_chosen_one_takes_memory(tmp_path: Path) -> None:
    """Each has 16.8 MB in two large arrays; its weights, a copy of one of them and what belongs to it fit into 32."""
    network = Network("lstm", 724, 724)
    arrays = {name: in_torch_names(weights_of(network, seed), f"{name}.") for seed, name in enumerate("ab")}
    path = tmp_path / "w.safetensors"
    save_file({**arrays["a"], **arrays["b"]}, path)
    assert path.stat().st_size > 32 << 20
    expected = arrays["b"]["b.weight_hh_l0"][-1, -1]
    assert call_in_subprocess(read_within, path, "b", network, 32 << 20, what="x") == np.float32(expected)
