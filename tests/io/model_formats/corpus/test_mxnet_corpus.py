"""Parameters as users of MXNet save them: each network computes what MXNet does, or says why it is not read."""

import json
import struct
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.corpus.cases import computed_on, entry_of
from tests.io.model_formats.sources import network, read_parameters, weights_of
from tests.needs import needs
from tests.oracles.computed import assert_near

pytestmark = [pytest.mark.slow, needs("mxnet"), pytest.mark.filterwarnings("ignore:NTC layout detected")]
BATCH, TIMESTEPS, FEATURES, HIDDEN = 2, 5, 3, 4

Block = Any


@pytest.fixture(scope="module")
def mx():
    from rnnviz.engines.gluon import mx

    return mx


@dataclass(frozen=True)
class Case:
    """A block, and the entries of its file by the path to the block that each is compared with, and its cell.

    `structured` are those of `save_parameters`, `prefixed` those of `collect_params().save`, and `refused` are entries
    of the first with a keyword of the reason. A cell in parentheses must be chosen.
    """

    build: Callable[[Any], Block]
    structured: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    prefixed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "float32"


def fused(kind: str, layers: int = 1, both: bool = False, **options: Any) -> Callable[[Any], Block]:
    def build(mx: Any) -> Block:
        made = getattr(mx.gluon.rnn, kind)
        return made(HIDDEN, layers, bidirectional=both, input_size=FEATURES, prefix="net_", **options)

    return build


def cell(kind: str, features: int = FEATURES, **options: Any) -> Callable[[Any], Block]:
    """A cell or a layer under the prefix that Gluon gives it."""
    return lambda mx: getattr(mx.gluon.rnn, kind)(HIDDEN, input_size=features, **options)


def listed(container: str, *made: Callable[[Any], Block]) -> Callable[[Any], Block]:
    def build(mx: Any) -> Block:
        block = getattr(mx.gluon.rnn, container, None) or getattr(mx.gluon.nn, container)
        block = block(prefix="net_")
        with block.name_scope():
            for one in made:
                block.add(one(mx))
        return block

    return build


def attributes(**made: Callable[[Any], Block]) -> Callable[[Any], Block]:
    """A block of the user's own with others as its attributes."""

    def build(mx: Any) -> Block:
        block = mx.gluon.Block(prefix="net_")
        with block.name_scope():
            for name, one in made.items():
                setattr(block, name, one(mx))
        return block

    return build


def both(kind: str, **options: Any) -> Callable[[Any], Block]:
    return lambda mx: mx.gluon.rnn.BidirectionalCell(cell(kind, **options)(mx), cell(kind, **options)(mx))


def around(kind: str, inner: Callable[[Any], Block], *options: Any) -> Callable[[Any], Block]:
    def build(mx: Any) -> Block:
        wrapper = getattr(mx.gluon.rnn, kind, None) or getattr(mx.gluon.contrib.rnn, kind)
        return wrapper(inner(mx), *options)

    return build


def contributed(kind: str, *arguments: Any, **options: Any) -> Callable[[Any], Block]:
    return lambda mx: getattr(mx.gluon.contrib.rnn, kind)(*arguments, **options)


def lists_in_both_directions(mx: Any) -> Block:
    sides = [mx.gluon.rnn.HybridSequentialRNNCell(prefix=f"{side}_") for side in "lr"]
    for side in sides:
        with side.name_scope():
            side.add(cell("GRUCell")(mx))
    return mx.gluon.rnn.BidirectionalCell(*sides)


FUSED = {"LSTM": "lstm", "GRU": "gru", "RNN": "(rnn_relu)"}
CONVOLUTIONS = {"Conv1DLSTMCell": (3, 8), "Conv2DGRUCell": (3, 8, 8), "Conv1DRNNCell": (3, 8)}
TABLE = tomllib.loads(Path(__file__).with_name("mxnet.toml").read_text(encoding="utf-8"))
CASES: dict[str, Case] = {
    **{name: Case(eval(row.pop("build"), globals()), **row) for name, row in TABLE.items()},
    **{
        f"{kind} of {layers} layers{', both directions' * two}": Case(
            fused(kind, layers, two), {"*": ("", cell)}, {"*": ("", cell)}
        )
        for kind, cell in FUSED.items()
        for layers in (1, 3)
        for two in (False, True)
    },
    **{
        kind: Case(contributed(kind, shape, 4, 3, 3, i2h_pad=1), refused={"*": "must have 2 sizes"})
        for kind, shape in CONVOLUTIONS.items()
    },
}


def filled(mx: Any, block: Block, dtype: str) -> Block:
    block.initialize()
    if dtype != "float32":
        block.cast(dtype)
    rng = np.random.default_rng(4)
    for parameter in block.collect_params().values():
        parameter.set_data(mx.nd.array(rng.normal(scale=0.5, size=parameter.shape), dtype=dtype))
    return block


def at(block: Block, path: str) -> Block:
    for part in path.split(".") if path else ():
        place = int(part) if part.isdigit() else part
        block = getattr(block, part) if hasattr(block, part) else block[place]
    return block


@dataclass(frozen=True)
class Computed:
    """x (N, T, I), h and c (L·D, N, H) as they are at first, and out (N, T, D·H), which MXNet computes of them."""

    x: NDArray[Any]
    state: dict[str, NDArray[Any]]
    out: NDArray[Any]


def computed_by(mx: Any, block: Block, dtype: str) -> Computed:
    """The outputs of a layer or a cell in float32 or float64."""
    if dtype == "float16":
        block.cast("float32")
    kept = "float64" if dtype == "float64" else "float32"
    rng, weights = np.random.default_rng(5), block.collect_params()
    features = next(parameter.shape[1] for name, parameter in weights.items() if name.endswith("i2h_weight"))
    x = rng.normal(size=(BATCH, TIMESTEPS, features)).astype(kept)
    begins = [rng.normal(size=state["shape"]).astype(kept) for state in block.state_info(BATCH)]
    if isinstance(block, mx.gluon.rnn.rnn_layer._RNNLayer):
        time_first = block._layout == "TNC"
        given = mx.nd.array(x.swapaxes(0, 1) if time_first else x, dtype=kept)
        out, _ = block(given, [mx.nd.array(state, dtype=kept) for state in begins])
        found = out.asnumpy().swapaxes(0, 1) if time_first else out.asnumpy()
        return Computed(x, dict(zip("hc", begins, strict=False)), found)
    given = [mx.nd.array(state, dtype=kept) for state in begins]
    out, _ = block.unroll(TIMESTEPS, mx.nd.array(x, dtype=kept), begin_state=given, layout="NTC", merge_outputs=True)
    sides = 2 if isinstance(block, mx.gluon.rnn.BidirectionalCell) else 1
    kinds = len(begins) // sides
    state = {kind: np.stack(begins[k::kinds]) for k, kind in enumerate("hc"[:kinds])}
    if isinstance(block, mx.gluon.rnn.ResidualCell):
        out = out - mx.nd.array(x, dtype=kept)
    return Computed(x, state, out.asnumpy())


def only(path: Path, name: str) -> str | None:
    return None if name == "*" else name


def assert_computes(path: Path, name: str, kind: str, expected: Computed) -> None:
    entry = entry_of(path, only(path, name))
    assert entry.supported, entry.reason
    chosen = kind.strip("()")
    if kind == chosen:
        assert entry.cell == kind
    else:
        assert entry.cell is None
        assert chosen in entry.cells
    ran = computed_on(path, expected.x, entry.name, chosen, expected.state)
    assert_near(ran.out.swapaxes(0, 1), expected.out, 1e-5, name)


@pytest.mark.parametrize("name", CASES)
def test_each_network_equals_mxnet_or_has_the_reason_why_it_is_not_read(mx, name, tmp_path):
    case = CASES[name]
    block = filled(mx, case.build(mx), case.dtype)
    structured, prefixed = tmp_path / "s.params", tmp_path / "p.params"
    block.save_parameters(str(structured))
    block.collect_params().save(str(prefixed))
    for path in (structured, prefixed):
        for refused, keyword in case.refused.items():
            entry = entry_of(path, only(path, refused))
            assert not entry.supported
            assert keyword in entry.reason
    for path, networks in ((structured, case.structured), (prefixed, case.prefixed)):
        if networks:
            assert len(entries_of(path)) == len(networks)
        for entry_name, (place, kind) in networks.items():
            assert_computes(path, entry_name, kind, computed_by(mx, at(block, place), case.dtype))


def checkpoint(mx: Any, cells: Any, path: Path, *, packed: bool = False) -> tuple[Path, Computed]:
    """The checkpoint of a Module with cells of `mx.rnn`, and what they compute; `packed` is in one vector."""
    out, _ = cells.unroll(TIMESTEPS, mx.sym.Variable("data"), layout="NTC", merge_outputs=True)
    shapes, _, _ = out.infer_shape(data=(BATCH, TIMESTEPS, FEATURES))
    rng = np.random.default_rng(6)
    names = zip(out.list_arguments(), shapes, strict=True)
    arrays = {name: rng.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in names}
    bound = out.bind(mx.cpu(), {name: mx.nd.array(array) for name, array in arrays.items()})
    computed = bound.forward()[0].asnumpy()
    x = arrays.pop("data")
    weights = {name: mx.nd.array(array) for name, array in arrays.items()}
    if packed:
        mx.model.save_checkpoint(str(path / "net"), 1, mx.sym.FullyConnected(out, num_hidden=2), weights, {})
    else:
        mx.rnn.save_rnn_checkpoint(cells, str(path / "net"), 1, out, weights, {})
    return path / "net-0001.params", Computed(x, {}, computed)


def stack(mx: Any, *cells: Any) -> Any:
    made = mx.rnn.SequentialRNNCell()
    for one in cells:
        made.add(one)
    return made


SYMBOLIC: dict[str, tuple[Callable[[Any], Any], dict[str, tuple[str | None, int]]]] = {
    "lstm": (lambda mx: mx.rnn.LSTMCell(HIDDEN), {"lstm": (None, 1)}),
    "gru": (lambda mx: mx.rnn.GRUCell(HIDDEN, prefix="a_"), {"a": ("gru", 1)}),
    "stack": (
        lambda mx: stack(mx, *(mx.rnn.GRUCell(HIDDEN, prefix=f"gru_l{n}_") for n in range(2))),
        {"gru": ("gru", 2)},
    ),
    "fused": (lambda mx: mx.rnn.FusedRNNCell(HIDDEN, 2, mode="lstm", prefix="e_"), {"e": ("lstm", 2)}),
    "unlike": (
        lambda mx: stack(mx, mx.rnn.GRUCell(HIDDEN, prefix="l0_"), mx.rnn.GRUCell(5, prefix="l1_")),
        {"l0": ("gru", 1), "l1": ("gru", 1)},
    ),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_checkpoints_of_symbolic_cells(mx, name, tmp_path):
    build, networks = SYMBOLIC[name]
    path, expected = checkpoint(mx, build(mx), tmp_path)
    assert {entry.name: (entry.cell, entry.num_layers) for entry in entries_of(path)} == networks
    x = expected.x
    for entry_name in networks:
        x = computed_on(path, x, entry_name, "lstm").out.swapaxes(0, 1)
    assert_near(x, expected.out, 1e-5)


@pytest.mark.parametrize(
    ("cell", "layers", "both"), [("rnn_relu", 3, True), ("rnn_tanh", 1, False), ("lstm", 3, False), ("gru", 1, True)]
)
def test_packed_weights_are_cut_by_the_sizes_in_the_symbol(mx, tmp_path, cell, layers, both):
    fused = mx.rnn.FusedRNNCell(HIDDEN, layers, mode=cell, bidirectional=both, prefix="enc_")
    path, expected = checkpoint(mx, fused, tmp_path, packed=True)
    (entry,) = entries_of(path)
    assert (entry.name, entry.input_size, entry.num_layers, entry.bidirectional) == ("enc", FEATURES, layers, both)
    assert_near(computed_on(path, expected.x, "enc", cell).out.swapaxes(0, 1), expected.out, 1e-5)


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        (None, "in one vector without sizes: put net-symbol.json"),
        ("{", "net-symbol.json is not an MXNet symbol"),
        ('{"nodes": [{"op": "RNN", "inputs": [[0, 0], [9, 0]]}, 3]}', "which no RNN in net-symbol.json reads"),
        (("num_layers", "3"), "do not fit the 3 × 4 lstm units of net-symbol.json"),
        (("mode", "lstn"), "the mode 'lstn' in net-symbol.json is not supported"),
        (("state_size", "-4"), "has it with state_size = '-4'"),
        (("lstm_state_clip_min", "-1"), "lstm_state_clip_min = -1 in net-symbol.json is not supported"),
    ],
)
def test_packed_weights_that_no_symbol_fits_are_refused_with_the_reason(mx, tmp_path, symbol, said):
    path, _ = checkpoint(mx, mx.rnn.FusedRNNCell(HIDDEN, 2, mode="lstm", prefix="enc_"), tmp_path, packed=True)
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


def test_an_exported_block_is_read(mx, tmp_path):
    made = filled(mx, fused("LSTM", 2)(mx), "float32")
    made.hybridize()
    expected = computed_by(mx, made, "float32")
    made.export(str(tmp_path / "net"))
    assert_computes(tmp_path / "net-0000.params", "*", "lstm", expected)


def test_numpy_arrays_and_scalars_are_read_from_their_own_file_version(mx, tmp_path):
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
def test_the_older_forms_of_an_array_are_read(mx, tmp_path, version):
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
def test_a_sparse_array_is_listed_and_the_dense_ones_are_read(mx, tmp_path, kind):
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
