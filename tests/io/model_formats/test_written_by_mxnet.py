"""MXNet's own files, read without MXNet: every way to save a layer gives the weights that it computes with."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.sources import (
    HIDDEN,
    INPUT,
    NETWORKS,
    Source,
    assert_computes,
    network,
    random_arrays,
    read_parameters,
    sequence_and_states,
    weights_of,
)
from tests.needs import needs

pytestmark = needs("mxnet")


@pytest.fixture(scope="module")
def mx() -> Any:
    from rnnviz.engines.gluon import mx

    return mx


def block(mx: Any, cell: str, layers: int = 1, both: bool = False, **options: Any) -> Any:
    rnn = mx.gluon.rnn
    kinds = {"lstm": rnn.LSTM, "gru": rnn.GRU}
    if cell not in kinds:
        options["activation"] = cell.removeprefix("rnn_")
    made = kinds.get(cell, rnn.RNN)(HIDDEN, layers, bidirectional=both, input_size=INPUT, **options)
    made.initialize()
    weights = weights_of(network(cell, layers, both))
    for name, parameter in made.collect_params().items():
        parameter.set_data(mx.nd.array(weights[name.removeprefix(made.prefix)]))
    return made


def answer(mx: Any, made: Any, cell: str, layers: int, both: bool) -> Source:
    inputs = sequence_and_states(cell, layers, both)
    states = [mx.nd.array(np.array(state)) for state in inputs.initial_state.values()]
    out, final = made(mx.nd.array(np.array(inputs.sequence)), states)
    return Source(out.asnumpy(), tuple(state.asnumpy() for state in final))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_types_are_widened_or_preserved(mx: Any, tmp_path: Path, dtype: str) -> None:
    made, path = block(mx, "gru"), tmp_path / "w.params"
    made.cast(dtype)
    made.save_parameters(str(path))
    (entry,) = entries_of(path)
    assert entry.dtype == dtype
    read = read_parameters(path, None, entry.network())
    expected = weights_of(network("gru", 1, False))["l0_h2h_weight"].astype(dtype)
    np.testing.assert_array_equal(read["l0_h2h_weight"].astype(dtype), expected)


def model(mx: Any) -> Any:
    """Recurrent blocks of every kind among others."""
    rnn, nn = mx.gluon.rnn, mx.gluon.nn
    made = nn.Sequential()
    with made.name_scope():
        made.add(nn.Embedding(9, INPUT))
        made.add(rnn.LSTM(HIDDEN, 2, bidirectional=True, input_size=INPUT))
        stack = rnn.SequentialRNNCell()
        with stack.name_scope():
            stack.add(rnn.LSTMCell(HIDDEN, input_size=INPUT))
            stack.add(rnn.LSTMCell(HIDDEN, input_size=HIDDEN))
        made.add(stack)
        made.add(rnn.BidirectionalCell(rnn.GRUCell(5, input_size=INPUT), rnn.GRUCell(5, input_size=INPUT)))
        made.add(rnn.ResidualCell(rnn.RNNCell(INPUT, input_size=INPUT)))
        made.add(nn.Dense(2, in_units=HIDDEN))
    made.initialize()
    return made


def test_a_module_s_checkpoint_is_read_as_the_block_s_own_file(mx: Any, tmp_path: Path) -> None:
    made = block(mx, "lstm", 2)
    made.hybridize()
    expected = answer(mx, made, "lstm", 2, False)
    made.export(str(tmp_path / "net"))
    assert_computes(tmp_path / "net-0000.params", "lstm", expected)


@pytest.fixture
def checkpoint(mx: Any, tmp_path: Path) -> Callable[..., tuple[Path, Source]]:
    """Writes the checkpoint of a model with a fused cell among other layers, and returns the cell's outputs."""

    def write(cell: str, layers: int, both: bool) -> tuple[Path, Source]:
        fused = mx.rnn.FusedRNNCell(HIDDEN, layers, mode=cell, bidirectional=both, prefix="enc_", get_next_state=True)
        inputs = sequence_and_states(cell, layers, both)
        begins = {f"begin{k}": np.array(array) for k, array in enumerate(inputs.initial_state.values())}
        out, states = fused.unroll(
            5, mx.sym.Variable("x"), [mx.sym.Variable(name) for name in begins], layout="TNC", merge_outputs=True
        )
        model = mx.sym.FullyConnected(out, num_hidden=2, name="last")
        group = mx.sym.Group([model, out, *states])
        given = {"x": np.array(inputs.sequence), **begins}
        shapes, _, _ = group.infer_shape(**{name: array.shape for name, array in given.items()})
        weights = random_arrays(dict(zip(group.list_arguments(), shapes, strict=True)))
        values = {**weights, **given}
        bound = group.bind(mx.cpu(), {name: mx.nd.array(value) for name, value in values.items()})
        _, computed, *finals = (array.asnumpy() for array in bound.forward())
        weights = {name: mx.nd.array(value) for name, value in weights.items() if name not in given}
        assert set(weights) == {"enc_parameters", "last_weight", "last_bias"}
        mx.model.save_checkpoint(str(tmp_path / "net"), 7, model, weights, {})
        return tmp_path / "net-0007.params", Source(computed, tuple(finals))

    return write


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_packed_weights_are_cut_by_the_sizes_in_the_symbol(
    checkpoint: Callable[..., tuple[Path, Source]], cell: str, layers: int, both: bool
) -> None:
    path, source = checkpoint(cell, layers, both)
    (entry,) = entries_of(path)
    assert (entry.name, entry.input_size, entry.num_layers, entry.bidirectional) == ("enc", INPUT, layers, both)
    assert_computes(path, cell, source)


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        (None, "in one vector without sizes: put net-symbol.json"),
        ("{", "net-symbol.json is not an MXNet symbol"),
        ('{"nodes": [{"op": "RNN", "inputs": [[0, 0], [9, 0]]}, 3]}', "which no RNN in net-symbol.json reads"),
        (("num_layers", "3"), "does not fit the 3 layers of 4 units of the cell lstm in net-symbol.json"),
        (("mode", "lstn"), "net-symbol.json has it in the mode 'lstn'"),
        (("state_size", "-4"), "has it with state_size = '-4'"),
        (("lstm_state_clip_min", "-1"), "lstm_state_clip_min = -1 is not supported"),
    ],
)
def test_packed_weights_that_no_symbol_fits_are_refused_with_the_reason(
    checkpoint: Callable[..., tuple[Path, Source]], symbol: Any, said: str
) -> None:
    path, _ = checkpoint("lstm", 2, False)
    file = path.with_name("net-symbol.json")
    if symbol is None:
        file.unlink()
    elif isinstance(symbol, str):
        file.write_text(symbol, encoding="utf-8")
    else:
        graph = json.loads(file.read_text(encoding="utf-8"))
        (node,) = (node for node in graph["nodes"] if node["op"] == "RNN")
        node["attrs"][symbol[0]] = symbol[1]
        file.write_text(json.dumps(graph), encoding="utf-8")
    (entry,) = entries_of(path)
    assert not entry.supported
    assert said in entry.reason


@pytest.mark.parametrize("form", ["by gate", "by layer"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_packed_weights_are_read_once_they_are_unpacked_as_advised(
    mx: Any, tmp_path: Path, cell: str, form: str
) -> None:
    made = block(mx, cell, 2, True)
    fused = mx.rnn.FusedRNNCell(HIDDEN, num_layers=2, mode=cell, bidirectional=True, prefix="enc_")
    by_kind: dict[str, list[Any]] = {"weight": [], "bias": []}
    for name, array in weights_of(network(cell, 2, True)).items():
        by_kind[name.rsplit("_", 1)[1]].append(mx.nd.array(array).reshape(-1))
    packed = {"enc_parameters": mx.nd.concat(*by_kind["weight"], *by_kind["bias"], dim=0), "out_bias": mx.nd.ones(3)}
    if form == "by gate":
        mx.rnn.save_rnn_checkpoint(fused, str(tmp_path / "net"), 1, mx.sym.Variable("x"), packed, {})
    else:
        unpacked = fused.unfuse().pack_weights(fused.unpack_weights(packed))
        mx.model.save_checkpoint(str(tmp_path / "net"), 1, None, unpacked, {})
    assert_computes(tmp_path / "net-0001.params", cell, answer(mx, made, cell, 2, True), "enc")


def test_numpy_arrays_and_scalars_are_read_from_their_own_file_version(mx: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.params"
    mx.npx.set_np()
    try:
        arrays = {name: mx.np.array(array) for name, array in weights_of(network("gru", 1, False)).items()}
        mx.npx.save(str(path), {**arrays, "scalar": mx.np.array(1.0), "empty": mx.np.zeros((0, 3))})
    finally:
        mx.npx.reset_np()
    read = read_parameters(path, None, network("gru", 1, False))
    np.testing.assert_array_equal(read["l0_h2h_bias"], weights_of(network("gru", 1, False))["l0_h2h_bias"])


@pytest.mark.parametrize("version", [0, 1])
def test_the_older_forms_of_an_array_are_read(mx: Any, tmp_path: Path, version: int) -> None:
    path = tmp_path / "w.params"
    weights = weights_of(network("lstm", 1, False))
    content = struct.pack("<QQQ", 0x112, 0, len(weights))
    for array in weights.values():
        sizes = "<" + ("I" if version == 0 else "q") * array.ndim
        content += b"" if version == 0 else struct.pack("<I", 0xF993FAC8)
        content += struct.pack("<I", array.ndim) + struct.pack(sizes, *array.shape) + struct.pack("<iii", 1, 0, 0)
        content += array.tobytes()
    content += struct.pack("<Q", len(weights))
    for name in weights:
        content += struct.pack("<Q", len(name)) + name.encode()
    path.write_bytes(content)
    # That these are the older forms is MXNet's to say.
    for name, array in mx.nd.load(str(path)).items():
        np.testing.assert_array_equal(array.asnumpy(), weights[name])
    read = read_parameters(path, None, network("lstm", 1, False))
    for name, array in weights.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("kind", ["row_sparse", "csr"])
def test_a_sparse_array_is_listed_and_the_dense_ones_are_read(mx: Any, tmp_path: Path, kind: str) -> None:
    path, weights = tmp_path / "w.params", weights_of(network("gru", 1, False))
    dense = {f"a.{name}": mx.nd.array(array) for name, array in weights.items()}
    kinds = {name: kind if len(array.shape) == 2 else "row_sparse" for name, array in dense.items()}
    sparse = {name.replace("a.", "b."): array.tostype(kinds[name]) for name, array in dense.items()}
    mixed = [pair for pairs in zip(sparse.items(), dense.items(), strict=True) for pair in pairs]
    mx.nd.save(str(path), dict(mixed))
    entries = {entry.name: entry for entry in entries_of(path)}
    assert not entries["b"].supported
    assert entries["b"].dtype in ("row_sparse", "csr")
    read = read_parameters(path, "a", network("gru", 1, False))
    for name, array in weights.items():
        np.testing.assert_array_equal(read[name], array)
