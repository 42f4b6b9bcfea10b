"""Parameters of two networks compared by name: the largest difference of each, and how one follows from the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.running_error import BFLOAT16
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass

BIAS_SUM, BIASES_EXCHANGED = "the sum of the two biases is equal", "the two biases are exchanged"
SAME_SUM = (BIAS_SUM, BIASES_EXCHANGED)
"""The relations of biases that compute the same, as far as they are only added to each other."""

_BIASES = {"i2h_bias": "h2h_bias", "h2h_bias": "i2h_bias"}
_SIDES = {"l": "r", "r": "l"}

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ParameterDifference:
    """One parameter of A and of B, by Gluon's name. The difference is None where the shapes differ, the `relation` says
    how the one of B follows from A, and `differs` is whether they do by more than the tolerance."""

    name: str
    max_abs_difference: float | None
    relation: str | None
    differs: bool = True


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are equal if |b - a| <= atol + rtol · |a|."""

    rtol: float
    atol: float

    def equal(self, a: Doubles, b: Doubles) -> bool:
        if a.shape != b.shape:
            return False
        # Of most relations, the first row shows that they do not hold.
        return all(
            bool((np.abs(b[part] - a[part]) <= self.atol + self.rtol * np.abs(a[part])).all())
            for part in (np.s_[:1], np.s_[1:])
        )


def parameter_differences(
    cell: CellSpec,
    one: Mapping[str, FloatArray],
    other: Mapping[str, FloatArray],
    tolerance: Tolerance,
    check: Callable[[], None] = lambda: None,
) -> tuple[ParameterDifference, ...]:
    """The parameters of both in the order of `one`, a network of the cell; then those that only `other` has. `check` is
    called before each, and may raise to stop."""
    a, b = ({name: np.asarray(array, np.float64) for name, array in arrays.items()} for arrays in (one, other))
    found = []
    for name in {**a, **b}:
        check()
        found.append(_difference(name, cell, a, b, tolerance))
    return tuple(found)


def _difference(
    name: str, cell: CellSpec, a: Mapping[str, Doubles], b: Mapping[str, Doubles], tolerance: Tolerance
) -> ParameterDifference:
    if name not in a or name not in b:
        return ParameterDifference(name, None, f"only {'A' if name in a else 'B'} has it")
    if a[name].shape != b[name].shape:
        turned = tolerance.equal(a[name].T, b[name])
        shapes = " and ".join(" × ".join(map(str, array[name].shape)) for array in (a, b))
        return ParameterDifference(name, None, "transposed" if turned else f"the shapes are {shapes}")
    largest = float(np.abs(a[name] - b[name]).max(initial=0.0))
    if tolerance.equal(a[name], b[name]):
        return ParameterDifference(name, largest, None, differs=False)
    kind = name.partition("_")[2]
    gates = {"i2h": cell.gate_symbols, "h2h": cell.recurrent_gates}.get(kind[:3], ())
    found = _of_others(name, a, b, tolerance) or _of_array(a[name], b[name], gates, tolerance)
    return ParameterDifference(name, largest, found)


def _of_others(name: str, a: Mapping[str, Doubles], b: Mapping[str, Doubles], tolerance: Tolerance) -> str | None:
    """How an array of B follows from other ones than that of the same name in A."""
    lane, _, kind = name.partition("_")
    other = f"{lane}_{_BIASES[kind]}" if kind in _BIASES else ""
    if other in a and other in b:
        equal_sums = tolerance.equal(a[name] + a[other], b[name] + b[other])
        # A format with one bias leaves the other one at zeros.
        single = not all(array[own].any() for array in (a, b) for own in (name, other))
        exchanged = tolerance.equal(a[other], b[name]) and tolerance.equal(a[name], b[other])
        if exchanged and not single:
            return BIASES_EXCHANGED
        if equal_sums:
            return BIAS_SUM
    if not b[name].any() or not a[name].any():
        return f"all zeros in {'A' if b[name].any() else 'B'}"
    alike = [own for own in a if own in b and own != name and own.partition("_")[2] == kind]
    for own in alike:
        if tolerance.equal(a[own], b[name]):
            if not tolerance.equal(a[name], b[own]):
                return f"layer repeated: equal to {own}"
            opposite = own == f"{_SIDES[lane[0]]}{lane[1:]}_{kind}"
            return f"the {'directions' if opposite else 'layers'} are exchanged: equal to {own} of A"
    for own in alike:
        if tolerance.equal(b[own], b[name]):
            return f"layer repeated: equal to {own} of B"
    return None


def _of_array(a: Doubles, b: Doubles, gates: Sequence[str], tolerance: Tolerance) -> str | None:
    """How an array of B follows from that of A."""
    if order := _gate_order(a, b, gates, tolerance):
        return order
    if found := _of_block(a, b, tolerance):
        return found
    if len(gates) > 1:
        pairs = dict(zip(gates, zip(np.split(a, len(gates)), np.split(b, len(gates)), strict=True), strict=True))
        changed = [gate for gate, pair in pairs.items() if not tolerance.equal(*pair)]
        of_gates = {_of_block(*pairs[gate], tolerance) for gate in changed}
        if len(of_gates) == 1 and (found := of_gates.pop()):
            return f"{_gates(changed)}: {found}" if len(changed) < len(gates) else f"each gate: {found}"
    places = np.argwhere(np.abs(b - a) > tolerance.atol + tolerance.rtol * np.abs(a))
    if len(places) == 1:
        return f"only {list(map(int, places[0]))} differs"
    return f"only {_gates(changed)} differ{'s' * (len(changed) == 1)}" if 1 < len(gates) > len(changed) else None


def _gates(gates: Sequence[str]) -> str:
    return f"{'gate' if len(gates) == 1 else 'gates'} {join_words(gates, 'and')}"


def _gate_order(a: Doubles, b: Doubles, gates: Sequence[str], tolerance: Tolerance) -> str | None:
    """The order in which B has the gates of A, perhaps each of them changed as a whole."""
    if len(gates) < 2:
        return None
    blocks_a, blocks_b = np.split(a, len(gates)), np.split(b, len(gates))
    square = blocks_a[0].ndim == 2 and blocks_a[0].shape[0] == blocks_a[0].shape[1]
    ways: list[tuple[str, Callable[[Doubles], Doubles]]] = [("", lambda block: block)]
    ways += [(", each transposed", np.transpose)] if square else []
    for also, change in ways:
        equal = [[tolerance.equal(change(block), other) for block in blocks_a] for other in blocks_b]
        for order in permutations(range(len(gates))):
            if all(row[own] for row, own in zip(equal, order, strict=True)) and order != tuple(sorted(order)):
                there = ", ".join(gates[own] for own in order)
                return f"rows permuted: gates in the order {there} instead of {', '.join(gates)}{also}"
    return None


def _of_block(a: Doubles, b: Doubles, tolerance: Tolerance) -> str | None:
    return next((text for text, holds in _relations(a, b, tolerance) if holds), None)


def _relations(a: Doubles, b: Doubles, tolerance: Tolerance) -> Iterator[tuple[str, bool]]:
    """Relations of two blocks of one shape, the simplest first, and whether each holds."""
    if not a.any() or not b.any():
        yield f"all zeros in {'A' if b.any() else 'B'}", True
    yield "transposed", a.ndim == 2 and tolerance.equal(a.T, b)
    if a.ndim == 2 and min(a.shape) > 1:
        yield "transposed: the numbers are in the order of the columns", tolerance.equal(a.T.reshape(a.shape), b)
        yield "transposed: the numbers are in the order of the rows", tolerance.equal(a, b.T.reshape(a.shape))
    yield "rows in reverse order", tolerance.equal(a[::-1], b)
    yield "rows permuted", _permuted(a, b, tolerance)
    yield "columns permuted", a.ndim == 2 and _permuted(a.T, b.T, tolerance)
    for text, kind in (("float16", np.float16), (BFLOAT16, None)):
        for rounded, given, whose in ((a, b, "B"), (b, a, "A")):
            holds = all(np.array_equal(_rounded(rounded[part], kind), given[part]) for part in (np.s_[:1], np.s_[1:]))
            yield f"rounded to {text} in {whose}", holds
    # As a share of the changed array, so that a large factor hides nothing.
    factor = float((a * b).sum() / (a * a).sum()) if a.size > 1 and a.any() else 1.0
    scaled = Tolerance(10 * tolerance.rtol, min(tolerance.atol, 1e-3 * float(np.abs(b).max(initial=0.0))))
    yield "the sign is changed", factor < 0 and scaled.equal(-a, b)
    # A few numbers that differ by little are no factor.
    yield f"scaled by {factor:.6g}", abs(factor - 1.0) > scaled.rtol and scaled.equal(factor * a, b)
    shift = float((b - a).mean()) if a.size > 1 else 0.0
    yield f"shifted by {shift:.6g}", shift != 0.0 and tolerance.equal(a + shift, b)


def _rounded(array: Doubles, kind: type[Any] | None) -> Doubles:
    """The numbers in another type, None for bfloat16."""
    with np.errstate(over="ignore"):
        if kind is not None:
            return array.astype(kind).astype(np.float64)
        bits = array.astype(np.float32).view(np.uint32)
        even = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        return (even & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


def _permuted(a: Doubles, b: Doubles, tolerance: Tolerance) -> bool:
    """Whether the rows of B are those of A in another order."""
    if len(a) < 2:
        return False
    rows_a, rows_b = (array.reshape(len(array), -1) for array in (a, b))
    weights = np.random.default_rng(0).normal(size=rows_a.shape[1])
    order_a, order_b = (np.argsort(rows @ weights, kind="stable") for rows in (rows_a, rows_b))
    return tolerance.equal(rows_a[order_a], rows_b[order_b])
