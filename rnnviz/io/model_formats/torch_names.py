"""Recurrent networks by the names in PyTorch's state_dicts: `weight_ih_l0_reverse` of a layer, `weight_ih` of a cell.

PyTorch orders gates as Gluon does, and has the same two biases. `torch.nn.utils.weight_norm`, `spectral_norm` and
`prune` keep `weight_hh_l0_g` and `_v`, `_orig`, `_u` and `_v`, or `_orig` and `_mask` in place of `weight_hh_l0`;
`torch.nn.utils.parametrizations` keeps them below `parametrizations.weight_hh_l0`. Weight dropout keeps
`weight_hh_l0_raw`, and drops nothing in eval mode. Such weights are computed as PyTorch does in eval mode.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.infer_network import IN_PYTORCH, Found, Layers, assemble
from rnnviz.io.model_formats.rnn_entry import DTYPES, RNN_CELLS, Entry, Tensor, TensorFile

_NAME = re.compile(
    r"(?P<prefix>(?:.*[./_])?)(?P<kind>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,6})(?P<reverse>_reverse)?)?",
    re.DOTALL,
)
_KINDS = {theirs: kind for kind, theirs in IN_PYTORCH.items()}
_OTHER_CELLS = {
    re.compile(pattern, re.DOTALL): reason
    for pattern, reason in (
        (
            r"(?P<prefix>.*?)(?:_all_weight_values\.\d+\.param|_packed_weight_[ih]h)(?:\..*)?",
            "it is quantized dynamically by torch.ao, which packs its weights: save the state_dict of the float model",
        ),
        (
            r"(?P<prefix>(?:.*\.)?)layers\.\d+\.layer_[fb]w\.cell\.[ih]gates\..*",
            "its arrays igates and hgates are those of torch.ao.nn.quantizable.LSTM: save those of torch.nn.LSTM",
        ),
        (
            r"(?P<prefix>(?:.*[./_])?)input_linearity\.weight",
            "its arrays are those of AllenNLP's LSTM, whose order of gates, projection and highway are not in the file",
        ),
        (
            r"(?P<prefix>(?:.*[./_])?)w_hh",
            "its arrays w_ih and w_hh are those of apex, and its cell is not in the file",
        ),
        (
            r"(?P<prefix>(?:.*[./_])?)recurrent_kernel(?::0)?",
            "its array recurrent_kernel is that of Keras or of Haste, whose order of gates is not in the file",
        ),
    )
}
_STATE_NAMES = (
    r"(?:h|c|hx|cx|hidden|cell|state)_?0\w*|init(?:ial)?_?(?:h|c|hx|cx|hidden|cell|state)\w*|"
    r"(?:h|c|hx|cx|hidden|cell|state)_?init(?:ial)?\w*"
)
_STATE = re.compile(_STATE_NAMES, re.IGNORECASE)
_STATE_SUFFIX = re.compile(rf"(?:.*_)?(?:{_STATE_NAMES})", re.IGNORECASE)
_NONLINEARITY, _CLASS = "nonlinearity", "class"
_OWN_CLASS = re.compile(r"__torch__\.torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?(?:RNN|LSTM|GRU)(?:Cell)?")
"""Classes of PyTorch's own recurrent modules in a TorchScript program."""
_MOST_STATES, _MOST_CLAUSES, _LONGEST_STATE = 100, 4, 200
_MORE_THAN_A_CELL = re.compile(
    r"norm|(?:^|[._])(?:ln|bn|layer_?norm\w*)(?=[._\d]|$)|(?:^|[._])ln_|gamma|beta|alpha|peep|att(?:n|ention)|zone|gate|"
    r"(?:^|[._])weight_(?:c|p)\w*",
    re.IGNORECASE,
)
"""Names of arrays that change the computation of a cell."""
_KIND = r"(?P<kind>(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l\d{1,6}(?:_reverse)?)?)"
_BESIDE = re.compile(rf"(?P<prefix>(?:.*[./_])?){_KIND}_(?P<part>g|v|u|orig|mask|raw)", re.DOTALL)
_BELOW = re.compile(rf"(?P<prefix>(?:.*[./])?)parametrizations\.{_KIND}\.(?P<part>.+)", re.DOTALL)
_NUMBERS = (*DTYPES, "bool", "uint8", "int8", "int16", "int32", "int64")
_EVAL = "{weight} is computed from {names} as in eval mode, "
_WEIGHT_NORM = _EVAL + "by weight_norm"
_SPECTRAL_NORM = _EVAL + "by spectral_norm"


@dataclass(frozen=True)
class _Module:
    """The prefix of the arrays of a recurrent module, whether it is a single cell, and the dict that holds them."""

    prefix: str
    cell: bool
    scope: str

    @property
    def name(self) -> str:
        return self.prefix.rstrip("._/")


def find(
    tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None, taken: Collection[str] = ()
) -> list[Found]:
    """Every recurrent network among `tensors`, in their order.

    `texts` are the activations that the file has of a module and the name of its class, by the prefix of the module and
    _NONLINEARITY or _CLASS; `taken` are the names of other networks' arrays.
    """
    modules: dict[_Module, Layers] = {}
    others: dict[str, Found] = {}
    for source, tensor in tensors.items():
        match = _NAME.fullmatch(source)
        if match is not None:
            parts = match.groupdict()
            place = int(parts["layer"] or 0), int(parts["reverse"] is not None)
            layers = modules.setdefault(_Module(parts["prefix"], parts["layer"] is None, tensor.scope), {})
            layers.setdefault(place, {})[_KINDS[parts["kind"]]] = source
            continue
        for pattern, reason in _OTHER_CELLS.items():
            if match := pattern.fullmatch(source):
                entry = Entry(match["prefix"].rstrip("._/"), dtype=tensor.dtype, supported=False, reason=reason)
                others.setdefault(match["prefix"], Found(entry, {}))
    arrays = _Arrays({name: tensor for name, tensor in tensors.items() if name not in taken})
    return [
        _checked(module, assemble(module.name, layers, tensors, without_bias=True), arrays, texts or {})
        for module, layers in modules.items()
    ] + list(others.values())


class _Arrays:
    """The arrays of a file, found by the beginning of their names."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self._sorted = sorted(tensors)
        # By the prefix of a module, which ends with the last separator in a name.
        self._states: dict[str, list[str]] = {}
        for name in tensors:
            parent = _parent(name)
            if len(name) - len(parent) <= _LONGEST_STATE and _STATE_SUFFIX.fullmatch(name[len(parent) :]):
                self._states.setdefault(parent, []).append(name)

    def below(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`."""
        for place in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            if not self._sorted[place].startswith(prefix):
                return
            yield self._sorted[place]

    def states(self, prefix: str) -> list[str]:
        """Names of arrays that may be learned initial states, in the module or dict that `prefix` begins with."""
        return self._states.get(_parent(prefix), [])[:_MOST_STATES]


def _parent(name: str) -> str:
    return name[: max(name.rfind("."), name.rfind("/")) + 1]


def _checked(module: _Module, found: Found, arrays: _Arrays, texts: Mapping[str, str]) -> Found:
    """The network, or an unsupported one where its module holds more than a plain cell; its learned initial state."""
    entry = found.entry
    if not entry.supported:
        return found
    used = set(found.sources.values())
    for name in arrays.below(module.prefix):
        if name not in used and _changes_the_cell(module, name, arrays.tensors[name], entry):
            reason = f"the file also holds {name}, which a plain cell does not have: its module may compute more"
            return Found(replace(entry, supported=False, cells=(), reason=reason), {})
    activation = texts.get(module.prefix + _NONLINEARITY)
    if entry.cell is None and activation is not None:
        if f"rnn_{activation}" not in RNN_CELLS:
            reason = f'its activation is "{activation}", which no cell here has'
            return Found(replace(entry, supported=False, cells=(), reason=reason), {})
        entry = replace(entry, cell=f"rnn_{activation}", cells=(), reason="")
    kind = texts.get(module.prefix + _CLASS)
    if kind is not None and not _OWN_CLASS.fullmatch(kind):
        clause = f"its class in the program is {kind}, whose code is not read: its cell is taken as PyTorch's"
        entry = replace(entry, assumptions=(*entry.assumptions, clause))
    assumptions = entry.assumptions + tuple(islice(_initial_states(module, found, arrays), _MOST_CLAUSES))
    return replace(found, entry=replace(entry, assumptions=assumptions))


def _changes_the_cell(module: _Module, name: str, tensor: Tensor, entry: Entry) -> bool:
    """Whether an array of the module may be a part of its recurrence."""
    rest = name[len(module.prefix) :]
    if tensor.dtype == "object":
        return False
    if _STATE.fullmatch(rest) and _holds_units(tensor, entry):
        return False
    if tensor.scope != module.scope:
        # A dict within the module's, such as an optimizer's state: its first key says whether it is a module.
        return _MORE_THAN_A_CELL.search(rest.split(".")[0]) is not None
    if module.prefix != module.scope and module.prefix[-1:] in "./":
        return True
    # Without a name of its own, the module shares its dict with any others.
    if _NAME.fullmatch(name) or any(pattern.fullmatch(name) for pattern in _OTHER_CELLS):
        return False
    units = entry.hidden_size
    gates = 1 if entry.cell is None else CELLS[entry.cell].gate_count
    assert units is not None
    if _MORE_THAN_A_CELL.search(rest):
        return True
    flat = 1 <= len(tensor.shape) <= 2
    if flat and gates > 1 and tensor.shape[0] == gates * units:
        return True
    return module.cell and ("." in rest or (flat and tensor.shape[0] == units))


def _initial_states(module: _Module, found: Found, arrays: _Arrays) -> Iterator[str]:
    """A clause for each array of the module, or of the one around it, that may be a learned initial state."""
    around = _parent(module.prefix.rstrip("./"))
    for prefix in dict.fromkeys((module.prefix, around)):
        for name in arrays.states(prefix):
            tensor = arrays.tensors[name]
            rest = name[len(prefix) :]
            if name.startswith(prefix) and _STATE.fullmatch(rest) and _holds_units(tensor, found.entry):
                yield (
                    f'the file also holds "{name}" {tensor.shape}, which may be a learned initial state and is not used'
                )


def _holds_units(tensor: Tensor, entry: Entry) -> bool:
    """Whether the shape is (H,), or begins with the layers and directions and ends in H."""
    return 1 <= len(tensor.shape) <= 3 and tensor.shape[-1] == entry.hidden_size


Parts = Mapping[str, str]
"""The names in the file of the arrays that one weight is computed from, by their names in PyTorch."""


Rule: TypeAlias = tuple[Callable[..., FloatArray], list[str]]
"""How a weight is computed, and the names of the arrays that it is computed from."""


def combined_weights(file: TensorFile) -> TensorFile:
    """The arrays of `file`, in which each such weight is one array."""
    rules: dict[str, Rule] = {}
    weights: dict[str, dict[str, str]] = {}
    for name in file.tensors:
        match = _BELOW.fullmatch(name) or _BESIDE.fullmatch(name)
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
            target = _target(file, weight, weights[weight])
            tensors[target] = _combined(file, target, weights[weight], rules)

    def read(name: str) -> FloatArray:
        if name not in rules:
            return file.read(name)
        rule, sources = rules[name]
        with np.errstate(all="ignore"):
            return rule(*map(file.read, sources))

    return TensorFile(tensors, read, file.texts)


def _target(file: TensorFile, weight: str, parts: Parts) -> str:
    """The weight of which layer it is: weight dropout may keep it in the module around the layer."""
    prefix, kind = re.fullmatch(rf"(.*?){_KIND}", weight, re.DOTALL).group(1, "kind")  # type: ignore[union-attr]
    inner = f"{prefix}module.{kind}"
    beside = inner.replace("weight_hh", "weight_ih")
    return inner if set(parts) == {"raw"} and beside in file.tensors else weight


def _combined(file: TensorFile, weight: str, parts: Parts, rules: dict[str, Rule]) -> Tensor:
    """The weight as a separate array; how it is computed is added to `rules`."""
    tensors = {part: file.tensors[source] for part, source in parts.items()}
    main = next((tensors[part] for part in ("orig", "original", "original1", "v", "raw") if part in tensors), None)
    if main is None:
        main = next(iter(tensors.values()))
    names = ", ".join(parts.values())
    for rule, text, needed in _RULES:
        if set(parts) != set(needed):
            continue
        if weight in file.tensors and "raw" not in parts:
            break
        found = [tensors[part] for part in needed]
        if any(tensor.unreadable or tensor.dtype not in _NUMBERS for tensor in found):
            why = next((each.unreadable for each in found if each.unreadable), "")
            return replace(main, unreadable=why or f"it is stored as {', '.join(each.dtype for each in found)}")
        if not _FITS[rule](*(tensor.shape for tensor in found)):
            break
        rules[weight] = rule, [parts[part] for part in needed]
        dtype = max((each.dtype for each in found if each.dtype in DTYPES), key=DTYPES.index, default="float32")
        assumption = text.format(weight=weight, names=names)
        if dtype in DTYPES[:2] and rule is not _kept:
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


def _masked(weight: FloatArray, mask: FloatArray) -> FloatArray:
    product: FloatArray = weight * mask
    return product


def _kept(weight: FloatArray) -> FloatArray:
    return weight


_Shape = tuple[int, ...]


def _norms_fit(g: _Shape, v: _Shape) -> bool:
    if g == ():
        return True
    # One norm for each index of one axis: the size of every other axis is 1.
    return len(g) == len(v) and any(
        all(size == (whole if place == axis else 1) for place, (size, whole) in enumerate(zip(g, v, strict=True)))
        for axis in range(len(v))
    )


def _vectors_fit(weight: _Shape, u: _Shape, v: _Shape) -> bool:
    return len(weight) == 2 and len(u) == len(v) == 1 and weight in ((u[0], v[0]), (v[0], u[0]))


_RULES: tuple[tuple[Callable[..., FloatArray], str, tuple[str, ...]], ...] = (
    (_weight_norm, _WEIGHT_NORM, ("g", "v")),
    (_weight_norm, _WEIGHT_NORM + ", which the file does not name", ("original0", "original1")),
    (_spectral_norm, _SPECTRAL_NORM, ("orig", "u", "v")),
    (_spectral_norm, _SPECTRAL_NORM, ("original", "0._u", "0._v")),
    (_masked, _EVAL + "by pruning", ("orig", "mask")),
    (_kept, "{weight} is read from {names}, without weight dropout", ("raw",)),
)
_FITS: Mapping[Callable[..., FloatArray], Callable[..., bool]] = {
    _weight_norm: _norms_fit,
    _spectral_norm: _vectors_fit,
    _masked: lambda weight, mask: weight == mask,
    _kept: lambda weight: True,
}
