"""Where the numbers of an arithmetic came from: a trail to the input or the initial state, which no step computed.

The trail of a gradient goes the other way: from step to later step and from layer to layer above, up to the loss.
"""

from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.config import InitialStateSource, SequenceSource
from rnnviz.core.gradients import GRADIENT, OF_OUTPUT, gradient
from rnnviz.core.inputs import UNIFORM_STATE, Inputs
from rnnviz.core.places import LOSS, Place, entry_place
from rnnviz.core.sequence import feature_in_words, feature_index, timestep_in_words
from rnnviz.core.trace_index import DIRECTIONS, Location, state_row
from rnnviz.core.words import capital, plural
from rnnviz.frozen import dataclass

_GATES = frozenset("ifgorzn")
"""The symbols of an LSTM's and a GRU's gates. An RNN's step is nothing but one, and is known as its h."""


def value_place(cell: CellSpec, where: Location, name: str) -> Place:
    """The place of a named value of a cell's step: a state's or a gate's; the hidden value for any other name."""
    return Place.at(name if name in graph_of(cell).values else "h", where)


def unit_size(cell: CellSpec, place: Place) -> str:
    """Size that the unit of a place counts: "H", or "P" of an h that is projected."""
    name = place.symbol.removeprefix(LOSS)
    if place.kind == "initial":
        name = name.removesuffix("0")
    elif place.kind in ("input", "parameter") or name == "out":
        name = "h"
    if name in cell.gate_symbols and name not in cell.state_symbols:
        return "H"
    node = graph_of(cell).values.get(name)
    return "H" if node is None else node.shape[0]


def selected(cell: CellSpec, place: Place, selection: Location) -> Location | None:
    """The selected value of a step, with its own unit if the place counts other units than h; None without a step."""
    step = place.location
    if step is None or unit_size(cell, place) == cell.states[0].size:
        return step
    return step.moved(unit=selection.unit)


def quantity_place(where: Location, quantity: str) -> Place:
    """Whose arithmetic shows how a unit's number of a quantity was computed: a cell state's, a gate's, or the step's;
    of a gradient such as "grad.i" the gradient's."""
    of = quantity.removeprefix(GRADIENT)
    if quantity == OF_OUTPUT:
        return Place.at(OF_OUTPUT, where)
    name = of if of == "c" else of.removeprefix("pre_")
    place = Place.at(name if name == "c" or name in _GATES else "h", where)
    return place if quantity == of else place.gradient


def counterpart(place: Place, selection: Location) -> Place:
    """The gradient of a value, or the value of a gradient; of a parameter's gradient the selected value."""
    if not place.in_backward_pass:
        return place.gradient
    if place.kind == "parameter":
        return Place.at("h", selection)
    if place.location is not None and (place.kind == "loss" or place.array == OF_OUTPUT):
        return Place.at("h", place.location)
    return place.of


def same_kind(location: Location, place: Place) -> Place:
    """A selected value, or its gradient if `place` is a gradient."""
    return Place.at(gradient("h") if place.in_backward_pass else "h", location)


def lies_in(place: Place, inputs: Inputs) -> bool:
    """Whether a run has this kind of place."""
    network = inputs.network
    units = network.sizes(0).of(unit_size(network.kind, place))
    shape: tuple[int, ...]
    match place.kind:
        case "parameter":
            shape = inputs.parameters[place.parameter].shape if place.parameter in inputs.parameters else ()
        case "input":
            shape = inputs.sequence.shape
        case "initial":
            shape = (network.num_layers * network.directions, inputs.batch_size, units)
        case _:
            shape = (*inputs.hidden_shape[:-1], units)
    inside = len(place.index) == len(shape) and all(0 <= k < size for k, size in zip(place.index, shape, strict=True))
    return inside and place.lane == entry_place(network, place.array, place.index).lane


def notation(place: Place) -> str:
    """A place as an index expression without its lane and sample: "x[t=1, i=0]", "h[t=0, u=3]", "h0[u=3]".

    A feature that has a name is written by it: x[t=1, i="open"]. Bare brackets are left to Gluon's arrays. The
    gradient of a value is "grad.h[t=0, u=3]".
    """
    prefix = GRADIENT if place.is_gradient else ""
    match place.kind:
        case "parameter":
            return f"{prefix}{place.parameter}[{', '.join(map(str, place.index))}]"
        case "input":
            return f"{prefix}x[t={place.timestep}, i={feature_index(place.names, place.unit)}]"
        case "initial":
            return f"{place.array}[u={place.unit}]"
        case "loss":
            prefix = "d_"
    return f"{prefix}{place.symbol.removeprefix(LOSS)}[t={place.timestep}, u={place.unit}]"


def line_name(place: Place) -> str:
    """The name of the line that gives a gradient: "grad.h", "grad.i"."""
    if place.kind == "input":
        return gradient("x")
    return notation(place) if place.kind == "parameter" else place.array


def in_words(place: Place) -> str:
    """A place with its lane: "h[t=0, u=3] of layer 0, backward", "x[t=1, i=0]"."""
    lane = place.lane
    return notation(place) if lane is None else f"{notation(place)} of layer {lane.layer}, {DIRECTIONS[lane.backward]}"


@dataclass(frozen=True)
class InputSource:
    """`value` is the number as every engine was handed it, in the network's dtype."""

    place: Place
    name: str
    value: np.floating[Any]
    heading: str
    sentences: tuple[str, ...]


def origin(inputs: Inputs, place: Place) -> InputSource:
    """Source of a value of the sequence, of the initial state or of a loss gradient, which must be in the run."""
    if place.kind == "loss":
        return _loss_origin(inputs, place)
    if place.kind == "input":
        t, sample, k = place.index
        names = inputs.names.of_sample(sample)
        heading = "This is the input: no step computed it."
        feature, time = feature_in_words(names, k), timestep_in_words(names, t)
        located = f"{capital(feature)} of x at {time}, sample {sample}."
        name, value = notation(replace(place, names=names)), inputs.sequence[place.index]
        return InputSource(place, name, value, heading, (located, _sequence(inputs, place)))
    heading = "This is the initial state: no step computed it."
    name = f"{place.array}[{', '.join(map(str, place.index))}]"
    located = f"{in_words(place)}, sample {place.sample}: {name} of shape (L·D, N, H)."
    value = inputs.initial_state[place.array.removesuffix("0")][place.index]
    return InputSource(place, notation(place), value, heading, (located, _initial(inputs, place.array)))


_LOSSES = {
    "sum": "The loss is the sum of the output: each of its values has the gradient 1.",
    "normal": "It was drawn from the standard normal distribution, seed {seed}.",
    "file": "It was read from the file {file}.",
    "value": "The loss is this hidden value alone.",
    "zeros": "The final states do not count in the loss.",
    "ones": "The loss contains the sum of the final states: each of their values has the gradient 1.",
}


def _loss_origin(inputs: Inputs, place: Place) -> InputSource:
    loss, backward, where, network = inputs.loss, inputs.config.backward, place.location, inputs.network
    assert loss is not None, "the run has no backward pass"
    assert where is not None
    state = place.array.removeprefix(LOSS)
    of_state = state != "out"
    kind = "file" if backward.loss == "file" else backward.final_state if of_state else backward.loss
    because = _LOSSES[kind].format(seed=backward.seed, file=PurePath(backward.path or "").name)
    if of_state:
        heading = "This is the gradient of the loss with respect to a final state: the backward pass starts here."
        value = loss.state[state][state_row(network, where), where.sample, where.unit]
    else:
        heading = "This is the gradient of the loss with respect to the output: the backward pass starts here."
        times = range(where.timestep, where.timestep + 1)
        direct = loss.direct(network, where.layer, where.direction, times, inputs.batch_size)
        value = np.zeros(1, network.dtype)[0] if direct is None else direct[0, where.sample, where.unit]
    return InputSource(place, notation(place), value, heading, (f"{in_words(place)}, sample {where.sample}.", because))


_SOURCES = {
    "normal": "It was drawn from the standard normal distribution, seed {seed}.",
    "uniform": "It was drawn uniformly from between -{limit:g} and {limit:g}, seed {seed}.",
    "impulse": "x is an impulse: 1 at t = 0 in feature n mod I of sample n, and 0 elsewhere.",
    "sine": "x is a wave: feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N).",
    "file": "It was read from the file {file}.",
}


def _source(source: SequenceSource | InitialStateSource, path: str | None) -> str:
    template = _SOURCES.get(source.source, _SOURCES["file"])
    limit = 1.0 if isinstance(source, SequenceSource) else UNIFORM_STATE
    return template.format(seed=source.seed, file=PurePath(path or "").name, limit=limit)


def _sequence(inputs: Inputs, place: Place) -> str:
    t, sample, _ = place.index
    source, length = inputs.config.sequence, inputs.length(sample)
    if t >= length:
        return f"It is padding, which no step reads: sample {sample} has {plural(length, 'time step')}."
    if source.source == "text":
        return _symbol(inputs, place, source.symbols[sample][t])
    if source.is_text_file and source.labels is None and source.sample_labels is None:
        return _symbol(inputs, place, inputs.names.of_sample(sample).timestep(t))
    return _source(source, source.path if source.paths is None else source.paths[sample])


def _symbol(inputs: Inputs, place: Place, here: str) -> str:
    source, tokens = inputs.config.sequence, inputs.names.features
    t, _, feature = place.index
    has = f'At t = {t} the text has "{here}"'
    if source.embedded:
        name = source.embedding or PurePath(source.embedding_path or "").name
        other = "" if source.unknown is None else f', or that of "{source.unknown}" if the vocabulary lacks it,'
        return f"{has}, and this is element {feature} of its row{other} in {name}."
    if source.unknown is not None and here not in tokens:
        here = source.unknown
        has = f'{has}, read as "{here}"'
    meant = tokens[feature]
    return f'{has}, and feature {feature} stands for "{meant}": so it is {1 if here == meant else 0}.'


def _initial(inputs: Inputs, name: str) -> str:
    source = inputs.config.initial_state
    if source.source == "zeros":
        return f"The network starts with {name} = 0 everywhere."
    return _source(source, source.path)
