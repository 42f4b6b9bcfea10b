"""Central difference quotients of the loss in float64: an independent check of gradients, without a backward pass.

Of every kind of array a few entries are chosen, by a fixed seed, some at random and some where gradients are large. The
quotients of two or three steps are extrapolated to a step of 0 (Richardson), and the distance of the last two
estimates is taken for the error. Where the loss has a kink, as a relu has, the quotients of both sides differ however
small the step: the entry is skipped. So it is where the estimates do not agree, and where a tiny step gives another
quotient, as in a chaotic network.

An engine computes in its own precision, and a correct one has another trajectory than float64. How much that moves a
gradient is measured: some quotients are made of copies whose states are rounded at random. A gradient contradicts the
quotient if it is farther away than the error, several times that movement, and a number of roundings of the sum that
the gradient is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product, zip_longest

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED, storage_bound
from rnnviz.core.config import lane_name, parameter_name
from rnnviz.core.gradients import OF_INPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass
from rnnviz.verify.backward_result import DifferenceQuotient, FiniteDifferences
from rnnviz.verify.perturbed_loss import Copy, PerturbedLoss

_MOST = 48
"""The largest number of entries."""

_SMOOTH, _BENT = -9, -16
"""The binary exponents of the steps, of cells with smooth activations and of those with kinks."""

_TINY = 14
"""How many times the tiny step is halved more often."""

_WITH_KINKS = {"relu", "leaky_relu", "thresholded_relu", "hard_sigmoid", "hard_tanh", "elu", "selu", "softsign", "clip"}
"""The activations whose slope or curvature jumps."""

_ROUNDINGS, _MOVEMENTS = 32.0, 8.0
"""How many roundings of its sum, and how many measured movements, a gradient of a correct engine may be off."""

_SETTLED = 2.0**-8
"""The largest error of a quotient, relative to the terms of the gradient, that is not skipped."""

_MOVED = 2.0**-3
"""The largest movement of a quotient, relative to itself: beyond, it may be any."""

_DRAWS = 2
"""The number of random roundings in which movements are measured."""

_MOST_VALUES = 1 << 24
"""The largest number of values of the hidden states of all copies."""

_CALLS = 1 << 18
"""The number of multiplications that take as long as the calls of one engine's time step."""

_EPS = float(np.finfo(np.float64).eps)


def finite_differences(
    inputs: Inputs, traces: Mapping[str, Trace], progress: Callable[[float], None] = lambda _: None
) -> FiniteDifferences | None:
    """Compare the gradients of engines with difference quotients of the loss."""
    traces = {name: trace for name, trace in traces.items() if trace.has_gradients}
    if not traces or inputs.loss is None:
        return None
    if inputs.loss.truncate is not None:
        return FiniteDifferences(reason="truncated gradients are not derivatives of the loss")
    steps = _Steps.of(inputs)
    chosen = _affordable(inputs, len(traces), steps, _entries(inputs, traces))
    if not chosen:
        return FiniteDifferences(reason="they would take longer than the engines")
    with np.errstate(all="ignore"):
        quotients = _quotients(inputs, chosen, steps, progress)
        found = [_compared(inputs, traces, quotient) for quotient in quotients]
    entries = tuple(entry for entry in found if entry is not None)
    return FiniteDifferences(entries, skipped=len(found) - len(entries))


@dataclass(frozen=True)
class _Steps:
    """The steps of a quotient relative to the scale of an entry, a tiny one, and the number of draws.

    Draws are needed in float64, too: where states explode, two correct engines have other states after some steps.
    """

    sizes: tuple[float, ...]
    tiny: float
    draws: int = _DRAWS

    @classmethod
    def of(cls, inputs: Inputs) -> "_Steps":
        names = {node.activation.name for node in inputs.network.graph.nodes if node.activation is not None}
        exponent = _BENT if names & _WITH_KINKS else _SMOOTH
        if inputs.network.dtype == "float64":
            return cls(tuple(2.0 ** (exponent + k) for k in (2, 0, -2)), 2.0 ** (exponent - _TINY))
        return cls((2.0 ** (exponent - 1), 2.0 ** (exponent - 3)), 2.0 ** (exponent - _TINY))

    @property
    def count(self) -> int:
        """The number of copies of each sample that an entry needs."""
        return 2 * (len(self.sizes) + 1 + self.draws)


@dataclass(frozen=True)
class _Quotient:
    """The estimate of a derivative, its error, and how far random rounding moves it; NaN at a kink."""

    where: Place
    value: float
    error: float
    movement: float


def _entries(inputs: Inputs, traces: Mapping[str, Trace]) -> Iterator[Place]:
    """Entries of all gradients without time, and of the sequence: of each kind first, then of the lanes in turn.

    A recording may lack some: each is read from the first engine that gives it.
    """
    generator, network = np.random.default_rng(0), inputs.network
    lanes = [f"{lane_name(layer, d)}_" for layer, d in product(range(network.num_layers), range(network.directions))]
    kinds: list[list[tuple[str, int | None]]] = [[(OF_INPUT, None)]]
    kinds += [[(gradient(f"{s}0"), k) for k in range(len(lanes))] for s in network.kind.state_symbols]
    kinds += [[(f"{OF_PARAMETERS}{lane}{name}", None) for lane in lanes] for name in network.kind.initializers()]
    given = {name: array for trace in reversed([*traces.values()]) for name, array in trace.items()}
    kinds = [found for arrays in kinds if (found := [entry for entry in arrays if entry[0] in given])]
    # Each kind begins with another lane.
    kinds = [[*arrays[turn % len(arrays) :], *arrays[: turn % len(arrays)]] for turn, arrays in enumerate(kinds)]
    for _ in range(4):
        for turn in zip_longest(*kinds):
            for name, lane in filter(None, turn):
                yield entry_place(network, name, _index(generator, given[name], name, lane, inputs))


def _index(
    generator: np.random.Generator, array: FloatArray, name: str, lane: int | None, inputs: Inputs
) -> tuple[int, ...]:
    """An entry of an array, drawn of all or, half of the time, with a probability that grows with the gradient."""
    first: tuple[int, ...] = () if lane is None else (lane,)
    if name == OF_INPUT:
        sample = int(generator.integers(inputs.batch_size))
        t = int(generator.integers(inputs.length(sample)))
        first = t, sample
    rows = array[first]
    flat = generator.integers(rows.size)
    if generator.random() < 0.5 and rows.size <= 1 << 22:
        magnitude = np.abs(np.asarray(rows, np.float64)).ravel()
        total = magnitude.sum()
        if 0.0 < total < np.inf:
            flat = generator.choice(rows.size, p=magnitude / total)
    return (*first, *(int(i) for i in np.unravel_index(int(flat), rows.shape)))


def _affordable(inputs: Inputs, engines: int, steps: _Steps, entries: Iterator[Place]) -> list[Place]:
    """The first of the entries whose quotients take no longer than the engines; none, if not each kind is among them.

    The cost is counted in multiplications.
    """
    network, samples = inputs.network, inputs.batch_size
    lanes = network.num_layers * network.directions
    weights = sum(array.size for array in inputs.parameters.values())
    # An activation takes as long as a few tens of multiplications.
    of_row = weights + 32 * lanes * network.kind.gate_count * network.hidden_size
    of_engines = engines * (6 * samples * of_row + _CALLS * lanes)
    widest = max(network.directions * network.output_size if network.num_layers > 1 else 1, 1)
    most = min(of_engines // of_row, _MOST_VALUES // (inputs.timesteps * widest))
    chosen: dict[Place, None] = {}
    bases: set[int] = set()
    rows = 0
    for entry in entries:
        if entry in chosen:
            continue
        used = _samples(inputs, entry)
        rows += steps.count * len(used)
        if rows + len(bases.union(used)) * (1 + steps.draws) > most or len(chosen) == _MOST:
            break
        bases.update(used)
        chosen[entry] = None
    kinds = 1 + len(network.kind.state_symbols)
    return list(chosen) if len(chosen) >= kinds else []


def _quotients(
    inputs: Inputs, entries: Sequence[Place], steps: _Steps, progress: Callable[[float], None]
) -> list[_Quotient]:
    used = sorted({sample for entry in entries for sample in _samples(inputs, entry)})
    # The rows of the copies without a step, by draw and sample.
    bases = {key: row for row, key in enumerate(product(range(1 + steps.draws), used))}
    copies = [Copy(sample, row, draw) for (draw, sample), row in bases.items()]
    scales = [_scale(inputs, entry) for entry in entries]
    slots = []
    for entry, scale in zip(entries, scales, strict=True):
        samples = _samples(inputs, entry)
        slots.append((len(copies), [bases[0, sample] for sample in samples]))
        drawn = [(steps.sizes[-1], 1 + draw) for draw in range(steps.draws)]
        sizes = [*((size, 0) for size in (*steps.sizes, steps.tiny)), *drawn]
        for size, draw in sizes:
            for step in (size * scale, -size * scale):
                copies += [Copy(n, bases[draw, n], draw, entry, step) for n in samples]
    loss = PerturbedLoss(inputs, copies, float(np.finfo(inputs.network.dtype).eps))
    loss.run(progress)
    found = []
    for entry, scale, (start, base) in zip(entries, scales, slots, strict=True):
        stop = start + steps.count * len(base)
        differences = loss.differences[start:stop].reshape(-1, 2, len(base)).sum(axis=-1)
        found.append(_extrapolated(entry, differences, scale, steps, float(loss.magnitudes[base].sum())))
    return found


def _samples(inputs: Inputs, entry: Place) -> Sequence[int]:
    """The samples whose losses depend on an entry."""
    return range(inputs.batch_size) if entry.array.startswith(OF_PARAMETERS) else [entry.index[1]]


def _extrapolated(
    where: Place, differences: NDArray[np.float64], scale: float, steps: _Steps, magnitude: float
) -> _Quotient:
    """The derivative from the losses (K, 2) above that without a step, with steps up and down."""
    count = len(steps.sizes)
    sizes = np.array(steps.sizes) * scale
    up, down = differences[:count, 0], differences[:count, 1]
    central = (up - down) / (2.0 * sizes)
    extrapolated = (16.0 * central[1:] - central[:-1]) / 15.0
    value = float(extrapolated[-1])
    # The distance of two extrapolations, or of two quotients, which is far more than the error once they converge.
    last, before = (extrapolated if count > 2 else central)[-2:]
    rounding = 16.0 * _EPS * magnitude / float(sizes[-1])
    error = 4.0 * abs(float(last - before)) + rounding
    # Of a smooth loss they are proportional to the step.
    apart = np.abs(up + down) / sizes
    quotients = (differences[count:, 0] - differences[count:, 1]) / 2.0
    # A chaotic network is flat for large steps, and steep for small ones.
    tiny = steps.tiny * scale
    unsettled = abs(quotients[0] / tiny - value) - 16.0 * _EPS * magnitude / tiny
    if unsettled > _SETTLED * abs(value):
        return _Quotient(where, float("nan"), error, 0.0)
    error = max(error, float(unsettled))
    if apart[-1] > max(apart[0] / 2.0, 2.0 * rounding, 2.0**-20 * abs(value)):
        return _Quotient(where, float("nan"), error, 0.0)
    movement = float(np.abs(quotients[1:] / sizes[-1] - central[-1]).max(initial=0.0))
    return _Quotient(where, value, error, movement)


def _scale(inputs: Inputs, entry: Place) -> float:
    """The change of an entry that moves pre-activations by about 1, but no more than the entry's own scale."""
    network, parameters = inputs.network, inputs.parameters
    if entry.array == OF_INPUT:
        own = abs(inputs.sequence[entry.index])
        names = [parameter_name(0, d, "i2h_weight") for d in range(network.directions)]
    elif not entry.array.startswith(OF_PARAMETERS):
        symbol = entry.array.removeprefix("grad.").removesuffix("0")
        layer, direction = divmod(entry.index[0], network.directions)
        own = abs(inputs.initial_state.by_symbol[symbol][entry.index])
        names = [parameter_name(layer, direction, "h2h_weight")] if symbol == "h" else []
    else:
        own, names = abs(parameters[entry.array.removeprefix(OF_PARAMETERS)][entry.index]), []
        if len(entry.index) == 2 and entry.array.endswith("0_i2h_weight"):
            largest = float(np.abs(inputs.sequence[:, :, entry.index[1]]).max(initial=0.0))
            return 1.0 / max(1.0, largest)
    factors = [np.abs(parameters[name][:, entry.index[-1]]).max(initial=0.0) for name in names if name in parameters]
    return max(float(own), 1.0) / max(1.0, max(float(own), 1.0) * float(max(factors, default=0.0)))


def _compared(inputs: Inputs, traces: Mapping[str, Trace], quotient: _Quotient) -> DifferenceQuotient | None:
    """The quotient with the engines' gradients; None if it is to be skipped."""
    where, value = quotient.where, quotient.value
    giving = {name: trace for name, trace in traces.items() if _gives(trace, where.array)}
    gradients = {name: float(trace[where.array][where.index]) for name, trace in giving.items()}
    terms = {name: _terms(inputs, traces, name, where) for name in gradients}
    settled = quotient.error <= _SETTLED * max(terms.values(), default=0.0)
    if not (np.isfinite(value) and settled and quotient.movement <= _MOVED * abs(value)):
        return None
    eps = float(np.finfo(inputs.network.dtype).eps)
    limits = {
        name: quotient.error
        + traces[name].spacing * (_ROUNDINGS * max(size, abs(value)) + _MOVEMENTS * quotient.movement / eps)
        + ALLOWED * float(storage_bound(np.array([gradients[name]]), traces[name].stored_as)[0])
        for name, size in terms.items()
    }
    return DifferenceQuotient(where, value, quotient.error, gradients, limits)


def _gives(trace: Trace, name: str) -> bool:
    """Whether an engine gives a gradient: a recording may lack some."""
    return name in trace and name not in trace.missing


def _terms(inputs: Inputs, traces: Mapping[str, Trace], engine: str, where: Place) -> float:
    """The sum of the magnitudes of the terms of a gradient, or an estimate of it.

    The terms are gradients of pre-activations, of this engine or another one, times a weight or the numbers that the
    weight reads.
    """
    gates = [gradient(gate) for gate in inputs.network.kind.gate_symbols]
    trace = next((t for t in (traces[engine], *traces.values()) if all(_gives(t, gate) for gate in gates)), None)
    own = traces[engine][where.array]
    if trace is not None:
        if where.array.startswith(OF_PARAMETERS):
            found = _terms_of_parameter(inputs, trace, where, gates)
        else:
            found = _terms_of_number(inputs, trace, where, gates)
        if found is not None:
            return max(found, abs(float(own[where.index])))
    if where.array == OF_INPUT:
        return float(np.abs(own[where.index[:2]]).max()) * inputs.network.hidden_size
    count = (
        inputs.timesteps * inputs.batch_size if where.array.startswith(OF_PARAMETERS) else inputs.network.hidden_size
    )
    return float(np.abs(own).max()) * float(np.sqrt(count))


def _terms_of_parameter(inputs: Inputs, trace: Trace, where: Place, gates: Sequence[str]) -> float | None:
    """Σ |gradient of the pre-activation| · max |number read|; None of a parameter of the cell's own."""
    network = inputs.network
    lane, _, name = where.array.removeprefix(OF_PARAMETERS).partition("_")
    kind, _, part = name.partition("_")
    if (kind, part) not in product(("i2h", "h2h"), ("weight", "bias")):
        return None
    layer, direction = int(lane[1:]), "lr".index(lane[0])
    symbols = network.kind.gate_symbols if kind == "i2h" else network.kind.recurrent_gates
    gate, unit = divmod(where.index[0], network.hidden_size)
    d = trace[gates[network.kind.gate_symbols.index(symbols[gate])]][layer, direction, :, :, unit]
    read = 1.0
    if part == "weight":
        read = float(np.abs(_read(inputs, trace, kind, layer, direction, where.index[1])).max())
    return float(np.abs(d, dtype=np.float64).sum()) * read


def _read(inputs: Inputs, trace: Trace, kind: str, layer: int, direction: int, k: int) -> FloatArray:
    """The numbers that column k of a weight reads."""
    if kind == "h2h":
        row = inputs.initial_state.h[layer * inputs.network.directions + direction, :, k]
        return np.append(trace.hidden[layer, direction, :, :, k], row)
    if layer == 0:
        return inputs.sequence[:, :, k]
    below, unit = divmod(k, inputs.network.output_size)
    column: FloatArray = trace.hidden[layer - 1, below, :, :, unit]
    return column


def _terms_of_number(inputs: Inputs, trace: Trace, where: Place, gates: Sequence[str]) -> float | None:
    """Σ |weight| · |gradient of the pre-activation| of a number of the sequence or of h0; None of another state."""
    network = inputs.network
    if where.array == OF_INPUT:
        t, sample, feature = where.index
        places = [(0, direction, t, "i2h") for direction in range(network.directions)]
    elif where.array == gradient(f"{network.kind.state_symbols[0]}0") and network.kind.recurrent_gates:
        row, sample, feature = where.index
        layer, direction = divmod(row, network.directions)
        t = inputs.length(sample) - 1 if network.backward(direction) else 0
        places = [(layer, direction, t, "h2h")]
    else:
        return None
    found = 0.0
    for layer, direction, t, kind in places:
        weight = getattr(inputs.parameters.layer(layer, direction), f"{kind}_weight")[:, feature]
        symbols = network.kind.gate_symbols if kind == "i2h" else network.kind.recurrent_gates
        d = [trace[gates[network.kind.gate_symbols.index(s)]][layer, direction, t, sample] for s in symbols]
        found += float((np.abs(weight, dtype=np.float64) * np.abs(np.concatenate(d))).sum())
    return found
