"""Files as PyTorch's users save them: each network computes what the module does, or is refused with the reason."""

import argparse
import json
import pickle
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.corpus.torch_modules import Networks, check, gru, lstm, rnn, seeded
from tests.profiles import nightly_except

torch = pytest.importorskip("torch")
nn = torch.nn
prune = pytest.importorskip("torch.nn.utils.prune")
norms, parametrizations = nn.utils, nn.utils.parametrizations

Case = Callable[[Path], tuple[Path, Networks | str]]
"""Saves a file in a folder; returns its path, and its networks or a word of the sentence that refuses the file."""
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


class Model(nn.Module):  # type: ignore[misc,name-defined]
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


def save(value: Any, path: Path, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


LEGACY: Mapping[str, Any] = {"_use_new_zipfile_serialization": False}


def trained(made: Any, **options: Any) -> Any:
    """The state of an optimizer after a step."""
    optimizer = torch.optim.Adam(made.parameters(), **options)
    for parameter in made.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer.state_dict()


# State dicts and checkpoints


@case
def plain_lstm(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def legacy_model(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return save(made.state_dict(), folder / "w.pth", **LEGACY), of_model(made)


@case
def legacy_with_pickle_protocol_0(folder: Path) -> tuple[Path, Networks | str]:
    return save(lstm().state_dict(), folder / "w.model", pickle_protocol=0, **LEGACY), "pickle_protocol=0"


@case
def archive_with_pickle_protocol_0(folder: Path) -> tuple[Path, Networks | str]:
    return save(lstm().state_dict(), folder / "w.pt", pickle_protocol=0), "pickle_protocol=0"


@case
def legacy_with_pickle_protocol_1(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(made.state_dict(), folder / "w.model", pickle_protocol=1, **LEGACY), {"lstm": made}


@case
def legacy_with_pickle_protocol_4(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(made.state_dict(), folder / "w.model", pickle_protocol=4, **LEGACY), {"lstm": made}


@case
def model_of_many_layers(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return save(made.state_dict(), folder / "pytorch_model.bin"), of_model(made)


@case
def zip_with_optimizer(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    state = {"epoch": 3, "optimizer": trained(made), "model": made.state_dict()}
    return save(state, folder / "w.pt"), of_model(made, "model.")


@case
def legacy_with_optimizer(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    state = {"epoch": 3, "model": made.state_dict(), "optimizer": trained(made, amsgrad=True)}
    return save(state, folder / "w.pt", **LEGACY), of_model(made, "model.")


@case
def optimizer_with_flat_weights(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(num_layers=2)
    return save({**made.state_dict(), "optimizer": trained(made)}, folder / "w.pt"), {"lstm": made}


@case
def lbfgs_and_tensors_in_lists(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    optimizer = torch.optim.LBFGS(made.parameters(), 0.01, 2)
    x = torch.randn(2, 1, 3)

    def loss() -> Any:
        optimizer.zero_grad()
        value = made(x)[0].sum()
        value.backward()
        return value

    optimizer.step(loss)
    state = {"opt": optimizer.state_dict(), "rnn": made.state_dict(), "history": [torch.ones(2), (torch.ones(3),)]}
    return save(state, folder / "w.pt", **LEGACY), {"rnn": made}


def odd_keys(made: Any) -> dict[Any, Any]:
    return {
        0: torch.ones(1),
        1.5: torch.ones(2),
        None: torch.ones(3),
        True: [torch.ones(4)],
        ("a", 2): torch.ones(5),
        b"bytes": torch.ones(6),
        "lstm": made.state_dict(),
    }


@case
def keys_of_every_type(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(odd_keys(made), folder / "w.pt"), {"lstm": made}


@case
def keys_of_every_type_legacy(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(odd_keys(made), folder / "w.pt", **LEGACY), {"lstm": made}


def everything(made: Any) -> dict[str, Any]:
    return {
        "counter": Counter("aab"),
        "default": defaultdict(list, a=[torch.ones(2)]),
        "set": {1, "a"},
        "frozen": frozenset({2}),
        "bytes": b"\xff\x00",
        "array": bytearray(b"ab"),
        "complex": 1 + 2j,
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "layout": torch.strided,
        "size": torch.Size([2, 3]),
        "parameter": nn.Parameter(torch.ones(2)),
        "range": range(3),
        "options": argparse.Namespace(lr=0.1, path=Path("x")),
        "best": np.float64(0.5),
        "random": np.random.default_rng(0).bit_generator.state,
        "lstm": made.state_dict(),
    }


@case
def values_of_every_type(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(bias=False)
    return save(everything(made), folder / "w.pt"), {"lstm": made}


@case
def values_of_every_type_legacy(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(bidirectional=True)
    return save(everything(made), folder / "w.pt", **LEGACY), {"lstm": made}


@case
def pickle_protocol_4(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    return save(everything(made), folder / "w.pt", pickle_protocol=4), {"lstm": made}


@case
def tensors_of_every_type(folder: Path) -> tuple[Path, Networks | str]:
    made = gru(num_layers=2)
    kinds = {
        "sparse": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "meta": torch.ones(2, device="meta"),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 1, torch.qint8),
        "channels": torch.quantize_per_channel(torch.ones(2, 3), torch.ones(2), torch.zeros(2), 0, torch.qint8),
        "complex": torch.ones(2, dtype=torch.complex64),
        "conjugate": torch.ones(2, dtype=torch.complex64).conj(),
        "bool": torch.tensor([True]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.0),
        "untyped": torch.ones(2).untyped_storage(),
        "unsigned": [torch.ones(2, dtype=kind) for kind in (torch.uint16, torch.uint32, torch.uint64)],
        "float8": [torch.ones(2).to(kind) for kind in (torch.float8_e4m3fn, torch.float8_e5m2)],
    }
    return save({"rnn": made.state_dict(), **kinds}, folder / "w.pt"), {"rnn": made}


@case
def tensors_of_every_type_legacy(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    kinds = {
        "sparse": torch.eye(3).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 1, torch.qint8),
        "meta": torch.ones(2, device="meta"),
        "unsigned": torch.ones(3, dtype=torch.uint16),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "complex": torch.ones(2, dtype=torch.complex128),
    }
    return save({**kinds, "rnn": made.state_dict()}, folder / "w.pt", **LEGACY), {"rnn": made}


@case
def lightning_checkpoint(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    optimizer = torch.optim.SGD(made.parameters(), 0.1, momentum=0.9)
    schedulers = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4]).state_dict(),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer).state_dict(),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5).state_dict(),
    ]
    state = {
        "epoch": 1,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": OrderedDict((f"net.{name}", tensor) for name, tensor in made.state_dict().items()),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.3)}},
        "optimizer_states": [trained(made)],
        "lr_schedulers": schedulers,
        "hparams_name": "kwargs",
        "hyper_parameters": {"hidden": 4, "betas": (0.9, 0.99), "device": torch.device("cpu")},
    }
    return save(state, folder / "w.ckpt"), of_model(made, "state_dict.net.")


@case
def shared_storage_and_views(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(bidirectional=True)
    flat = torch.cat([torch.randn(5), *(tensor.T.reshape(-1) for tensor in made.state_dict().values())])
    state, begin = {}, 5
    for name, tensor in made.state_dict().items():
        state[name] = flat[begin : begin + tensor.numel()].view(tensor.T.shape).T
        begin += tensor.numel()
    return save(state, folder / "w.pt", **LEGACY), {"lstm": made}


@case
def without_checksums(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    try:
        torch.serialization.set_crc32_options(False)
        return save(made.state_dict(), folder / "w.pt"), {"lstm": made}
    finally:
        torch.serialization.set_crc32_options(True)


@case
def expanded_bias(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    with torch.no_grad():
        made.bias_hh_l0.fill_(0.25)
    state = {**made.state_dict(), "bias_hh_l0": torch.tensor([0.25]).expand(12)}
    return save(state, folder / "w.pt"), {"gru": made}


@case
def half_of_a_tied_storage(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(num_layers=2)
    whole = torch.stack([made.weight_hh_l0, made.weight_hh_l1]).detach()
    state = {**made.state_dict(), "weight_hh_l0": whole[0], "weight_hh_l1": whole[1]}
    return save(state, folder / "w.pt"), {"lstm": made}


@case
def storages_outside_of_the_state_dict(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    state = [{"rng": {torch.ones(3).untyped_storage().nbytes(): [torch.get_rng_state()]}}, made.state_dict()]
    return save(state, folder / "w.pt", **LEGACY), {"1": made}


@case
def parameters_with_attributes(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    for parameter in made.parameters():
        parameter.note = "x"
    return save(dict(made.named_parameters()), folder / "w.pt"), {"gru": made}


# Several networks in a file


@case
def list_of_state_dicts(folder: Path) -> tuple[Path, Networks | str]:
    first, second = lstm(), gru()
    return save([first.state_dict(), second.state_dict()], folder / "w.pt"), {"0": first, "1": second}


@case
def tuple_in_integer_keys(folder: Path) -> tuple[Path, Networks | str]:
    first, second = lstm(), gru()
    state = {0: (first.state_dict(),), 1: second.state_dict()}
    return save(state, folder / "w.pt"), {"0.0": first, "1": second}


@case
def one_and_the_text_one(folder: Path) -> tuple[Path, Networks | str]:
    first, second = lstm(), lstm(num_layers=2)
    return save({1: first.state_dict(), "1": second.state_dict()}, folder / "w.pt"), {"1": first, "1'": second}


@case
def encoder_and_decoder(folder: Path) -> tuple[Path, Networks | str]:
    first, second = model(), lstm(num_layers=2)
    state = {"encoder": first.state_dict(), "decoder": second.state_dict()}
    return save(state, folder / "w.pt"), {**of_model(first, "encoder."), "decoder": second}


@case
def model_and_ema(folder: Path) -> tuple[Path, Networks | str]:
    first, second = model(), model(9)
    state = {"model": first.state_dict(), "ema": second.state_dict(), "same": first.state_dict()}
    networks = {**of_model(first, "model."), **of_model(second, "ema."), **of_model(first, "same.")}
    return save(state, folder / "w.pt"), networks


@case
def averaged_model(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    averaged = torch.optim.swa_utils.AveragedModel(made)
    return save(averaged.state_dict(), folder / "w.pt"), of_model(made, "module.")


@case
def same_modules_nested_deeply(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    state: Any = {"weights": made.state_dict()}
    for level in range(12):
        state = {f"level{level}": [state]}
    name = "".join(f"level{level}.0." for level in reversed(range(12))) + "weights"
    return save(state, folder / "w.pt"), {name: made}


@case
def cells_in_a_list_are_no_stack(folder: Path) -> tuple[Path, Networks | str]:
    cells = seeded(nn.ModuleList([nn.LSTMCell(4, 4), nn.LSTMCell(4, 4)]))
    state = {f"cells.{name}": tensor for name, tensor in cells.state_dict().items()}
    return save(state, folder / "w.pt"), {"cells.0": cells[0], "cells.1": cells[1]}


@case
def cells_of_every_kind(folder: Path) -> tuple[Path, Networks | str]:
    kinds = {
        "lstm": nn.LSTMCell(3, 4),
        "gru": nn.GRUCell(3, 4, bias=False),
        "rnn": nn.RNNCell(3, 4, nonlinearity="relu"),
    }
    made = seeded(nn.ModuleDict(kinds))
    return save(made.state_dict(), folder / "w.pt"), dict(made.items())


@case
def a_cell_alone(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.GRUCell(3, 4))
    return save(made.state_dict(), folder / "w.pt", **LEGACY), {"gru": made}


@case
def data_parallel_and_compiled(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    state = {f"_orig_mod.module.{name}": tensor for name, tensor in made.state_dict().items()}
    return save(state, folder / "w.pt"), of_model(made, "_orig_mod.module.")


@case
def layers_of_a_sequence(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.Sequential(nn.LSTM(3, 4), nn.LayerNorm(4), nn.GRU(4, 4)))
    return save(made.state_dict(), folder / "w.pt"), {"0": made[0], "2": made[2]}


# Parametrizations


def normalized(apply: Callable[[Any], Any], made: Any) -> Any:
    """A module whose weights were changed by `apply`, after some forward passes in training mode."""
    made = seeded(made)
    apply(made)
    made.train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.randn(2, 1, 3))
    return made.eval()


def old_weight_norm(made: Any) -> None:
    for name in ("weight_hh_l0", "weight_ih_l0"):
        norms.weight_norm(made, name)
    with torch.no_grad():
        made.weight_hh_l0_g.mul_(1.7)


@case
def weight_norm(folder: Path) -> tuple[Path, Networks | str]:
    made = normalized(old_weight_norm, nn.LSTM(3, 4))
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def weight_norm_of_columns_and_of_all(folder: Path) -> tuple[Path, Networks | str]:
    def apply(made: Any) -> None:
        norms.weight_norm(made, "weight_hh_l0", dim=1)
        norms.weight_norm(made, "weight_ih_l0", dim=None)
        with torch.no_grad():
            made.weight_hh_l0_g.mul_(1.7)

    made = normalized(apply, nn.GRU(3, 4, 1, bidirectional=True))
    return save({"rnn": made.state_dict()}, folder / "w.pt", **LEGACY), {"rnn": made}


def new_weight_norm(made: Any) -> None:
    parametrizations.weight_norm(made, "weight_hh_l0")
    with torch.no_grad():
        made.parametrizations.weight_hh_l0.original0.mul_(1.7)


@case
def parametrized_weight_norm(folder: Path) -> tuple[Path, Networks | str]:
    made = normalized(new_weight_norm, nn.LSTM(3, 4, 2))
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def weight_norm_in_safetensors(folder: Path) -> tuple[Path, Networks | str]:
    from safetensors.torch import save_file

    made = normalized(new_weight_norm, nn.GRU(3, 4))
    save_file(made.state_dict(), folder / "w.safetensors")
    return folder / "w.safetensors", {"gru": made}


@case
def spectral_norm(folder: Path) -> tuple[Path, Networks | str]:
    def apply(made: Any) -> None:
        norms.spectral_norm(made, "weight_hh_l0")

    made = normalized(apply, nn.LSTM(3, 4))
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def parametrized_spectral_norm(folder: Path) -> tuple[Path, Networks | str]:
    made = normalized(lambda module: parametrizations.spectral_norm(module, "weight_hh_l0"), nn.RNN(3, 4))
    return save(made.state_dict(), folder / "w.pt"), {"rnn": made}


@case
def pruned(folder: Path) -> tuple[Path, Networks | str]:
    def apply(made: Any) -> None:
        prune.l1_unstructured(made, "weight_hh_l0", 0.5)
        prune.random_unstructured(made, "bias_ih_l0", 0.3)

    made = normalized(apply, nn.LSTM(3, 4))
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def orthogonal(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.RNN(3, 4))
    parametrizations.orthogonal(made, "weight_hh_l0")
    return save(made.state_dict(), folder / "w.pt"), {"rnn": "weight_hh_l0"}


class Symmetric(nn.Module):  # type: ignore[misc,name-defined]
    """A parametrization of the user's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.tril() + x.tril(-1).T


@case
def own_parametrization(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.RNN(3, 4))
    nn.utils.parametrize.register_parametrization(made, "weight_hh_l0", Symmetric())
    return save(made.state_dict(), folder / "w.pt"), {"rnn": "parametrizations.weight_hh_l0.original"}


@case
def weight_norm_and_pruning(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    state = made.state_dict()
    whole = state.pop("weight_hh_l0")
    state |= {f"weight_hh_l0_{part}": whole for part in ("orig", "mask", "u")}
    return save(state, folder / "w.pt"), {"lstm": "weight_hh_l0_mask"}


@case
def weight_dropout(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    state = {f"rnns.0.module.{name}": tensor for name, tensor in made.state_dict().items()}
    state["rnns.0.weight_hh_l0_raw"] = state.pop("rnns.0.module.weight_hh_l0")
    state["rnns.0.module.weight_hh_l0"] = state["rnns.0.weight_hh_l0_raw"] * 2
    return save(state, folder / "w.pth"), {"rnns.0.module": made}


@case
def weight_dropout_around_the_layer(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    state = {f"0.rnns.0.module.{name}": tensor for name, tensor in made.state_dict().items()}
    state["0.rnns.0.weight_hh_l0_raw"] = state.pop("0.rnns.0.module.weight_hh_l0")
    return save({"model": state, "opt": {"hypers": [{"lr": 1e-3}]}}, folder / "w.pth"), {"model.0.rnns.0.module": made}


@case
def weight_norm_of_every_weight(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.LSTM(3, 4, 2, bidirectional=True))
    for name in [name for name, _ in made.named_parameters() if "weight" in name]:
        parametrizations.weight_norm(made, name)
    with torch.no_grad():
        made.parametrizations["weight_hh_l1_reverse"].original0.mul_(2)
    return save(made.state_dict(), folder / "w.pt", **LEGACY), {"lstm": made}


@case
def weight_norm_and_spectral_norm(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.GRU(3, 4))
    parametrizations.weight_norm(made, "weight_hh_l0")
    parametrizations.spectral_norm(made, "weight_hh_l0")
    return save(made.state_dict(), folder / "w.pt"), {"gru": "code"}


@case
def spectral_norm_of_a_cell(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.LSTMCell(3, 4))
    for name in ("weight_hh", "weight_ih"):
        parametrizations.spectral_norm(made, name)
    made(torch.ones(1, 3))
    return save({f"x.{name}": tensor for name, tensor in made.state_dict().items()}, folder / "w.pt"), {
        "x": made.eval()
    }


@case
def weight_norm_in_float16(folder: Path) -> tuple[Path, Networks | str]:
    made = seeded(nn.LSTM(3, 4))
    old_weight_norm(made)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(parameter.half().float())
    return save({name: tensor.half() for name, tensor in made.state_dict().items()}, folder / "w.pt"), {"lstm": made}


# Cells that are not plain


class LayerNormCell(nn.LSTMCell):  # type: ignore[misc,name-defined]
    """An LSTM cell with layer norm."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(3, 4)
        for name in names:
            self.add_module(name, nn.LayerNorm(4))


def with_norms(*names: str) -> dict[str, Any]:
    made: dict[str, Any] = LayerNormCell(names).state_dict()
    return made


@case
def layer_norm_cell(folder: Path) -> tuple[Path, Networks | str]:
    return save(with_norms("layernorm_i", "layernorm_c"), folder / "w.pt"), {"lstm": "layernorm_c"}


@case
def layer_norm_cell_below_a_name(folder: Path) -> tuple[Path, Networks | str]:
    state = {f"rnn.{name}": tensor for name, tensor in with_norms("ln_ih").items()}
    return save(state, folder / "w.pt"), {"rnn": "rnn.ln_ih."}


@case
def layer_norm_in_a_nested_dict(folder: Path) -> tuple[Path, Networks | str]:
    state = {"cell": {**nn.LSTMCell(3, 4).state_dict(), "ln": {"weight": torch.ones(4)}}}
    return save(state, folder / "w.pt"), {"cell": "cell.ln.weight"}


@case
def attention_in_an_lstm(folder: Path) -> tuple[Path, Networks | str]:
    state = {**lstm().state_dict(), "attn.weight": torch.ones(4, 4)}
    return save({"decoder": state}, folder / "w.pt"), {"decoder": "attn.weight"}


@case
def subclass_with_a_layer_of_its_own(folder: Path) -> tuple[Path, Networks | str]:
    state = {f"net.{name}": tensor for name, tensor in gru().state_dict().items()}
    return save({**state, "net.mix.weight": torch.ones(2, 4)}, folder / "w.pt"), {"net": "net.mix.weight"}


@case
def subclass_with_the_layer_above(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    state = {f"net.{name}": tensor for name, tensor in made.state_dict().items()}
    return save({**state, "net.fc.weight": torch.ones(2, 4)}, folder / "w.pt"), {"net": made}


@case
def peephole_weights(folder: Path) -> tuple[Path, Networks | str]:
    state = {**nn.LSTMCell(3, 4).state_dict(), "weight_ch": torch.ones(12)}
    return save(state, folder / "w.pt"), {"lstm": "weight_ch"}


@case
def projection(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(proj_size=2)
    return save(made.state_dict(), folder / "w.pt"), {"lstm": made}


@case
def projection_in_a_stack_of_both_directions(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(proj_size=2, num_layers=3, bidirectional=True)
    return save({f"enc.{name}": value for name, value in made.state_dict().items()}, folder / "w.pt"), {"enc": made}


@case
def projection_of_half_a_layer(folder: Path) -> tuple[Path, Networks | str]:
    state = lstm(proj_size=2, bidirectional=True).state_dict()
    del state["weight_hr_l0_reverse"]
    return save(state, folder / "w.pt"), {"lstm": "weight_hr"}


@case
def coupled_gates(folder: Path) -> tuple[Path, Networks | str]:
    state = {"weight_ih": torch.ones(12, 3), "weight_hh": torch.ones(12, 6)}
    return save(state, folder / "w.pt"), {"rnn": "(12, 6)"}


@case
def a_bias_is_missing(folder: Path) -> tuple[Path, Networks | str]:
    state = lstm().state_dict()
    del state["bias_hh_l0"]
    return save({"rnn": state}, folder / "w.pt"), {"rnn": "bias"}


@case
def a_layer_is_missing(folder: Path) -> tuple[Path, Networks | str]:
    state = {name: tensor for name, tensor in lstm(num_layers=3).state_dict().items() if "_l1" not in name}
    return save(state, folder / "w.pt"), {"rnn": "layer 1"}


@case
def allennlp_cell(folder: Path) -> tuple[Path, Networks | str]:
    made = nn.ModuleDict({"input_linearity": nn.Linear(3, 16), "state_linearity": nn.Linear(4, 16)})
    state = {f"elmo.forward_layer_0.{name}": tensor for name, tensor in made.state_dict().items()}
    return save(state, folder / "w.pt"), {"elmo.forward_layer_0": "AllenNLP"}


@case
def haste_layer(folder: Path) -> tuple[Path, Networks | str]:
    state = {"rnn.kernel": torch.ones(3, 16), "rnn.recurrent_kernel": torch.ones(4, 16), "rnn.bias": torch.ones(16)}
    return save(state, folder / "w.pt"), {"rnn": "Haste"}


@case
def apex_cell(folder: Path) -> tuple[Path, Networks | str]:
    state = {"rnns.0.w_ih": torch.ones(16, 3), "rnns.0.w_hh": torch.ones(16, 4)}
    return save(state, folder / "w.pt"), {"rnns.0": "apex"}


# Weights of other types


@case
def dynamically_quantized(folder: Path) -> tuple[Path, Networks | str]:
    kinds = nn.ModuleDict({"rnn": nn.LSTM(3, 4, 2), "cell": nn.GRUCell(3, 4)})
    made = torch.ao.quantization.quantize_dynamic(kinds, {nn.LSTM, nn.GRUCell}, dtype=torch.qint8)
    state = made.state_dict()
    return save(state, folder / "w.pt"), {"rnn": "quantized", "cell": "quantized"}


@case
def quantized_linear_layers(folder: Path) -> tuple[Path, Networks | str]:
    made = nn.ModuleDict({"head": nn.Linear(4, 2), "rnn": lstm()})
    quantized = torch.ao.quantization.quantize_dynamic(made, {nn.Linear})
    return save(quantized.state_dict(), folder / "w.pt"), {"rnn": made["rnn"]}


@case
def quantizable_layer(folder: Path) -> tuple[Path, Networks | str]:
    made = torch.ao.nn.quantizable.LSTM(3, 4)
    return save({f"x.{name}": tensor for name, tensor in made.state_dict().items()}, folder / "w.pt"), {
        "x": "quantizable"
    }


@case
def conjugate_view(folder: Path) -> tuple[Path, Networks | str]:
    state = gru().state_dict()
    state["weight_hh_l0"] = torch.complex(torch.zeros(12, 4), -state["weight_hh_l0"]).conj().imag
    return save(state, folder / "w.pt"), {"gru": "neg bit"}


@case
def imaginary_view(folder: Path) -> tuple[Path, Networks | str]:
    made = gru()
    state = made.state_dict()
    state["weight_hh_l0"] = torch.complex(torch.zeros(12, 4), state["weight_hh_l0"]).imag
    return save(state, folder / "w.pt", **LEGACY), {"gru": made}


@case
def eight_bits(folder: Path) -> tuple[Path, Networks | str]:
    state = {name: (tensor * 50).to(torch.int8) for name, tensor in lstm().state_dict().items()}
    return save({**state, "weight_ih_l0.SCB": torch.ones(16)}, folder / "w.pt"), {"lstm": "int8"}


def stored_as(change: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: change(tensor) for name, tensor in gru().state_dict().items()}


@case
def float8(folder: Path) -> tuple[Path, Networks | str]:
    state = stored_as(lambda tensor: tensor.to(torch.float8_e4m3fn))
    return save(state, folder / "w.pt"), {"gru": "float8_e4m3fn"}


@case
def uint16(folder: Path) -> tuple[Path, Networks | str]:
    return save(stored_as(lambda tensor: tensor.to(torch.uint16)), folder / "w.pt"), {"gru": "uint16"}


@case
def sparse(folder: Path) -> tuple[Path, Networks | str]:
    return save({"rnn": stored_as(lambda tensor: tensor.to_sparse())}, folder / "w.pt"), {"rnn": "sparse_coo"}


@case
def meta(folder: Path) -> tuple[Path, Networks | str]:
    return save({"rnn": nn.GRU(3, 4, device="meta").state_dict()}, folder / "w.pt"), {"rnn": "device meta"}


@case
def quantized_tensors(folder: Path) -> tuple[Path, Networks | str]:
    state = stored_as(lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8))
    return save({"rnn": state}, folder / "w.pt", **LEGACY), {"rnn": "qint8"}


@case
def float64(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(num_layers=2).double()
    return save(made.state_dict(), folder / "w.pt", **LEGACY), {"lstm": made}


# Programs and whole modules


def scripted(made: Any, path: Path, how: Callable[[Any], Any]) -> Path:
    torch.jit.save(how(made), str(path))
    return path


class Recurrent(nn.Module):  # type: ignore[misc,name-defined]
    """A relu RNN under an LSTM in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4, 2, nonlinearity="relu")
        self.lstm = nn.LSTM(4, 5, 2, bidirectional=True)
        self.head = nn.Linear(10, 2)
        self.names = ["a", "b"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.rnn(x)[0])[0])


def recurrent() -> Any:
    return seeded(Recurrent(), 5)


@case
def script(folder: Path) -> tuple[Path, Networks | str]:
    made = recurrent()
    path = scripted(made, folder / "w.pt", torch.jit.script)
    return path, {"rnn": made.rnn, "lstm": made.lstm}


@case
def traced(folder: Path) -> tuple[Path, Networks | str]:
    made = recurrent()
    path = scripted(made, folder / "w.pt", lambda module: torch.jit.trace(module, torch.ones(2, 1, 3)))
    return path, {"rnn": made.rnn, "lstm": made.lstm}


class Gated(nn.Module):  # type: ignore[misc,name-defined]
    """A cell of the user's, with the names of PyTorch's arrays."""

    def __init__(self, nonlinearity: str) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.ones(4, 3))
        self.weight_hh = nn.Parameter(torch.ones(4, 4))
        self.nonlinearity = nonlinearity

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x @ self.weight_ih.T + h @ self.weight_hh.T)


@case
def script_with_another_activation(folder: Path) -> tuple[Path, Networks | str]:
    return scripted(Gated("sigmoid"), folder / "w.pt", torch.jit.script), {"rnn": "sigmoid"}


@case
def script_of_one_layer(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm(num_layers=2, bidirectional=True)
    return scripted(made, folder / "w.torchscript.pt", torch.jit.script), {"lstm": made}


@case
def script_with_layer_norm(folder: Path) -> tuple[Path, Networks | str]:
    made = nn.ModuleDict({"cell": LayerNormCell(("ln",))})["cell"]
    return scripted(made, folder / "w.pt", torch.jit.script), {"lstm": "ln."}


@case
def frozen_script(folder: Path) -> tuple[Path, Networks | str]:
    made = recurrent()
    return scripted(made, folder / "w.pt", lambda module: torch.jit.freeze(torch.jit.script(module))), "frozen"


@case
def quantized_script(folder: Path) -> tuple[Path, Networks | str]:
    made = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(3, 4)), {nn.LSTM})
    return scripted(made, folder / "w.pt", torch.jit.script), {"0": "quantized"}


@case
def script_with_files_of_the_user(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm()
    torch.jit.save(torch.jit.script(made), str(folder / "w.pt"), _extra_files={"data.pkl": "x", "labels.txt": "a"})
    return folder / "w.pt", {"lstm": made}


@case
def lite_script(folder: Path) -> tuple[Path, Networks | str]:
    made, path = recurrent(), folder / "w.ptl"
    torch.jit.script(made)._save_for_lite_interpreter(str(path))
    return path, {"rnn": made.rnn, "lstm": made.lstm}


def exported(made: Any, path: Path) -> Path:
    torch.export.save(torch.export.export(made, (torch.ones(2, 1, 3),)), path)
    return path


@case
def exported_program(folder: Path) -> tuple[Path, Networks | str]:
    made = recurrent()
    return exported(made, folder / "w.pt2"), {"rnn": made.rnn, "lstm": made.lstm}


@case
def exported_cells(folder: Path) -> tuple[Path, Networks | str]:
    class Cells(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.RNNCell(3, 4, nonlinearity="relu")
            self.second = nn.LSTMCell(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x) + self.second(x)[0]

    made, path = seeded(Cells()), folder / "w.pt2"
    torch.export.save(torch.export.export(made, (torch.ones(1, 3),)), path)
    return path, {"first": made.first, "second": made.second}


@case
def exported_weight_norm_in_float64(folder: Path) -> tuple[Path, Networks | str]:
    made = lstm().double()
    new_weight_norm(made)
    program = torch.export.export(made, (torch.ones(2, 1, 3, dtype=torch.float64),))
    torch.export.save(program, folder / "w.pt2")
    return folder / "w.pt2", {"lstm": made}


@case
def exported_program_of_other_layers(folder: Path) -> tuple[Path, Networks | str]:
    class Gated(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(3, 4, bidirectional=True)
            self.rnn = nn.RNN(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.rnn(self.gru(x)[0])[0]

    made = seeded(Gated())
    return exported(made, folder / "w.pt2"), {"gru": made.gru, "rnn": made.rnn}


@case
def whole_module(folder: Path) -> tuple[Path, Networks | str]:
    return save(lstm(), folder / "w.pt"), "code in a file is never run"


@case
def whole_module_legacy(folder: Path) -> tuple[Path, Networks | str]:
    return save(lstm(), folder / "w.pt", **LEGACY), "code in a file is never run"


@case
def whole_module_in_a_checkpoint(folder: Path) -> tuple[Path, Networks | str]:
    return save({"model": model(), "epoch": 1}, folder / "w.pt"), "code in a file is never run"


@case
def a_tensor_alone(folder: Path) -> tuple[Path, Networks | str]:
    return save(torch.ones(3), folder / "w.pt"), "no state_dict"


@case
def state_dict_by_pickle(folder: Path) -> tuple[Path, Networks | str]:
    (folder / "w.pt").write_bytes(pickle.dumps(lstm().state_dict()))
    return folder / "w.pt", "torch.save"


@case
def numpy_arrays_in_a_checkpoint(folder: Path) -> tuple[Path, Networks | str]:
    state = {name: tensor.numpy() for name, tensor in lstm().state_dict().items()}
    return save({"rnn": state}, folder / "w.pt"), {"rnn": "pickled numpy array"}


# Shards


def sharded(folder: Path, made: Any, ending: str, places: Callable[[str], int], count: int = 2) -> dict[int, Path]:
    """The weights in files by `places`, and their index."""
    stem = "model" if ending == "safetensors" else "pytorch_model"
    paths = {shard: folder / f"{stem}-{shard:05}-of-{count:05}.{ending}" for shard in range(1, count + 1)}
    state = made.state_dict()
    for shard, path in paths.items():
        part = {name: tensor.clone() for name, tensor in state.items() if places(name) == shard}
        if ending == "safetensors":
            from safetensors.torch import save_file

            save_file(part, path)
        else:
            torch.save(part, path)
    index = {"metadata": {"total_size": 1}, "weight_map": {name: paths[places(name)].name for name in state}}
    paths[0] = folder / f"{stem}.{ending}.index.json"
    paths[0].write_text(json.dumps(index))
    return paths


def separate_biases(name: str) -> int:
    return 2 if "bias" in name else 1


@case
def index_of_safetensors(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return sharded(folder, made, "safetensors", separate_biases)[0], of_model(made)


@case
def index_of_bins(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return sharded(folder, made, "bin", lambda name: 1 + ("_l1" in name))[0], of_model(made)


@case
def folder_of_shards(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    sharded(folder, made, "safetensors", separate_biases)
    return folder, of_model(made)


@case
def a_shard_with_its_index(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return sharded(folder, made, "safetensors", separate_biases)[1], of_model(made)


@case
def a_shard_of_bins_with_its_index(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    return sharded(folder, made, "bin", separate_biases)[2], of_model(made)


@case
def a_shard_alone(folder: Path) -> tuple[Path, Networks | str]:
    paths = sharded(folder, model(), "safetensors", separate_biases)
    paths[0].unlink()
    return paths[1], {"encoder": "shard 1 of 2", "decoder": "shard 1 of 2"}


@case
def a_shard_with_the_lower_layer_alone(folder: Path) -> tuple[Path, Networks | str]:
    paths = sharded(folder, lstm(num_layers=2), "bin", lambda name: 1 + ("_l1" in name))
    paths[0].unlink()
    return paths[1], {"lstm": "shard 1 of 2"}


@case
def a_variant_of_the_index(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    path = sharded(folder, made, "safetensors", separate_biases)[0]
    return path.rename(folder / "model.safetensors.index.fp16.json"), of_model(made)


@case
def a_shard_with_the_damaged_index_of_another_model(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    (folder / "a.index.json").write_text("{")
    return sharded(folder, made, "safetensors", separate_biases)[1], of_model(made)


@case
def an_index_without_a_shard(folder: Path) -> tuple[Path, Networks | str]:
    made = model()
    paths = sharded(folder, made, "safetensors", lambda name: 1 + name.startswith("encoder"))
    paths[2].unlink()
    return paths[0], {"encoder": "missing", "decoder": made.decoder}


@case
def an_index_that_leaves_its_folder(folder: Path) -> tuple[Path, Networks | str]:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"weight_ih_l0": "../../secret.safetensors"}}))
    return path, "outside of its folder"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_class_of_a_cell_of_the_user_s_is_an_assumption(tmp_path: Path) -> None:
    (entry,) = entries_of(scripted(Gated("tanh"), tmp_path / "w.pt", torch.jit.script))
    assert (entry.supported, entry.cell) == (True, "rnn_tanh")
    assert "Gated" in entry.assumptions[0]
    (plain,) = entries_of(scripted(rnn(), tmp_path / "plain.pt", torch.jit.script))
    assert plain.assumptions == ()


COMPILED = {
    *("frozen_script", "lite_script", "script_of_one_layer", "script_with_files_of_the_user", "quantized_script"),
    *("exported_cells", "exported_program_of_other_layers", "exported_weight_norm_in_float64"),
}
"""More programs of TorchScript and `torch.export`, which take long to write."""


@pytest.mark.parametrize("name", nightly_except(CASES, *CASES.keys() - COMPILED))
def test_a_file_computes_the_results_of_its_modules_or_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    torch.manual_seed(6)
    with warnings.catch_warnings():
        # PyTorch calls some of its ways to save deprecated.
        warnings.simplefilter("ignore")
        path, networks = CASES[name](tmp_path)
    check(path, networks)
