"""Which axes of an ONNX model's inputs are time steps and samples.

A value of an input is changed in the last place of one axis. The time steps or samples that this changes in the input
of the first recurrent node that reads it show which axis it is. So no other size has to be computed.
"""

import re
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from rnnviz.captures.onnx_operations import Operations, Values
from rnnviz.captures.onnx_taps import Array
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import display_value
from rnnviz.core.words import join_words

TIME, SAMPLES = "T", "N"
_OTHER = "-"
_NAMES = {
    SAMPLES: re.compile(r"n|b|batch.*|.*batch(_?size)?", re.IGNORECASE),
    TIME: re.compile(r"t|time.*|.*seq.*|.*len(gth)?|.*frames?|.*steps?", re.IGNORECASE),
}
"""Names that exporters give to open sizes."""


def find_axes(operations: Operations, named: Mapping[str, str]) -> dict[str, str]:
    """A letter for each axis of each input: T, N, or another one; `named` are letters that the user gives."""
    for name, letters in named.items():
        if name not in operations.feeds:
            raise InputError(f"--axes names {display_value(name)}, which is not one of the given inputs.")
        rank = operations.feeds[name].ndim
        if len(letters) != rank or any(letters.count(letter) > 1 for letter in (TIME, SAMPLES)):
            raise InputError(
                f"--axes {name}={letters} must have one letter for each of the {rank} axes of {name}: T for the time "
                "steps, N for the samples, and another one, such as NTI."
            )
    found = dict(named)
    left = [name for name in operations.feeds if name not in found]
    base: Values = {}
    if left:
        # A model that cannot be run with a whole sequence may be run with its chunks.
        with suppress(EngineError):
            base = operations.run(operations.feeds)
    return found | {name: _axes_of(name, operations, base) for name in left}


def sizes_of(operations: Operations, axes: Mapping[str, str]) -> tuple[int, int]:
    """The numbers of time steps and of samples of the inputs, 1 of samples where no input has them."""
    found: dict[str, set[int]] = {TIME: set(), SAMPLES: set()}
    for name, letters in axes.items():
        for letter, size in zip(letters, operations.feeds[name].shape, strict=True):
            found.get(letter, set()).add(size)
    for letter, sizes, noun in ((TIME, found[TIME], "time steps"), (SAMPLES, found[SAMPLES], "samples")):
        if len(sizes) > 1 or (letter == TIME and not sizes):
            got = f"different sizes ({join_words(map(str, sorted(sizes)), 'and')})" if sizes else "no input"
            named = " ".join(f"{name}={letters}" for name, letters in axes.items())
            raise InputError(
                f"{operations.path}: the axis of the {noun} has {got}: name the axes of each input with --axes, T for "
                f"the time steps and N for the samples (got {named})."
            )
    return found[TIME].pop(), (found[SAMPLES] or {1}).pop()


def _axes_of(name: str, operations: Operations, base: Values) -> str:
    array, observed = operations.feeds[name], _observed(name, operations, base)
    letters = [_letter(name, axis, operations, base, *observed) if observed else _OTHER for axis in range(array.ndim)]
    sizes = dict(zip((SAMPLES, TIME), _sizes(base, *observed), strict=True)) if observed else {}
    names = operations.open_names.get(name) or ("",) * array.ndim
    for letter in (SAMPLES, TIME):
        left = [axis for axis, own in enumerate(letters) if own == _OTHER]
        named = [axis for axis in left if _NAMES[letter].fullmatch(names[axis])]
        sized = [axis for axis in left if array.shape[axis] == sizes.get(letter)]
        # Of one sample, no value shows which axis it is.
        chosen = named or (sized if len(sized) == 1 or sizes.get(letter) == 1 else [])
        if letter not in letters and chosen:
            usual = observed[2] if observed and letter == SAMPLES else chosen[0]
            letters[usual if usual in chosen else chosen[0]] = letter
    return "".join(letters)


def _observed(name: str, operations: Operations, base: Values) -> tuple[str, int | None, int] | None:
    """The value of the first recurrent node that depends on an input, and its axes of time steps and of samples."""
    places = (("X", 0, 1), ("initial_h", None, 1), ("initial_c", None, 1), ("sequence_lens", None, 0))
    for operation in operations.operations:
        for wanted, time, samples in places if operation.recurrent else ():
            read = operation.input(wanted)
            if name in operations.depends.get(read, ()) and read in base:
                return read, time, samples
    return None


def _sizes(base: Values, read: str, time: int | None, samples: int) -> tuple[int, int]:
    """The numbers of samples and of time steps, -1 where there are none."""
    shape = base[read].shape
    return shape[samples], -1 if time is None else shape[time]


def _letter(
    name: str, axis: int, operations: Operations, base: Values, read: str, time: int | None, samples: int
) -> str:
    array = operations.feeds[name]
    if array.shape[axis] < 2:
        return _OTHER
    changed = _changed(array, axis)
    if changed is None:
        return _OTHER
    before, after = base[read], operations.run({**operations.feeds, name: changed})[read]
    if before.shape != after.shape:
        return _OTHER
    differs = before != after
    for letter, own in ((SAMPLES, samples), (TIME, time)):
        if own is not None:
            count = int(differs.any(axis=tuple(k for k in range(differs.ndim) if k != own)).sum())
            if 0 < count < differs.shape[own]:
                return letter
    return _OTHER


def _changed(array: Array, axis: int) -> Array | None:
    """The array with other values in the last place of an axis; None if there are no others."""
    changed = array.copy()
    last = np.moveaxis(changed, axis, 0)[-1:]
    if array.dtype.kind == "f":
        last += 1
    else:
        # A number that the array has, as it may be an index.
        values = np.unique(array)
        if len(values) < 2:
            return None
        last[...] = values[(np.searchsorted(values, last) + 1) % len(values)]
    return changed
