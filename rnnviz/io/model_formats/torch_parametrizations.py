"""Weights that PyTorch computes from other arrays before each run, computed as it does in eval mode.

`torch.nn.utils.weight_norm`, `spectral_norm` and `prune` keep `weight_hh_l0_g` and `_v`, `_orig`, `_u` and `_v`, or
`_orig` and `_mask` in place of `weight_hh_l0`; `torch.nn.utils.parametrizations` keeps them below
`parametrizations.weight_hh_l0`. Weight dropout keeps `weight_hh_l0_raw`, and drops nothing in eval mode.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.rnn_entry import DTYPES
from rnnviz.io.model_formats.tensors import Tensor, TensorFile

_KIND = r"(?P<kind>(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l\d{1,6}(?:_reverse)?)?)"
_BESIDE = re.compile(rf"(?P<prefix>(?:.*[./_])?){_KIND}_(?P<part>g|v|u|orig|mask|raw)", re.DOTALL)
_BELOW = re.compile(rf"(?P<prefix>(?:.*[./])?)parametrizations\.{_KIND}\.(?P<part>.+)", re.DOTALL)
_NUMBERS = (*DTYPES, "bool", "uint8", "int8", "int16", "int32", "int64")

Parts = Mapping[str, str]
"""The names in the file of the arrays that one weight is computed from, by their names in PyTorch."""


class CombinedWeights:
    """The arrays of `file`, in which each such weight is one array."""

    def __init__(self, file: TensorFile) -> None:
        self._file = file
        self._rules: dict[str, tuple[Callable[..., FloatArray], list[str]]] = {}
        weights: dict[str, dict[str, str]] = {}
        for name in file.tensors:
            match = _BELOW.fullmatch(name) or _BESIDE.fullmatch(name)
            if match is not None:
                weights.setdefault(match["prefix"] + match["kind"], {})[match["part"]] = name
        self.tensors: dict[str, Tensor] = {}
        # Each takes the place of the first array that it is computed from.
        owners = {source: weight for weight, parts in weights.items() for source in parts.values()}
        for name, tensor in file.tensors.items():
            weight = owners.get(name)
            if weight is None:
                self.tensors.setdefault(name, tensor)
            elif name == next(iter(weights[weight].values())):
                target = self._target(weight, weights[weight])
                self.tensors[target] = self._combined(target, weights[weight])

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        if name not in self._rules:
            return self._file.read(name)
        rule, sources = self._rules[name]
        with np.errstate(all="ignore"):
            return rule(*map(self._file.read, sources))

    def _target(self, weight: str, parts: Parts) -> str:
        """The weight of which layer it is: weight dropout may keep it in the module around the layer."""
        prefix, kind = re.fullmatch(rf"(.*?){_KIND}", weight, re.DOTALL).group(1, "kind")  # type: ignore[union-attr]
        inner = f"{prefix}module.{kind}"
        beside = inner.replace("weight_hh", "weight_ih")
        return inner if set(parts) == {"raw"} and beside in self._file.tensors else weight

    def _combined(self, weight: str, parts: Parts) -> Tensor:
        """The weight as a separate array, and how it is computed."""
        tensors = {part: self._file.tensors[source] for part, source in parts.items()}
        main = next((tensors[part] for part in ("orig", "original", "original1", "v", "raw") if part in tensors), None)
        if main is None:
            main = next(iter(tensors.values()))
        names = ", ".join(parts.values())
        for rule, text, needed in _RULES:
            if set(parts) != set(needed):
                continue
            if weight in self._file.tensors and "raw" not in parts:
                break
            found = [tensors[part] for part in needed]
            if any(tensor.unreadable or tensor.dtype not in _NUMBERS for tensor in found):
                why = next((each.unreadable for each in found if each.unreadable), "")
                return replace(main, unreadable=why or f"it is stored as {', '.join(each.dtype for each in found)}")
            if not _FITS[rule](*(tensor.shape for tensor in found)):
                break
            self._rules[weight] = rule, [parts[part] for part in needed]
            dtype = max((each.dtype for each in found if each.dtype in DTYPES), key=DTYPES.index, default="float32")
            assumption = text.format(weight=weight, names=names)
            if dtype in DTYPES[:2] and rule is not _kept:
                assumption += f", in float32, where PyTorch rounds to {dtype}"
                dtype = "float32"
            return replace(main, dtype=dtype, assumption=assumption)
        if weight in self._file.tensors:
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


_EVAL = "{weight} is computed from {names} as in eval mode, "
_WEIGHT_NORM = _EVAL + "by weight_norm"
_SPECTRAL_NORM = _EVAL + "by spectral_norm"
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
