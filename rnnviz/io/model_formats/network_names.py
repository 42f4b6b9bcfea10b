"""Recurrent networks by the names and shapes of their arrays, as Gluon and PyTorch name them.

Gluon: a fused layer has `l0_i2h_weight` under the prefix of its block, or `_unfused.0.l_cell.i2h_weight` as
`save_parameters` of MXNet 1.9 writes it, and a cell `i2h_weight` alone. PyTorch: a layer has `weight_ih_l0_reverse`,
and a cell `weight_ih`; it has Gluon's order of gates and two biases."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

import numpy as np

from rnnviz.cells import CELLS, CellSpec, Sizes
from rnnviz.core.config import parameter_name
from rnnviz.core.parameters import IN_PYTORCH
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats import model_file
from rnnviz.io.model_formats.model_file import DTYPES, OWN_PARAMETERS, RNN_CELLS, Entry, Tensor, UnreadableError

_PYTORCH = re.compile("weight_(?:ih|hh|hr)|bias_(?:ih|hh)")

Layers = dict[tuple[int, int], dict[str, str]]
"""The names in the file of one network's arrays, by (layer, direction) and then by Gluon's kind, such as i2h_weight."""


@dataclass(frozen=True)
class Found:
    """An entry, and the array in the file that each of Gluon's names is; None is a bias of zeros."""

    entry: Entry
    sources: Mapping[str, str | None]

    def having(self, **changes: Any) -> "Found":
        return replace(self, entry=replace(self.entry, **changes))

    def refused(self, reason: str) -> "Found":
        return Found(replace(self.entry, supported=False, cells=(), reason=reason), {})


def assemble(name: str, layers: Layers, tensors: Mapping[str, Tensor], *, without_bias: bool) -> Found:
    """The network of `layers`, of which all biases may be missing; an unsupported entry if something else is."""
    used = [tensors[source] for arrays in layers.values() for source in arrays.values()]
    # The widest type, since the others are read into it without loss.
    places = {tensor.dtype: DTYPES.index(tensor.dtype) if tensor.dtype in DTYPES else len(DTYPES) for tensor in used}
    entry = Entry(name, dtype=max(places, key=places.__getitem__))
    unreadable = next((tensor.unreadable for tensor in used if tensor.unreadable), "")
    try:
        count, directions = _extent(layers)
        entry = replace(entry, num_layers=count, bidirectional=directions == 2)
        spec, hidden, projection = _cell_and_sizes(layers[0, 0], tensors)
        cell = spec.projection_of or spec.name
        features = _shape(layers[0, 0], "i2h_weight", 2, tensors)[1]
        entry = replace(entry, cell=cell, input_size=features, hidden_size=hidden, projection_size=projection)
        if entry.dtype not in DTYPES:
            raise UnreadableError(f"it is stored as {entry.dtype}, and must be saved as one of {', '.join(DTYPES)}")
        if unreadable:
            raise UnreadableError(unreadable)
        sources = _sources(layers, tensors, spec, Sizes(features, hidden, projection), directions, without_bias)
    except UnreadableError as error:
        return Found(replace(entry, supported=False, reason=unreadable or str(error)), {})
    assumptions = dict.fromkeys(tensor.assumption for tensor in used if tensor.assumption)
    entry = replace(entry, biases=None not in sources.values(), assumptions=tuple(assumptions))
    if cell in RNN_CELLS:
        entry = replace(entry, cell=None, cells=RNN_CELLS, reason=model_file.ask_for_cell(RNN_CELLS))
    return Found(entry, sources)


def _extent(layers: Layers) -> tuple[int, int]:
    """L and D."""
    count = max(layer for layer, _ in layers) + 1
    directions = max(direction for _, direction in layers) + 1
    if count * directions != len(layers):
        layer, side = next(place for place in np.ndindex(count, directions) if place not in layers)
        raise UnreadableError(f"it lacks the {('forward', 'backward')[side]} direction of layer {layer}")
    if count > 1000:
        raise UnreadableError(f"it has {count} layers, and may have 1000")
    return count, directions


def _cell_and_sizes(arrays: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[CellSpec, int, int | None]:
    """The cell, H, and P of a projection, from the arrays whose shapes contain them: (G·H, H or P) and (P, H)."""
    rows, hidden = _shape(arrays, "h2h_weight", 2, tensors)
    projection = None
    if "h2r_weight" in arrays:
        projection, hidden = _shape(arrays, "h2r_weight", 2, tensors)
    fitting = model_file.cells_of_arrays(rows // hidden if rows % hidden == 0 else 0, OWN_PARAMETERS & arrays.keys())
    if not fitting:
        source = arrays["h2h_weight"]
        raise UnreadableError(f"{source} has the shape {tensors[source].shape}: it must be H, 3H or 4H rows of H or P")
    return CELLS[fitting[0]], hidden, projection


def _shape(arrays: Mapping[str, str], kind: str, rank: int, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    if kind not in arrays:
        there = ", ".join(arrays.values())
        lacking = IN_PYTORCH[kind] if _PYTORCH.search(there) else kind
        raise UnreadableError(f"it holds {there}, but lacks the {lacking} that belongs to it")
    shape = tensors[arrays[kind]].shape
    if len(shape) != rank or 0 in shape:
        raise UnreadableError(f"{arrays[kind]} has the shape {shape}: it must have {rank} sizes of at least 1")
    return shape


def _sources(
    layers: Layers, tensors: Mapping[str, Tensor], spec: CellSpec, sizes: Sizes, directions: int, without_bias: bool
) -> dict[str, str | None]:
    biased = not without_bias or any(kind.endswith("bias") for arrays in layers.values() for kind in arrays)
    above = replace(sizes, input_size=directions * spec.state_sizes(sizes)["h"])
    sources: dict[str, str | None] = {}
    for (layer, direction), arrays in sorted(layers.items()):
        shapes = spec.parameter_shapes(above if layer else sizes)
        more = [source for kind, source in arrays.items() if kind not in shapes]
        if more:
            raise UnreadableError(f"it holds {more[0]}, which the first direction of layer 0 does not have")
        for kind, needed in shapes.items():
            gluon = parameter_name(layer, direction, kind)
            if kind.endswith("bias") and not biased:
                sources[gluon] = None
                continue
            shape = _shape(arrays, kind, len(needed), tensors)
            if shape != needed:
                raise UnreadableError(f"{arrays[kind]} has the shape {shape}, where the other arrays call for {needed}")
            sources[gluon] = arrays[kind]
    return sources


_GLUON_KIND = rf"(?P<kind>[ih]2h_(?:weight|bias)|{'|'.join(sorted(OWN_PARAMETERS))})"
_FUSED = re.compile(rf"(?P<prefix>(?:.*[._:])?)(?P<side>[lr])(?P<layer>\d{{1,6}})_{_GLUON_KIND}", re.DOTALL)
_STACKED = re.compile(rf"(?P<prefix>(?:.*\.)?)(?P<layer>\d{{1,6}})\.(?:(?P<side>[lr])_cell\.)?{_GLUON_KIND}", re.DOTALL)
_CELL = re.compile(rf"(?P<prefix>(?:.*?[._:])??)(?:(?P<side>[lr])_cell\.)?{_GLUON_KIND}", re.DOTALL)
_CHECKPOINT = re.compile(r"arg:|aux:")
_UNFUSED = "_unfused."
_LAYER = re.compile(r"(?:.*[._:])?(?:lstm|gru|rnn)\d+_|(?:.*\.)?", re.DOTALL)
"""The prefixes that fused layers have unless the user gives them others."""
_NAMED_AS_FUSED = "its arrays have the names of a fused layer, and it is run as one: cells with such names may differ"
_NUMBERED = "the file does not say whether the cells in its list read each other's outputs: each is a network here"
_DIRECTIONS = "l_cell and r_cell are taken for the directions of a BidirectionalCell, which concatenates their outputs"
_CALLED = "the file does not say how the cell is called: the sequence is read from its beginning"
_REVERSED = "r_cell reads the sequence from its end: give it in reverse order, in which the outputs come as well"
_WRAPPED = "the cell around it may change its outputs: the file does not say whether it is a ResidualCell or another"


def gluon_networks(tensors: Mapping[str, Tensor]) -> list[Found]:
    """Every recurrent network among `tensors`, in their order."""
    networks: dict[tuple[str, str], Layers] = {}
    found: list[Found] = []
    for source, tensor in tensors.items():
        bare = _CHECKPOINT.sub("", source, count=1) if _CHECKPOINT.match(source) else source
        for form, pattern in (("fused", _FUSED), ("stacked", _STACKED), ("cell", _CELL)):
            match = pattern.fullmatch(bare)
            if match is not None:
                parts = match.groupdict()
                place = int(parts.get("layer") or 0), int(parts["side"] == "r")
                networks.setdefault((form, parts["prefix"]), {}).setdefault(place, {})[parts["kind"]] = source
                break
        if tensor.unreadable and bare.endswith("_parameters"):
            # A vector of all weights of a layer, which `mxnet_params` could not split.
            found.append(Found(Entry(_name(bare), dtype=tensor.dtype), {}).refused(tensor.unreadable))
    # PyTorch's are networks of their own.
    arrays = _Arrays({name: tensor for name, tensor in tensors.items() if not _NAME.fullmatch(name)})
    for (form, prefix), layers in networks.items():
        if form == "cell":
            networks_here = [_cell(_name(prefix), layers, tensors)]
        elif form == "stacked" and not prefix.endswith(_UNFUSED):
            networks_here = _list(prefix, layers, tensors)
        else:
            networks_here = _fused(form, prefix, layers, tensors)
        found += [_among_others(_gluon_module(each, form == "cell"), each, arrays) for each in networks_here]
    return found


def _gluon_module(found: Found, cell: bool) -> "_Module":
    """The module of a network, named by the block around its arrays."""
    source = next((source for source in found.sources.values() if source is not None), "")
    checkpoint = _CHECKPOINT.match(source)
    prefix = checkpoint[0] if checkpoint else ""
    begin = prefix + found.entry.name
    after = source[len(begin) : len(begin) + 1] if found.entry.name and source.startswith(begin) else ""
    return _Module(begin + after if after in tuple("._:") else prefix, cell, "")


def _name(prefix: str) -> str:
    return prefix.rstrip("._:")


def _fused(form: str, prefix: str, layers: Layers, tensors: Mapping[str, Tensor]) -> list[Found]:
    """A fused layer, or cells that the user has named like its layers, where they cannot be one network."""
    layer = _admitting(assemble(_name(prefix.removesuffix(_UNFUSED)), layers, tensors, without_bias=False))
    if form == "stacked":
        return [layer]
    if not layer.entry.supported:
        cells = _list(f"{prefix}l", layers, tensors)
        kinds = {(cell.entry.cell, cell.entry.cells, cell.entry.hidden_size) for cell in cells}
        if len(kinds) > 1 and all(cell.entry.supported for cell in cells):
            return cells
    return [_assuming(layer, () if _LAYER.fullmatch(prefix) else (_NAMED_AS_FUSED,))]


def _list(prefix: str, layers: Layers, tensors: Mapping[str, Tensor]) -> list[Found]:
    alone: dict[int, Layers] = {}
    for (number, side), arrays in layers.items():
        alone.setdefault(number, {})[0, side] = arrays
    listed = (_NUMBERED,) if len(alone) > 1 else ()
    return [_cell(f"{prefix}{number}", one, tensors, listed) for number, one in sorted(alone.items())]


def _cell(name: str, layers: Layers, tensors: Mapping[str, Tensor], assumptions: tuple[str, ...] = ()) -> Found:
    """A cell, or both of a BidirectionalCell; those of GRUCell and LSTMPCell alone have one set of activations."""
    found = _admitting(assemble(name, layers, tensors, without_bias=False))
    parts = name.split(".")
    assumptions = (*assumptions, _REVERSED if "r_cell" in parts else _CALLED)
    if parts[-1] == "base_cell":
        assumptions = (*assumptions, _WRAPPED)
    if found.entry.bidirectional:
        assumptions = (*assumptions, _DIRECTIONS)
    if found.entry.supported and found.entry.cell == "lstm" and found.entry.projection_size is None:
        found = found.having(cell=None, cells=("lstm",), reason=model_file.ask_for_cell(("lstm",)))
    return _assuming(found, assumptions)


def _admitting(found: Found) -> Found:
    """The network as its cell, and as the others that have as many rows and the same names."""
    if found.entry.cell is None or found.entry.projection_size is not None:
        return found
    cell = CELLS[found.entry.cell]
    same_rows = model_file.cells_of_arrays(len(cell.recurrent_gates), cell.own_parameters)
    return found.having(cells=same_rows) if len(same_rows) > 1 else found


def _assuming(found: Found, assumptions: tuple[str, ...]) -> Found:
    return found.having(assumptions=assumptions) if found.entry.supported else found


_NAME = re.compile(
    r"(?P<prefix>(?:.*[./_])?)(?P<kind>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,6})(?P<reverse>_reverse)?)?",
    re.DOTALL,
)
_KINDS = {theirs: kind for kind, theirs in IN_PYTORCH.items()}
_STATE_NAMES = (
    r"(?:h|c|hx|cx|hidden|cell|state)_?0\w*|init(?:ial)?_?(?:h|c|hx|cx|hidden|cell|state)\w*|"
    r"(?:h|c|hx|cx|hidden|cell|state)_?init(?:ial)?\w*"
)
_STATE = re.compile(_STATE_NAMES, re.IGNORECASE)
_STATE_SUFFIX = re.compile(rf"(?:.*_)?(?:{_STATE_NAMES})", re.IGNORECASE)
_OWN_CLASS = re.compile(r"__torch__\.torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?(?:RNN|LSTM|GRU)(?:Cell)?")
"""Classes of PyTorch's own recurrent modules in a TorchScript program."""
_MOST_STATES, _MOST_CLAUSES, _LONGEST_STATE = 100, 4, 200
_MORE_THAN_A_CELL = re.compile(
    r"norm|(?:^|[._])(?:ln|bn|layer_?norm\w*)(?=[._\d]|$)|(?:^|[._])ln_|gamma|beta|alpha|peep|att(?:n|ention)|zone|gate|"
    r"(?:^|[._])weight_(?:c|p)\w*",
    re.IGNORECASE,
)
"""Names of arrays that change the computation of a cell."""
_AROUND = re.compile(
    r"(?:.*[./_])?(?:emb|embed|embeds|embedding|embeddings|encoder|decoder|fc|lin|linear|dense|out|output|head|"
    r"classifier|logits|softmax|hidden2\w+)(?:_?layer)?_?\d*[./_](?:\d+[./])?(?:weight|bias|kernel|embeddings?)(?::0)?",
    re.IGNORECASE | re.DOTALL,
)
"""Names of arrays of the layers below and above a recurrent one."""


@dataclass(frozen=True)
class _Module:
    """The prefix of the arrays of a recurrent module, whether it is a single cell, and the scope of its tensors."""

    prefix: str
    cell: bool
    scope: str


def torch_networks(
    tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None, taken: Collection[str] = ()
) -> list[Found]:
    """Every recurrent network among `tensors`, in their order; `taken` are the names of other networks' arrays.

    `texts` are the activation and the name of the class of a module, by its prefix and "nonlinearity" or "class".
    """
    modules: dict[_Module, Layers] = {}
    for source, tensor in tensors.items():
        match = _NAME.fullmatch(source)
        if match is not None:
            parts = match.groupdict()
            place = int(parts["layer"] or 0), int(parts["reverse"] is not None)
            layers = modules.setdefault(_Module(parts["prefix"], parts["layer"] is None, tensor.scope), {})
            layers.setdefault(place, {})[_KINDS[parts["kind"]]] = source
    arrays = _Arrays({name: tensor for name, tensor in tensors.items() if name not in taken})
    return [
        _checked(module, assemble(module.prefix.rstrip("._/"), layers, tensors, without_bias=True), arrays, texts or {})
        for module, layers in modules.items()
    ]


class _Arrays:
    """The arrays of a file, found by the beginning of their names."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self._sorted = sorted(tensors)
        # By the prefix of a module, which ends with the last separator in a name.
        self._states: dict[str, list[str]] = {}
        self._direct: dict[str, list[str]] = {}
        for name in tensors:
            parent = _parent(name)
            self._direct.setdefault(parent, []).append(name)
            if len(name) - len(parent) <= _LONGEST_STATE and _STATE_SUFFIX.fullmatch(name[len(parent) :]):
                self._states.setdefault(parent, []).append(name)

    def below(self, prefix: str) -> Iterator[str]:
        behind = (self._sorted[place] for place in range(bisect_left(self._sorted, prefix), len(self._sorted)))
        return takewhile(lambda name: name.startswith(prefix), behind)

    def around(self, prefix: str) -> list[str]:
        """Names of the arrays of the module around the one that `prefix` begins with, without its submodules."""
        return self._direct.get(_parent(prefix.rstrip("./")), []) if prefix[-1:] in tuple("./") else []

    def states(self, prefix: str) -> list[str]:
        """Names of arrays that may be learned initial states, in the module or dict that `prefix` begins with."""
        return self._states.get(_parent(prefix), [])[:_MOST_STATES]


def _parent(name: str) -> str:
    return name[: max(name.rfind("."), name.rfind("/")) + 1]


def _checked(module: _Module, found: Found, arrays: _Arrays, texts: Mapping[str, str]) -> Found:
    """The network, or an unsupported one where its module holds more than a plain cell; its learned initial state."""
    found = _among_others(module, found, arrays)
    entry = found.entry
    if not entry.supported:
        return found
    activation = texts.get(f"{module.prefix}nonlinearity")
    if entry.cell is None and activation is not None:
        if f"rnn_{activation}" not in RNN_CELLS:
            return found.refused(f'its activation is "{activation}", which no cell here has')
        found = found.having(cell=f"rnn_{activation}", cells=(), reason="")
    kind = texts.get(f"{module.prefix}class")
    if kind is not None and not _OWN_CLASS.fullmatch(kind):
        clause = f"its class in the program is {kind}, whose code is not read: its cell is taken as PyTorch's"
        found = found.having(assumptions=(*found.entry.assumptions, clause))
    return found


def _among_others(module: _Module, found: Found, arrays: _Arrays) -> Found:
    """The network with clauses about the other arrays of its module, or an unsupported one if they may change it."""
    if not found.entry.supported:
        return found
    used, unread = set(found.sources.values()), []
    for name in arrays.below(module.prefix):
        tensor = arrays.tensors[name]
        state = _STATE.fullmatch(name[len(module.prefix) :]) is not None and _holds_units(tensor, found.entry)
        if name in used or state:
            continue
        if _changes_the_cell(module, name, tensor, found.entry):
            return found.refused(
                f"the file also holds {name}, which a plain cell does not have: its module may compute more"
            )
        if tensor.scope == module.scope and tensor.dtype != "object" and not _is_recurrent(name):
            unread.append(f'"{name}" {tensor.shape}')
    for name in arrays.around(module.prefix):
        tensor, rest = arrays.tensors[name], name[len(_parent(name)) :]
        known = name in used or _is_recurrent(name) or _AROUND.fullmatch(rest) or _STATE.fullmatch(rest)
        # The module around a cell may compute with both.
        if tensor.scope == module.scope and not known and _has_numbers(tensor) and _fits_units(tensor, found.entry):
            unread.append(f'"{name}" {tensor.shape}')
    clauses = list(islice(_initial_states(module, found, arrays), _MOST_CLAUSES))
    if unread:
        shown = ", ".join(unread[:_MOST_CLAUSES])
        more = f" and {len(unread) - _MOST_CLAUSES:,} more" if len(unread) > _MOST_CLAUSES else ""
        clauses.append(f"the file also holds {shown}{more}, which the run does not use")
    return found.having(assumptions=(*found.entry.assumptions, *clauses))


def _is_recurrent(name: str) -> bool:
    """Whether an array of this name belongs to a recurrent layer, which is listed by itself."""
    return any(pattern.fullmatch(name) for pattern in (_NAME, _FUSED, _STACKED, _CELL))


def _changes_the_cell(module: _Module, name: str, tensor: Tensor, entry: Entry) -> bool:
    """Whether an array of the module may be a part of its recurrence."""
    rest = name[len(module.prefix) :]
    if tensor.dtype == "object":
        return False
    if tensor.scope != module.scope:
        # A dict within the module's, such as an optimizer's state: its first key says whether it is a module.
        return _MORE_THAN_A_CELL.search(rest.split(".")[0]) is not None
    gate_rows = 1 <= len(tensor.shape) <= 2 and tensor.shape[0] == _gate_rows(entry) != entry.hidden_size
    around = _AROUND.fullmatch(rest) is not None and not gate_rows
    if module.prefix != module.scope and module.prefix[-1:] in "./":
        return not around
    # Without a separate name, the module shares its dict with any others.
    if _is_recurrent(name):
        return False
    if _MORE_THAN_A_CELL.search(rest):
        return True
    if around or not _has_numbers(tensor):
        return False
    return _fits_units(tensor, entry) or (module.cell and "." in rest)


def _has_numbers(tensor: Tensor) -> bool:
    return tensor.dtype != "object" and "int" not in tensor.dtype and tensor.dtype != "bool"


def _gate_rows(entry: Entry) -> int:
    assert entry.hidden_size is not None
    cell = entry.cell or next(iter(entry.cells), None)
    return entry.hidden_size * (1 if cell is None else CELLS[cell].gate_count)


def _fits_units(tensor: Tensor, entry: Entry) -> bool:
    """Whether the shape is (H,), (1, H), (H, ...) or (G·H, ...)."""
    shape, units = tensor.shape, entry.hidden_size
    return 1 <= len(shape) <= 2 and (shape[0] in (units, _gate_rows(entry)) or shape == (1, units))


def _initial_states(module: _Module, found: Found, arrays: _Arrays) -> Iterator[str]:
    """A clause for each array of the module, or of the one around it, that may be a learned initial state."""
    around = _parent(module.prefix.rstrip("./"))
    for prefix in dict.fromkeys((module.prefix, around)):
        for name in arrays.states(prefix):
            tensor, is_state = arrays.tensors[name], _STATE.fullmatch(name[len(prefix) :]) is not None
            if name.startswith(prefix) and is_state and _holds_units(tensor, found.entry):
                shown = f'"{name}" {tensor.shape}'
                yield f"the file also holds {shown}, which may be a learned initial state and is not used"


def _holds_units(tensor: Tensor, entry: Entry) -> bool:
    """Whether the shape is (H,), or begins with the layers and directions and ends in H."""
    return 1 <= len(tensor.shape) <= 3 and tensor.shape[-1] == entry.hidden_size
