"""Model files that are lists of named arrays, among them `.npz` files and folders of `.npy` files.

PyTorch's `weight_norm`, `spectral_norm` and `prune` keep `weight_hh_l0_g` and `_v`, `_orig`, `_u` and `_v`, or `_orig`
and `_mask` in place of `weight_hh_l0`, `torch.nn.utils.parametrizations` those below `parametrizations.weight_hh_l0`,
and weight dropout `weight_hh_l0_raw`: such weights are computed as in eval mode. Gates may be separate arrays, as
`l0_i2h_f_weight` of MXNet's `save_rnn_checkpoint`. Nothing is unpickled, and no number is read before it is asked for.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TypeAlias
from zipfile import ZipFile

import numpy as np

from rnnviz.core.bounded_read import read_at, read_pieces, reading
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, check_regular, printable
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import DAMAGE, NpyHeader, NpzFile, read_npy_header
from rnnviz.core.parameters import Parameters
from rnnviz.io.model_formats import model_file
from rnnviz.io.model_formats.model_file import DTYPES, Arrays, ModelFile, StoredLayer, Tensor, TensorFile
from rnnviz.io.model_formats.network_names import Found, gluon_networks, torch_networks


def named_arrays(path: Path, file: TensorFile, incomplete: str = "") -> ModelFile:
    """The recurrent networks among the arrays of a file; `incomplete` is why they may be parts of networks, if so."""
    file = combined_weights(file)
    tensors = {name: tensor for name, tensor in file.tensors.items() if not _TRAINING.fullmatch(name)}
    gluon = gluon_networks(tensors)
    taken = {source for each in gluon for source in each.sources.values() if source is not None}
    layers = []
    for each in (*gluon, *torch_networks(tensors, file.texts, taken)):
        entry = each.entry
        if entry.supported and _AVERAGE.fullmatch(entry.name):
            entry = replace(entry, assumptions=(*entry.assumptions, _AVERAGED))
        if incomplete:
            entry = replace(entry, supported=False, reason=incomplete)
        # The only network of a file may have no name.
        cells = (cell for cell in (entry.cell, *entry.cells) if cell and cell not in model_file.RNN_CELLS)
        entry = replace(entry, name=entry.name or next(cells, "rnn"))
        layers.append(StoredLayer(entry, partial(_parameters, file, each)))
    return ModelFile(path, layers, numbered="{} ({})")


_TRAINING = re.compile(
    r"(?:.*[./:])?(?:exp_avg|(?:max_)?exp_avg_sq|exp_inf|momentum(?:_buffer)?|square_avg|grad_avg|acc_delta|"
    r"grads?|gradients?|optim|optimizer(?:_state)?|opt_state|(?:adam|adamw|rmsprop|adagrad)(?:_1)?|"
    r"exponentialmovingaverage)(?:[./:].*)?",
    re.IGNORECASE | re.DOTALL,
)
"""Names of the gradients, and of an optimizer's moments, that training has for each weight."""
_AVERAGE = re.compile(
    r"(?:.*[./:])?(?:(?:model_)?ema|ema_model|shadow(?:_params)?|swa(?:_model)?)(?:[./:].*)?", re.DOTALL
)
_AVERAGED = "its name says that it is an average of the weights during training, which the model may not use"


def _parameters(file: TensorFile, found: Found) -> Arrays:
    arrays: Arrays = {}
    for gluon, source in found.sources.items():
        if source is not None:
            arrays[gluon] = file.read(source)
            assert arrays[gluon].shape == file.tensors[source].shape
        else:
            rows = arrays[gluon.replace("bias", "weight")].shape[0]
            arrays[gluon] = np.zeros(rows, np.float64 if found.entry.dtype == "float64" else np.float32)
    return arrays


def read_tensor(path: Path, kind: str, name: str, tensor: Tensor, offset: int) -> FloatArray:
    """The numbers of an array that begins at the byte `offset` of a file of the format `kind`."""
    stored = model_file.stored_dtype(tensor.dtype)
    content = read_at(path, offset, prod(tensor.shape) * stored.itemsize, kind, name)
    return model_file.widened(np.frombuffer(content, stored).reshape(tensor.shape), tensor.dtype)


def is_weight(name: str) -> bool:
    """Whether an array of this name belongs to a recurrent layer."""
    tensors = {name: Tensor((), "float32")}
    return bool(gluon_networks(tensors) or torch_networks(tensors))


_KIND = r"(?P<kind>(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l\d{1,6}(?:_reverse)?)?)"
_BESIDE = re.compile(rf"(?P<prefix>(?:.*[./_])?){_KIND}_(?P<part>[gvuifocrznh]|orig|mask|raw)", re.DOTALL)
_GATE = re.compile(r"(?P<prefix>.*(?:i2h|h2h)_)(?P<part>[a-z])_(?P<kind>weight|bias)", re.DOTALL)
_BELOW = re.compile(rf"(?P<prefix>(?:.*[./])?)parametrizations\.{_KIND}\.(?P<part>.+)", re.DOTALL)
_NUMBERS = (*DTYPES, "bool", "uint8", "int8", "int16", "int32", "int64")
_EVAL = "{weight} is computed from {names} as in eval mode, "
_WEIGHT_NORM = _EVAL + "by weight_norm"
_SPECTRAL_NORM = _EVAL + "by spectral_norm"
_ARCHIVED = "parameters."
"""The prefix of weights in the archive of a run."""
_PICKLED = "it is stored as pickled Python objects, which are never unpickled: save it as an array of numbers"


def open_model(path: Path) -> ModelFile:
    file = open_tensors(path)
    model = named_arrays(path, file)
    pickled = [name for name, tensor in file.tensors.items() if tensor.unreadable]
    if pickled and not model.entries:
        raise InputError(
            f"{path} holds pickled Python objects ({printable(pickled[0])}), which are never unpickled: "
            "save arrays by name, with np.savez(path, **arrays)."
        )
    return model


def open_tensors(path: Path) -> TensorFile:
    """The arrays of an archive or a folder by name, of the archive of a run the parameters alone."""
    files = _Folder(path) if path.is_dir() else NpzFile(path)
    numbers = [name for name, header in files.headers.items() if header.dtype.kind in "biufcO"]
    archived = [name for name in numbers if name.startswith(_ARCHIVED)]
    stored = {name.removeprefix(_ARCHIVED): name for name in archived or numbers}
    headers = {name: files.headers[archived] for name, archived in stored.items()}
    tensors = {
        name: Tensor(header.shape, header.dtype.name, unreadable=_PICKLED if header.dtype.hasobject else "")
        for name, header in headers.items()
    }
    return TensorFile(tensors, lambda name: model_file.widened(files.read(stored[name]), headers[name].dtype.name))


class _Folder:
    """As `NpzFile`, of a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.headers: dict[str, NpyHeader] = {}
        with reading(path, "numpy", DAMAGE):
            for file in sorted(path.glob("*.npy")):
                check_regular(file)
                with file.open("rb") as opened:
                    self.headers[file.stem] = read_npy_header(opened, file.stat().st_size)

    def read(self, name: str) -> FloatArray:
        header = self.headers[name]
        with reading(self._path, "numpy", DAMAGE), (self._path / f"{name}.npy").open("rb") as file:
            file.read(header.begin)
            content = read_pieces(file, header.size - header.begin)
            if len(content) != header.size - header.begin or file.read(1):
                raise ValueError(f"{name} is longer or shorter than it says")
            array = np.frombuffer(content, header.dtype)
            return array.reshape(header.shape, order="F" if header.fortran else "C")


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `numpy.load` reads them; raises an OSError if the disk is full."""
    # Not numpy.savez, which leaves its archive open where the disk is full.
    with ZipFile(path, "w") as archive:
        for name, array in parameters.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]


Rule: TypeAlias = tuple[Callable[..., FloatArray], list[str]]
"""How a weight is computed, and the names of the arrays that it is computed from."""


def combined_weights(file: TensorFile) -> TensorFile:
    """The arrays of `file`, in which each such weight is one array."""
    rules: dict[str, Rule] = {}
    weights: dict[str, dict[str, str]] = {}
    for name in file.tensors:
        match = _BELOW.fullmatch(name) or _BESIDE.fullmatch(name) or _GATE.fullmatch(name)
        if match is not None:
            weights.setdefault(match["prefix"] + match["kind"], {})[match["part"]] = name
    tensors: dict[str, Tensor] = {}
    # Each takes the place of the first array that it is computed from.
    owners = {source: weight for weight, parts in weights.items() for source in parts.values()}
    for name, tensor in file.tensors.items():
        weight = owners.get(name)
        if weight is None:
            tensors.setdefault(name, tensor)
        elif name == next(iter(weights[weight].values())):
            # Weight dropout may keep the weight in the module around its layer.
            inner = re.sub(rf"(?={_KIND}$)", "module.", weight, count=1)
            around = set(weights[weight]) == {"raw"} and inner.replace("weight_hh", "weight_ih") in file.tensors
            target = inner if around else weight
            tensors[target] = _combined(file, target, weights[weight], rules)

    def read(rule: Callable[..., FloatArray], sources: Sequence[str]) -> FloatArray:
        with np.errstate(all="ignore"):
            return rule(*map(file.read, sources))

    return file.replaced(tensors, {name: partial(read, *rule) for name, rule in rules.items()})


def _combined(file: TensorFile, weight: str, parts: Mapping[str, str], rules: dict[str, Rule]) -> Tensor:
    """The weight as a separate array of `parts`, by their names in PyTorch; how it is computed is added to `rules`."""
    tensors = {part: file.tensors[source] for part, source in parts.items()}
    main = next(tensors[part] for part in ("orig", "original", "original1", "v", "raw", *tensors) if part in tensors)
    names = ", ".join(parts.values())
    for rule, text, needed in _RULES if weight not in file.tensors or "raw" in parts else ():
        if set(parts) != set(needed):
            continue
        found = [tensors[part] for part in needed]
        if any(tensor.unreadable or tensor.dtype not in _NUMBERS for tensor in found):
            why = next((each.unreadable for each in found if each.unreadable), "")
            return replace(main, unreadable=why or f"it is stored as {', '.join(each.dtype for each in found)}")
        if not _FITS[rule](*(tensor.shape for tensor in found)):
            break
        rules[weight] = rule, [parts[part] for part in needed]
        dtype = max((each.dtype for each in found if each.dtype in DTYPES), key=DTYPES.index, default="float32")
        assumption = text.format(weight=weight, names=names)
        if rule is _gates:
            # MXNet's names of gates are known.
            assumption = "" if _GATE.fullmatch(parts[needed[0]]) else assumption
            main = replace(main, shape=(sum(tensor.shape[0] for tensor in found), *main.shape[1:]))
        elif dtype in DTYPES[:2] and rule is not np.positive:
            assumption += f", in float32, where PyTorch rounds to {dtype}"
            dtype = "float32"
        return replace(main, dtype=dtype, assumption=assumption)
    if weight in file.tensors:
        why = f"{weight} is stored both as itself and as {names}, and which of them is used is not in the file"
    else:
        why = f"{weight} is stored as {names}, and the code that computes it from them is not in the file"
    return replace(main, unreadable=why)


def _weight_norm(g: FloatArray, v: FloatArray) -> FloatArray:
    """Rows, columns or the whole of `v` with the norms `g`, whose shape says which of them."""
    axes = tuple(axis for axis in range(v.ndim) if g.ndim == 0 or g.shape[axis] == 1)
    norm = np.sqrt(np.sum(v.astype(np.float64) ** 2, axes, keepdims=True)).astype(v.dtype)
    product: FloatArray = v * (g.astype(v.dtype) / norm)
    return product


def _spectral_norm(weight: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """The weight over its largest singular value, as the vectors of the last step of training estimate it."""
    matrix = weight if len(u) == len(weight) else weight.T
    sigma = u.astype(np.float64) @ (matrix.astype(np.float64) @ v.astype(np.float64))
    quotient: FloatArray = weight / weight.dtype.type(sigma)
    return quotient


def _gates(*gates: FloatArray) -> FloatArray:
    return np.concatenate(gates)


def _norms_fit(g: tuple[int, ...], v: tuple[int, ...]) -> bool:
    # One norm for each index of one axis: the size of every other axis is 1.
    return g == () or any(g == (1,) * axis + v[axis : axis + 1] + (1,) * (len(v) - axis - 1) for axis in range(len(v)))


_RULES: tuple[tuple[Callable[..., FloatArray], str, tuple[str, ...]], ...] = (
    (_weight_norm, _WEIGHT_NORM, ("g", "v")),
    (_weight_norm, _WEIGHT_NORM + ", which the file does not name", ("original0", "original1")),
    (_spectral_norm, _SPECTRAL_NORM, ("orig", "u", "v")),
    (_spectral_norm, _SPECTRAL_NORM, ("original", "0._u", "0._v")),
    (np.multiply, _EVAL + "by pruning", ("orig", "mask")),
    *(
        (_gates, "{weight} is {names}, each named by its gate", tuple(gates))
        for gates in ("ifgo", "ifco", "rzn", "rzh", "rzo")
    ),
    (np.positive, "{weight} is read from {names}, without weight dropout", ("raw",)),
)
_FITS: Mapping[Callable[..., FloatArray], Callable[..., bool]] = {
    _weight_norm: _norms_fit,
    _spectral_norm: lambda weight, u, v: len(u) == len(v) == 1 and weight in (u + v, v + u),
    np.multiply: lambda weight, mask: weight == mask,
    _gates: lambda first, *others: first != () and all(shape == first for shape in others),
    np.positive: lambda weight: True,
}
