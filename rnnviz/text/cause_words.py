"""Words of a cause and of the pattern of wrong values: what is wrong, in which lanes, gates, steps and samples."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from rnnviz.core.config import Network, parameter_name
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.core.words import join_words, plural
from rnnviz.engines.known_bugs.hypotheses import texts_of
from rnnviz.verify.causes import Cause, Nearest, Where
from rnnviz.verify.patterns import Pattern

_KINDS = {
    "i2h_weight": "input-to-hidden weights",
    "h2h_weight": "hidden-to-hidden weights",
    "i2h_bias": "input-to-hidden biases",
    "h2h_bias": "hidden-to-hidden biases",
}


_SYMBOLS = {"i2h_weight": "W_i2h", "h2h_weight": "W_h2h", "i2h_bias": "bias", "h2h_bias": "bias"}
"""Parameters of a gate in short. Of two biases that are only added, the sum is known."""

_MOST_NAMES = 4
"""How many names of parameters a sentence lists."""


def cause_phrase(cause: Cause) -> str:
    """The error and its place, a noun phrase."""
    what = join_words(texts_of(name)[0] for name in (cause.name, cause.beside) if name)
    return ", ".join((what, *_places(cause)))


def fix_sentences(cause: Cause, network: Network, engine: str = "") -> list[str]:
    """The changes that fix a cause, with the lanes and, by Gluon's names, the parameters; of an `engine`."""
    where = cause.where
    lanes = [lane for lane in product(range(network.num_layers), range(network.directions)) if cause.covers(*lane)]
    kinds = where.parameters if set(where.parameters) <= _KINDS.keys() else ()
    names = [parameter_name(*lane, kind) for lane in lanes for kind in kinds]
    read = f" ({join_words(names)})" if 0 < len(names) <= _MOST_NAMES else ""
    at = lanes_words(where.layers, where.directions)
    fixes = dict.fromkeys(texts_of(name)[1] for name in (cause.name, cause.beside) if name)
    return [f"{' '.join(filter(None, ('To fix', engine, at)))}{read}: {fix}" for fix in fixes if fix]


def _places(cause: Cause) -> list[str]:
    where = cause.where
    found = []
    some = 0 < len(where.parameters) < len(_KINDS) and all(name in _KINDS for name in where.parameters)
    if some and cause.name.startswith(("gates-", "rows-of", "weights-", "parameters-of")):
        found.append(f"in the {join_words(_KINDS[name] for name in where.parameters)}")
    if len(where.parameters) == 1 and where.parameters[0] not in _KINDS:
        found.append(f"of {join_words(where.parameters)}")
    if where.gates:
        found.append(f"in {_listed('gate', where.gates)}")
    found += [text for text in (lanes_words(where.layers, where.directions), _when(where)) if text]
    if where.samples:
        found.append(f"in {_listed('sample', where.samples)}")
    if where.units:
        found.append(f"in {_listed('unit', where.units)}")
    if where.looked_at is not None:
        steps, samples = where.looked_at
        found.append(f"looked at in the first {plural(steps, 'step')} of the first {plural(samples, 'sample')} alone")
    return found


def nearest_phrase(nearest: Nearest, directions: int) -> str:
    """The nearest change with its lane, a noun phrase."""
    at = lanes_words((nearest.layer,), (nearest.direction,) if directions == 2 else ())
    fitted = nearest.fitted
    if fitted is None:
        return f"{texts_of(nearest.name)[0]}, {at}"
    here = f"other weights {at}" if fitted.gate == "h" else f"other weights of gate {fitted.gate} {at}"
    units, by = _listed("unit", fitted.units), "" if fitted.by is None else f", by {fitted.by:.3g}"
    if fitted.rows_of:
        return f"{here}: the rows of {_listed('unit', fitted.rows_of)} in {units}"
    if fitted.column is not None:
        return f"{here}: another column {fitted.column} of {_SYMBOLS[fitted.parameters[0]]} in {units}{by}"
    return f"{here}: another {join_words(dict.fromkeys(_SYMBOLS[n] for n in fitted.parameters))} in {units}{by}"


def _listed(noun: str, values: Sequence[object]) -> str:
    """ "unit 3", "units 3 and 4", or how many they are."""
    if len(values) == 1:
        return f"{noun} {values[0]}"
    return f"{noun}s {join_words(map(str, values))}" if len(values) <= 4 else f"{len(values)} {noun}s"


def lanes_words(layers: Sequence[int], directions: Sequence[int]) -> str:
    """ "in the backward direction of layer 1"; "" of all lanes."""
    direction = f"the {DIRECTIONS[directions[0]]} direction" if len(directions) == 1 else ""
    layer = _listed("layer", layers) if layers else ""
    return f"in {' of '.join(part for part in (direction, layer) if part)}" if direction or layer else ""


def ordinal(number: int) -> str:
    """ "1st", "2nd", "11th"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _when(where: Where) -> str:
    times = ""
    # Where the directions reach these steps at different times, these say nothing.
    if where.timesteps is not None and where.steps is not None and np.ptp(where.timesteps) == np.ptp(where.steps):
        first, last = where.timesteps
        times = f" (t = {first:,})" if first == last else f" (t = {first:,} to {last:,})"
    if where.at:
        return f"at the computed steps {join_words(ordinal(step + 1) for step in where.at)}"
    if where.steps is None:
        return ""
    first, last = where.steps
    if where.every is not None:
        return f"at every {ordinal(where.every)} computed step from the {ordinal(first + 1)} on"
    if first == last:
        return f"at the {ordinal(first + 1)} computed step alone{times}"
    if last == where.last_step:
        return f"from the {ordinal(first + 1)} computed step on{times}"
    return f"from the {ordinal(first + 1)} to the {ordinal(last + 1)} computed step{times}"


def pattern_words(pattern: Pattern, directions: int) -> str:
    """Which values are wrong, in one sentence without a subject: "wrong from the 9th computed step on"; "" if all are
    and nothing is to be said."""
    found = []
    if pattern.constant is not None:
        found.append(
            f"every wrong value is too {'large' if pattern.constant > 0 else 'small'} by {abs(pattern.constant):.3g}"
        )
    if pattern.first_step_only:
        found.append("only the first computed step is wrong")
    elif pattern.period is not None:
        assert pattern.first is not None
        found.append(
            f"every {ordinal(pattern.period)} computed step is wrong, from the {ordinal(pattern.first + 1)} on"
        )
    elif pattern.steps:
        steps = join_words(ordinal(step + 1) for step in pattern.steps)
        found.append(f"only the {steps} computed step{'s are' if len(pattern.steps) > 1 else ' is'} wrong")
    elif pattern.start:
        found.append(f"wrong from the {ordinal(pattern.start + 1)} computed step on")
    where = []
    if pattern.lanes:
        layers = tuple(sorted({layer for layer, _ in pattern.lanes}))
        ways = tuple(sorted({direction for _, direction in pattern.lanes}))
        both = len(layers) * len(ways) == len(pattern.lanes)
        if both and len(ways) == directions == 2:
            where.append(f"in both directions of {_listed('layer', layers)}")
        elif both:
            where.append(lanes_words(layers, ways if directions == 2 else ()))
        else:
            where.append(f"in {len(pattern.lanes)} lanes")
    for noun, values in (("sample", pattern.samples), ("unit", pattern.units)):
        if values:
            where.append(f"only in {_listed(noun, values)}")
    if where and not found:
        found.append(f"wrong {where.pop(0)}")
    return ", ".join((*found, *where))
