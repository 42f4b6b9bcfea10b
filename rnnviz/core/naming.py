"""Names of parameters, outputs and states in texts, as in Gluon or another framework, and of arrays in files."""

import re
from collections.abc import Callable, Mapping
from itertools import chain

from rnnviz.cells.base import CellSpec
from rnnviz.core.model_formats import FORMATS, format_of_framework
from rnnviz.core.parameters import IN_PYTORCH, pytorch_name
from rnnviz.frozen import dataclass

NAMES = tuple(dict.fromkeys(known.names for known in FORMATS if known.names))
"""The frameworks by which a text can name parameters."""

_PARAMETER = re.compile(r"\b([lr])(\d+)_(i2h|h2h|h2r)_(weight|bias)\b(?!\w)(\[\d+(?:, ?\d+)?\])?")
_SYMBOL = re.compile(r"\b([Wb])_(i2h|h2h)\b")
_STATE = re.compile(r"\bstate\[([01])\]")
_OUT = re.compile(r"\bout\b")
_CELL = re.compile(r"(\S.*?)( {2,}|$)", re.MULTILINE)
_TORCH = re.compile(rf"\b({'|'.join(IN_PYTORCH.values())})_l(\d+)(_reverse)?\b")
_KINDS = {theirs: kind for kind, theirs in IN_PYTORCH.items()}


@dataclass(frozen=True)
class _Words:
    """A framework's names. `rows` is whether its weights have Gluon's rows and columns, so that an index may follow."""

    parameter: Callable[[int, bool, str, str], str]
    symbols: Mapping[str, str]
    states: tuple[str, str]
    out: str
    words: Mapping[str, str]
    rows: bool = False


def _torch(layer: int, backward: bool, part: str, kind: str) -> str:
    return pytorch_name(f"{'r' if backward else 'l'}{layer}_{part}_{kind}")


def _onnx(layer: int, backward: bool, part: str, kind: str) -> str:
    """ONNX has a node for each layer, and a row of its arrays for each direction."""
    name = {"i2h weight": "W", "h2h weight": "R", "i2h bias": "Wb", "h2h bias": "Rb"}.get(f"{part} {kind}")
    node = f"node{layer}." * (layer > 0)
    return "" if name is None else f"{node}{name}[{int(backward)}]"


def _keras(layer: int, backward: bool, part: str, kind: str) -> str:
    name = {"i2h weight": "kernel", "h2h weight": "recurrent_kernel", "i2h bias": "bias"}.get(f"{part} {kind}")
    return "" if name is None else f"{f'layer{layer}.' * (layer > 0)}{'backward_layer.' * backward}{name}"


_OF = {
    "pytorch": _Words(
        _torch,
        {"W_i2h": "W_ih", "W_h2h": "W_hh", "b_i2h": "b_ih", "b_h2h": "b_hh"},
        ("h_n", "c_n"),
        "output",
        {"NTC, batch first": "batch_first=True", "TNC, time first": "batch_first=False", "[h, c]": "(h_n, c_n)"},
        rows=True,
    ),
    "onnx": _Words(
        _onnx, {"W_i2h": "W", "W_h2h": "R", "b_i2h": "Wb", "b_h2h": "Rb"}, ("Y_h", "Y_c"), "Y", {"[h, c]": "(Y_h, Y_c)"}
    ),
    "keras": _Words(
        _keras,
        {"W_i2h": "kernel", "W_h2h": "recurrent_kernel", "b_i2h": "bias", "b_h2h": "b_h2h"},
        ("state_h", "state_c"),
        "out",
        {},
    ),
}


def names_of_file(path: str | None) -> str:
    """The names of the framework that wrote a model file; Gluon's without one."""
    return format_of_framework(path).names


def named(text: str, names: str) -> str:
    """A text with Gluon's names, in the names of another framework."""
    words = _OF.get(names)
    if words is None:
        return text
    for gluon, other in words.words.items():
        text = text.replace(gluon, other)
    text = _STATE.sub(lambda found: words.states[int(found[1])], with_parameters(text, names))
    return _OUT.sub(words.out, text)


def with_parameters(text: str, names: str) -> str:
    """A text with the names and symbols of parameters in a framework."""
    words = _OF.get(names)
    if words is None:
        return text

    def name(found: re.Match[str]) -> str:
        index = found[5] or ""
        if index and not words.rows:
            return found[0]
        return f"{words.parameter(int(found[2]), found[1] == 'r', found[3], found[4]) or found[0]}{index}"

    return _SYMBOL.sub(lambda found: words.symbols[found[0]], _PARAMETER.sub(name, text))


def with_parameters_in_columns(text: str, names: str) -> str:
    """A text as `with_parameters` returns it, with the columns of its tables below each other."""

    def cell(found: re.Match[str]) -> str:
        word = with_parameters(found[1], names)
        return word + " " * max(2, len(found[0]) - len(word)) if found[2] else word

    return _CELL.sub(cell, text)


def gluon_name(text: str) -> str:
    """A text with PyTorch's names of parameters, in Gluon's: the inverse of `with_parameters`."""
    return _TORCH.sub(lambda m: f"{'r' if m[3] else 'l'}{m[2]}_{_KINDS[m[1]]}", text)


def state_key(symbol: str) -> str:
    """The name of a final state, or of its gradient: "state" of h, "cell_state" of c, "m_state" of another m."""
    return {"h": "state", "c": "cell_state"}.get(symbol, f"{symbol}_state")


def file_names(cell: CellSpec) -> dict[str, str]:
    """The names in a file by those in a trace: "hidden" of "h", "output" of "out", "state" of "state.h", ..."""
    of_states = (
        ((s, {"h": "hidden", "c": "cell"}.get(s, s)), (f"state.{s}", state_key(s))) for s in cell.state_symbols
    )
    first, *others = chain.from_iterable(of_states)
    return dict([first, ("out", "output"), *others])
