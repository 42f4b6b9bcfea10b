"""Files as PyTorch's users save them: each network computes what the module does, or is refused with the reason."""

import argparse
import json
import pickle
import tomllib
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.corpus.torch_modules import Networks, check, gru, lstm, rnn, seeded
from tests.profiles import nightly_except

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow
nn = torch.nn
prune = pytest.importorskip("torch.nn.utils.prune")
norms, parametrizations = nn.utils, nn.utils.parametrizations

Case = Callable[[Path], tuple[Path, Networks | str]]
"""Saves a file in a folder; returns its path, and its networks or a word of the sentence that refuses the file."""
LEGACY: Mapping[str, Any] = {"_use_new_zipfile_serialization": False}


class Model(nn.Module):
    """A stacked LSTM among other layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 3)
        self.norm = nn.LayerNorm(3)
        self.encoder = nn.LSTM(3, 4, 2, bidirectional=True)
        self.decoder = nn.GRUCell(8, 5)
        self.head = nn.Linear(5, 2)
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.norm(x))[0]


def model(seed: int = 4) -> Any:
    return seeded(Model(), seed)


def of_model(made: Any, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}encoder": made.encoder, f"{prefix}decoder": made.decoder}


def saved(make: Callable[[], tuple[Any, Networks | str]], file: str = "w.pt", **options: Any) -> Case:
    """A value that `make` returns with the networks in it, saved with these options."""

    def case(folder: Path) -> tuple[Path, Networks | str]:
        value, networks = make()
        torch.save(value, folder / file, **options)
        return folder / file, networks

    return case


def one(
    name: str, make: Callable[[], Any], wrap: Callable[[Any], Any] = lambda made: made.state_dict(), **options: Any
) -> Case:
    """One module, of which `wrap` makes the saved value."""

    def both() -> tuple[Any, Networks]:
        made = make()
        return wrap(made), {name: made}

    return saved(both, **options)


def refused(name: str, word: str, value: Callable[[], Any], **options: Any) -> Case:
    return saved(lambda: (value(), {name: word} if name else word), **options)


def prefixed(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in state.items()}


def trained(made: Any) -> Any:
    """The state of an optimizer after a step."""
    optimizer = torch.optim.Adam(made.parameters(), amsgrad=True)
    for parameter in made.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer.state_dict()


def checkpoint(prefix: str = "", wrap: Callable[[Any], Any] = lambda made: made.state_dict(), **options: Any) -> Case:
    """The whole model, of which `wrap` makes the saved value."""

    def both() -> tuple[Any, Networks]:
        made = model()
        return wrap(made), of_model(made, prefix)

    return saved(both, **options)


def everything(made: Any) -> dict[Any, Any]:
    """Keys, values and tensors of every type around the state of a module."""
    return {
        0: torch.ones(1),
        1.5: torch.ones(2),
        None: torch.ones(3),
        True: [torch.ones(4)],
        b"bytes": torch.ones(6),
        ("a", 2): torch.ones(5),
        "counter": Counter("aab"),
        "default": defaultdict(list, a=[torch.ones(2)]),
        "values": [{1, "a"}, frozenset({2}), b"\xff\x00", bytearray(b"ab"), 1 + 2j, range(3)],
        "of torch": [
            torch.bfloat16,
            torch.device("cpu"),
            torch.strided,
            torch.Size([2, 3]),
            nn.Parameter(torch.ones(2)),
        ],
        "options": argparse.Namespace(lr=0.1, path=Path("x")),
        "best": np.float64(0.5),
        "random": np.random.default_rng(0).bit_generator.state,
        "history": [torch.ones(2), (torch.ones(3),)],
        "sparse": [torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()],
        "meta": torch.ones(2, device="meta"),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 1, torch.qint8),
        "channels": torch.quantize_per_channel(torch.ones(2, 3), torch.ones(2), torch.zeros(2), 0, torch.qint8),
        "complex": [torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.complex64).conj()],
        "other": [torch.tensor([True]), torch.zeros(0, 3), torch.tensor(2.0)],
        "unsigned": [torch.ones(2, dtype=kind) for kind in (torch.uint16, torch.uint32, torch.uint64)],
        "float8": [torch.ones(2).to(kind) for kind in (torch.float8_e4m3fn, torch.float8_e5m2)],
        "lstm": made.state_dict(),
    }


def lightning(made: Any) -> dict[str, Any]:
    optimizer = torch.optim.SGD(made.parameters(), 0.1, momentum=0.9)
    schedulers = torch.optim.lr_scheduler
    return {
        "epoch": 1,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": OrderedDict(prefixed(made.state_dict(), "net.")),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.3)}},
        "optimizer_states": [trained(made)],
        "lr_schedulers": [
            schedulers.MultiStepLR(optimizer, [2, 4]).state_dict(),
            schedulers.ReduceLROnPlateau(optimizer).state_dict(),
        ],
        "hyper_parameters": {"hidden": 4, "betas": (0.9, 0.99), "device": torch.device("cpu")},
    }


def in_one_storage(made: Any) -> dict[str, Any]:
    flat = torch.cat([torch.randn(5), *(tensor.T.reshape(-1) for tensor in made.state_dict().values())])
    state, begin = {}, 5
    for name, tensor in made.state_dict().items():
        state[name] = flat[begin : begin + tensor.numel()].view(tensor.T.shape).T
        begin += tensor.numel()
    return state


def expanded_bias() -> tuple[Any, Networks]:
    made = gru()
    with torch.no_grad():
        made.bias_hh_l0.fill_(0.25)
    return {**made.state_dict(), "bias_hh_l0": torch.tensor([0.25]).expand(12)}, {"gru": made}


def tied(made: Any) -> dict[str, Any]:
    whole = torch.stack([made.weight_hh_l0, made.weight_hh_l1]).detach()
    return {**made.state_dict(), "weight_hh_l0": whole[0], "weight_hh_l1": whole[1]}


def without_checksums(folder: Path) -> tuple[Path, Networks | str]:
    try:
        torch.serialization.set_crc32_options(False)
        return one("lstm", lstm)(folder)
    finally:
        torch.serialization.set_crc32_options(True)


def in_type(dtype: Any) -> Callable[[], tuple[Any, Networks]]:
    def both() -> tuple[Any, Networks]:
        made = gru().to(dtype)
        return made.state_dict(), {"gru": made.double() if dtype == torch.float64 else made.float()}

    return both


KINDS = {"lstm": lstm, "gru": gru, "rnn_tanh": rnn, "rnn_relu": partial(rnn, nonlinearity="relu")}
STATE_DICTS: dict[str, Case] = {
    **{
        f"{cell} of {layers} layers{', both directions' * both}": one(
            cell.partition("_")[0], partial(make, num_layers=layers, bidirectional=both)
        )
        for cell, make in KINDS.items()
        for layers in (1, 3)
        for both in (False, True)
    },
    **{
        f"{dtype}, {name}": saved(in_type(getattr(torch, dtype)), **options)
        for dtype in ("float16", "bfloat16", "float64")
        for name, options in {"zip": {}, "legacy": LEGACY}.items()
    },
}


def nested_deeply(made: Any) -> Any:
    state: Any = {"weights": made.state_dict()}
    for level in range(12):
        state = {f"level{level}": [state]}
    return state


def pair(make: Callable[[Any, Any], tuple[Any, Networks]], second: Callable[[], Any] = gru) -> Case:
    return saved(lambda: make(lstm(), second()))


def model_and_ema() -> tuple[Any, Networks]:
    first, second = model(), model(9)
    state = {"model": first.state_dict(), "ema": second.state_dict(), "same": first.state_dict()}
    return state, {**of_model(first, "model."), **of_model(second, "ema."), **of_model(first, "same.")}


def modules(prefix: str, made: Any) -> tuple[Any, Networks]:
    """Recurrent modules in a container, by their names in it."""
    layers = {name: child for name, child in made.named_children() if isinstance(child, nn.RNNBase | nn.RNNCellBase)}
    return prefixed(made.state_dict(), prefix), prefixed(layers, prefix)


def cells_of_every_kind() -> Any:
    kinds = {"lstm": nn.LSTMCell(3, 4), "gru": nn.GRUCell(3, 4, bias=False)}
    return seeded(nn.ModuleDict({**kinds, "rnn": nn.RNNCell(3, 4, nonlinearity="relu")}))


def normalized(apply: Callable[[Any], Any], make: Callable[[], Any]) -> Callable[[], Any]:
    """A module whose weights were changed by `apply`, after some forward passes in training mode."""

    def made() -> Any:
        module = seeded(make())
        apply(module)
        module.train()
        with torch.no_grad():
            for _ in range(3):
                module(torch.randn(2, 3) if isinstance(module, nn.RNNCellBase) else torch.randn(2, 1, 3))
        return module.eval()

    return made


def old_weight_norm(made: Any, **dims: Any) -> None:
    for name in ("weight_hh_l0", "weight_ih_l0"):
        norms.weight_norm(made, name, **({"dim": dims[name]} if name in dims else {}))
    with torch.no_grad():
        made.weight_hh_l0_g.mul_(1.7)


def new_weight_norm(made: Any, names: tuple[str, ...] = ("weight_hh_l0",)) -> None:
    for name in names:
        parametrizations.weight_norm(made, name)
    with torch.no_grad():
        made.parametrizations[names[-1]].original0.mul_(1.7)


def pruned(made: Any) -> None:
    prune.l1_unstructured(made, "weight_hh_l0", 0.5)
    prune.random_unstructured(made, "bias_ih_l0", 0.3)


def spectral(*names: str) -> Callable[[Any], Any]:
    return lambda made: [parametrizations.spectral_norm(made, name) for name in names]


def in_half() -> tuple[Any, Networks]:
    made = seeded(nn.LSTM(3, 4))
    old_weight_norm(made)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(parameter.half().float())
    return {name: tensor.half() for name, tensor in made.state_dict().items()}, {"lstm": made}


class Symmetric(nn.Module):
    """A parametrization of the user's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.tril() + x.tril(-1).T


def parametrized(apply: Callable[[Any], Any]) -> Callable[[], Any]:
    def state() -> Any:
        made = seeded(nn.RNN(3, 4))
        apply(made)
        return made.state_dict()

    return state


def weight_dropout(prefix: str, *, kept: bool) -> Callable[[Any], Any]:
    def state(made: Any) -> Any:
        found = prefixed(made.state_dict(), f"{prefix}module.")
        raw = found.pop(f"{prefix}module.weight_hh_l0")
        return {
            **found,
            f"{prefix}weight_hh_l0_raw": raw,
            **({f"{prefix}module.weight_hh_l0": raw * 2} if kept else {}),
        }

    return state


EVERY_WEIGHT = tuple(
    f"weight_{kind}_l{n}{side}" for n in range(2) for side in ("", "_reverse") for kind in ("ih", "hh")
)


class LayerNormCell(nn.LSTMCell):
    def __init__(self, *names: str) -> None:
        super().__init__(3, 4)
        for name in names:
            self.add_module(name, nn.LayerNorm(4))


def with_more(state: Mapping[str, Any], prefix: str = "", **more: tuple[int, ...]) -> dict[str, Any]:
    return prefixed({**state, **{name.replace("__", "."): torch.ones(shape) for name, shape in more.items()}}, prefix)


def without(state: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name: tensor for name, tensor in state.items() if part not in name}


def stored_as(change: Callable[[Any], Any]) -> Callable[[], Any]:
    return lambda: {"rnn": {name: change(tensor) for name, tensor in gru().state_dict().items()}}


def quantized_dynamically() -> Any:
    kinds = nn.ModuleDict({"rnn": nn.LSTM(3, 4, 2), "cell": nn.GRUCell(3, 4)})
    return torch.ao.quantization.quantize_dynamic(kinds, {nn.LSTM, nn.GRUCell}, dtype=torch.qint8).state_dict()


def quantized_head() -> tuple[Any, Networks]:
    made = nn.ModuleDict({"head": nn.Linear(4, 2), "rnn": lstm()})
    return torch.ao.quantization.quantize_dynamic(made, {nn.Linear}).state_dict(), {"rnn": made["rnn"]}


def of_other_libraries() -> tuple[Any, Networks]:
    return {
        "allennlp": {"input_linearity.weight": torch.ones(16, 3), "state_linearity.weight": torch.ones(16, 4)},
        "haste": {"kernel": torch.ones(3, 16), "recurrent_kernel": torch.ones(4, 16), "bias": torch.ones(16)},
        "apex": {"w_ih": torch.ones(16, 3), "w_hh": torch.ones(16, 4)},
        "quantizable": torch.ao.nn.quantizable.LSTM(3, 4).state_dict(),
        "quantized": quantized_dynamically(),
    }, {}


OTHER_FORM = "quantized, sparse, nested, conjugated or pickled"
OTHERS: dict[str, Case] = {
    **{
        name: refused("rnn", word, stored_as(change))
        for name, word, change in (
            ("int8", "int8", lambda tensor: (tensor * 50).to(torch.int8)),
            ("float8", "float8_e4m3fn", lambda tensor: tensor.to(torch.float8_e4m3fn)),
            ("uint16", "uint16", lambda tensor: tensor.to(torch.uint16)),
            ("negative", OTHER_FORM, lambda tensor: torch.complex(torch.zeros_like(tensor), -tensor).conj().imag),
            ("sparse", OTHER_FORM, lambda tensor: tensor.to_sparse()),
            ("meta", OTHER_FORM, lambda tensor: tensor.to("meta")),
            ("quantized", OTHER_FORM, lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)),
            ("numpy arrays", OTHER_FORM, lambda tensor: tensor.numpy()),
        )
    },
}


class Recurrent(nn.Module):
    """A relu RNN under an LSTM in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4, 2, nonlinearity="relu")
        self.lstm = nn.LSTM(4, 5, 2, bidirectional=True)
        self.head = nn.Linear(10, 2)
        self.names = ["a", "b"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.rnn(x)[0])[0])


class Gated(nn.Module):
    """A cell of the user's, with the names of PyTorch's arrays."""

    def __init__(self, nonlinearity: str) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.ones(4, 3))
        self.weight_hh = nn.Parameter(torch.ones(4, 4))
        self.nonlinearity = nonlinearity

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x @ self.weight_ih.T + h @ self.weight_hh.T)


class Cells(nn.Module):
    """Two cells, called once."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.RNNCell(3, 4, nonlinearity="relu")
        self.second = nn.LSTMCell(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x[0]) + self.second(x[0])[0]


def weight_normed() -> Any:
    made = lstm()
    new_weight_norm(made)
    return made


Write = Callable[[Any, Path], None]


def script(made: Any, path: Path, **options: Any) -> None:
    torch.jit.save(torch.jit.script(made), str(path), **options)


def trace(made: Any, path: Path) -> None:
    torch.jit.save(torch.jit.trace(made, torch.ones(2, 1, 3)), str(path))


def export(made: Any, path: Path) -> None:
    torch.export.save(torch.export.export(made, (torch.ones(2, 1, 3),)), path)


def program(write: Write, make: Callable[[], Any], networks: Networks | str | None = None, file: str = "w.pt") -> Case:
    """A program of a module and, unless they are given, its recurrent modules by name."""

    def case(folder: Path) -> tuple[Path, Networks | str]:
        made = make()
        write(made, folder / file)
        layers = {name: each for name, each in made.named_modules() if isinstance(each, nn.RNNBase | nn.RNNCellBase)}
        return folder / file, {name or "lstm": each for name, each in layers.items()} if networks is None else networks

    return case


def recurrent() -> Any:
    return seeded(Recurrent(), 5)


def quantized_lstm() -> Any:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(3, 4)), {nn.LSTM})


PROGRAMS: dict[str, Case] = {
    "script": program(script, recurrent),
    "traced": program(trace, recurrent),
    "script with another activation": program(script, lambda: Gated("sigmoid"), {"rnn": "sigmoid"}),
    "script of one layer": program(script, partial(lstm, num_layers=2, bidirectional=True), file="w.torchscript.pt"),
    "script with layer norm": program(script, lambda: LayerNormCell("ln"), {"lstm": "ln."}),
    "frozen script": program(
        lambda made, path: torch.jit.save(torch.jit.freeze(torch.jit.script(made)), str(path)), recurrent, "frozen"
    ),
    "quantized script": program(script, quantized_lstm, {}),
    "script with files of the user": program(partial(script, _extra_files={"data.pkl": "x", "labels.txt": "a"}), lstm),
    "lite script": program(
        lambda made, path: torch.jit.script(made)._save_for_lite_interpreter(str(path)), recurrent, file="w.ptl"
    ),
    "exported": program(export, recurrent, file="w.pt2"),
    "exported cells": program(export, lambda: seeded(Cells()), file="w.pt2"),
    "exported weight norm": program(export, weight_normed, file="w.pt2"),
}


def sharded(folder: Path, made: Any, ending: str, second: str) -> dict[int, Path]:
    """The weights in two files, in the second those with `second` in their names, and the index as 0."""
    stem = "model" if ending == "safetensors" else "pytorch_model"
    paths = {shard: folder / f"{stem}-{shard:05}-of-00002.{ending}" for shard in (1, 2)}
    state = made.state_dict()
    for shard, path in paths.items():
        part = {name: tensor.clone() for name, tensor in state.items() if 1 + (second in name) == shard}
        if ending == "safetensors":
            from safetensors.torch import save_file

            save_file(part, path)
        else:
            torch.save(part, path)
    paths[0] = folder / f"{stem}.{ending}.index.json"
    paths[0].write_text(json.dumps({"weight_map": {name: paths[1 + (second in name)].name for name in state}}))
    return paths


def shards(
    opened: int,
    ending: str = "safetensors",
    second: str = "bias",
    change: Callable[[dict[int, Path]], Path | None] = lambda paths: None,
    **expected: str,
) -> Case:
    """One of the files of `sharded`, or what `change` returns; `expected` are reasons why entries are refused."""

    def case(folder: Path) -> tuple[Path, Networks | str]:
        made = model()
        paths = sharded(folder, made, ending, second)
        return change(paths) or paths[opened], {**of_model(made), **expected}

    return case


def outside(folder: Path) -> tuple[Path, Networks | str]:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"weight_ih_l0": "../../secret.safetensors"}}))
    return path, "outside of its folder"


def pickled(folder: Path) -> tuple[Path, Networks | str]:
    (folder / "w.pt").write_bytes(pickle.dumps(lstm().state_dict()))
    return folder / "w.pt", "torch.save"


def with_a_damaged_index(paths: dict[int, Path]) -> None:
    (paths[0].parent / "a.index.json").write_text("{")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_class_of_a_cell_of_the_user_s_is_an_assumption(tmp_path):
    script(Gated("tanh"), tmp_path / "w.pt")
    (entry,) = entries_of(tmp_path / "w.pt")
    assert (entry.supported, entry.cell) == (True, "rnn_tanh")
    assert "Gated" in entry.assumptions[0]
    script(rnn(), tmp_path / "plain.pt")
    (plain,) = entries_of(tmp_path / "plain.pt")
    assert plain.assumptions == ()


def written(text: str) -> Case:
    """A row of `torch.toml`."""
    return lambda folder: eval(text, globals())(folder)


TABLE = tomllib.loads(Path(__file__).with_name("torch.toml").read_text(encoding="utf-8"))
CASES = {name: written(text) for name, text in TABLE.items()} | STATE_DICTS | OTHERS | PROGRAMS
# More programs, which take long to write.
KEPT = CASES.keys() - (PROGRAMS.keys() - {"script", "exported", "script with layer norm"})


@pytest.mark.parametrize("name", nightly_except(CASES, *KEPT))
def test_a_file_computes_the_results_of_its_modules_or_is_refused_with_the_reason(name, tmp_path):
    torch.manual_seed(6)
    with warnings.catch_warnings():
        # PyTorch calls some of its ways to save deprecated.
        warnings.simplefilter("ignore")
        path, networks = CASES[name](tmp_path)
    check(path, networks)
