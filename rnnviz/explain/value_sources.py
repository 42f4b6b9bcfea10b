"""Where the numbers of an arithmetic came from: a trail to the input or the initial state, which no step computed.

The trail of a gradient goes the other way: from step to later step and from layer to layer above, up to the loss.
"""

from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.axis_labels import UNNAMED, Names, feature_in_words, feature_index, timestep_in_words
from rnnviz.core.config import InitialStateSource, Network, SequenceSource, parameter_name
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, OF_PARAMETERS
from rnnviz.core.inputs import UNIFORM_STATE, Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace_index import DIRECTIONS, Lane, Location, state_row
from rnnviz.core.words import capital, plural
from rnnviz.explain.worked_step import Kind
from rnnviz.frozen import dataclass

if TYPE_CHECKING:
    # A place is known before there is anything to explain, and the window's start imports it.
    from rnnviz.explain.equations import Token
    from rnnviz.explain.step_breakdown import StepBreakdown


@dataclass(frozen=True)
class InputPlace:
    """One number of the sequence: x[timestep, sample, feature]; `names` are those of its time steps and features."""

    timestep: int
    sample: int
    feature: int
    names: Names = field(default=UNNAMED, compare=False, repr=False)


@dataclass(frozen=True)
class InitialPlace:
    """One number of the initial state; `state` is "h", "c" or another symbol."""

    state: str
    layer: int
    direction: int
    sample: int
    unit: int
    reverse: bool = field(default=False, compare=False, repr=False, kw_only=True)

    @property
    def backward(self) -> bool:
        """Whether its lane reads the sequence from its end."""
        return self.reverse or self.direction == 1


@dataclass(frozen=True)
class CellPlace:
    """The cell state of a unit after the step at `where`, or another state but h."""

    where: Location
    symbol: str = "c"


@dataclass(frozen=True)
class GatePlace:
    """A gate, by its symbol, of the step at `where`."""

    where: Location
    gate: str


@dataclass(frozen=True)
class OutputPlace:
    """The output of a layer at a hidden value: the same number, as the layer above and the loss read it."""

    where: Location


Source: TypeAlias = Location | InputPlace | InitialPlace
"""Source of a term: a hidden value, a value of the sequence, or one of h0."""

Value: TypeAlias = Source | CellPlace | GatePlace | OutputPlace
"""A number of the forward pass."""


@dataclass(frozen=True)
class ParameterPlace:
    """One number of a parameter of a lane, such as row 3, column 2 of "i2h_weight"; a bias has no column."""

    layer: int
    direction: int
    name: str
    index: tuple[int, ...]
    reverse: bool = field(default=False, compare=False, repr=False, kw_only=True)

    @property
    def backward(self) -> bool:
        """Whether its lane reads the sequence from its end."""
        return self.reverse or self.direction == 1

    @property
    def key(self) -> str:
        """The parameter's name in a network: "l0_i2h_weight"."""
        return parameter_name(self.layer, self.direction, self.name)

    def is_in(self, parameters: Parameters) -> bool:
        """Whether some parameters have this number."""
        array = parameters.get(self.key)
        return array is not None and len(self.index) == array.ndim and all(np.less(self.index, array.shape))


@dataclass(frozen=True)
class GradientOf:
    """The gradient of the loss with respect to a value, a parameter, or the pre-activation of a gate."""

    of: Value | ParameterPlace


@dataclass(frozen=True)
class LossPlace:
    """A gradient from which the backward pass starts: that of out, or of the final state `state`, at a hidden value."""

    where: Location
    state: str = ""


Place: TypeAlias = Value | GradientOf | LossPlace
"""Whatever a trail can lead to."""

_GATES = frozenset("ifgorzn")
"""The symbols of an LSTM's and a GRU's gates. An RNN's step is nothing but one, and is known as its h."""


def input_source(arithmetic: "StepBreakdown", kind: Kind, index: int, name: str = "") -> Place:
    """Where column `index` of a weight matrix reads, or a value by its name, such as "c[t-1]" or the m of a projection.

    W_h2h reads the lane's own previous step, or h0; W_i2h the sequence, or above the first layer the forward
    direction of the layer below in its first H columns and the backward one in the others.
    """
    where = arithmetic.where
    if kind == "matrix":
        known = name in arithmetic.graph.values
        return value_place(arithmetic.cell, where.moved(unit=index), name) if known else where
    if kind == "value":
        return _value_place(arithmetic, name)
    if kind == "h2h":
        return own_previous(arithmetic, index)
    if where.layer == 0:
        return InputPlace(where.timestep, where.sample, index, arithmetic.names)
    direction, unit = divmod(index, len(arithmetic.h_previous))
    return where.moved(layer=where.layer - 1, direction=direction, unit=unit)


def _value_place(arithmetic: "StepBreakdown", name: str) -> Place:
    symbol = name.removesuffix("[t-1]")
    if symbol == name:
        return value_place(arithmetic.cell, arithmetic.where, name)
    return own_previous(arithmetic) if symbol == arithmetic.cell.state_symbols[0] else previous_cell(arithmetic, symbol)


def value_place(cell: CellSpec, where: Location, name: str) -> Location | CellPlace | GatePlace:
    """The place of a named value of a cell's step: a state's or a gate's; the hidden value for any other name."""
    first, *others = cell.state_symbols
    if name in others:
        return CellPlace(where, name)
    return where if name == first or name not in graph_of(cell).values else GatePlace(where, name)


def unit_size(cell: CellSpec, place: Place | ParameterPlace) -> str:
    """Size that the unit of a place counts: "H", or "P" of an h that is projected."""
    match place:
        case GradientOf():
            return unit_size(cell, place.of)
        case CellPlace() | InitialPlace():
            name = place.symbol if isinstance(place, CellPlace) else place.state
        case GatePlace():
            name = place.gate
            if name in cell.gate_symbols:
                return "H"
        case LossPlace() if place.state:
            name = place.state
        case _:
            name = cell.state_symbols[0]
    node = graph_of(cell).values.get(name)
    return "H" if node is None else node.shape[0]


def selected(cell: CellSpec, place: Place, selection: Location) -> Location | None:
    """The selected value of a place: its step, with the selected unit if the place counts other units than h.

    None where no step computed the place.
    """
    step = step_of(place)
    if step is None or unit_size(cell, place) == cell.states[0].size:
        return step
    return step.moved(unit=selection.unit)


def own_previous(arithmetic: "StepBreakdown", unit: int | None = None) -> Location | InitialPlace:
    """Where the h[t-1] of the unit comes from, or of another unit of its lane."""
    where, timestep = arithmetic.where, arithmetic.previous.timestep
    place = where if unit is None else where.moved(unit=unit)
    if timestep is None:
        return InitialPlace("h", place.layer, place.direction, place.sample, place.unit, reverse=place.reverse)
    return place.moved(timestep=timestep)


def previous_cell(arithmetic: "StepBreakdown", symbol: str = "c") -> CellPlace | InitialPlace:
    """Where the c[t-1] of an LSTM comes from, or another previous state but h."""
    place = own_previous(arithmetic)
    return CellPlace(place, symbol) if isinstance(place, Location) else replace(place, state=symbol)


def quantity_place(where: Location, quantity: str) -> Place:
    """Whose arithmetic shows how a unit's number of a quantity was computed: a cell state's, a gate's, or the step's;
    of a gradient such as "grad.i" the gradient's."""
    if quantity == OF_OUTPUT:
        return GradientOf(OutputPlace(where))
    if quantity.startswith(GRADIENT):
        of = quantity_place(where, quantity.removeprefix(GRADIENT))
        return GradientOf(of) if isinstance(of, Location | CellPlace | GatePlace) else of
    if quantity == "c":
        return CellPlace(where)
    gate = quantity.removeprefix("pre_")
    return GatePlace(where, gate) if gate in _GATES else where


def token_source(arithmetic: "StepBreakdown", token: "Token") -> Place | None:
    """Where a number of an equation comes from; None for a sign, and for u and v, which the gate's own terms make."""
    if token.gate is not None:
        return GatePlace(arithmetic.where, token.gate)
    states = ("h[t-1]", "c[t-1]", "c", *(s + end for s in arithmetic.previous.further for end in ("[t-1]", "")))
    return _value_place(arithmetic, token.text) if token.text in states else None


def gradient_entry(network: Network, name: str, index: Sequence[int]) -> GradientOf:
    """The gradient at an index of a trace's array, such as "grad.h0" or "grad.parameters.l0_i2h_weight"."""
    if name.startswith(OF_PARAMETERS):
        lane, _, key = name.removeprefix(OF_PARAMETERS).partition("_")
        place = ParameterPlace(int(lane[1:]), "lr".index(lane[0]), key, tuple(index), reverse=network.reverse)
        return GradientOf(place)
    if name == OF_INPUT:
        timestep, sample, feature = index
        return GradientOf(InputPlace(timestep, sample, feature))
    symbol = name.removeprefix(GRADIENT)
    if len(index) == len(Location().index):
        where = Location(*index, reverse=network.reverse)
        if name == OF_OUTPUT:
            return GradientOf(OutputPlace(where))
        if symbol in network.kind.state_symbols:
            return GradientOf(where if symbol == network.kind.state_symbols[0] else CellPlace(where, symbol))
        return GradientOf(GatePlace(where, symbol))
    row, sample, unit = index
    layer, direction = divmod(row, network.directions)
    return GradientOf(InitialPlace(symbol[:-1], layer, direction, sample, unit, reverse=network.reverse))


def state_place(found: "StepBreakdown") -> Location | CellPlace:
    """The state that the lines of a step compute last: h, or the c of a unit that is projected."""
    if found.h is not None:
        return found.where
    return CellPlace(found.where, next(s.symbol for s in found.cell.states if s.size == found.size))


def counterpart(place: Place, selection: Location) -> Place:
    """The gradient of a value, or the value of a gradient; of a parameter's gradient the selected value."""
    match place:
        case GradientOf(of=ParameterPlace()):
            return selection
        case GradientOf(of=OutputPlace(where=where)):
            return where
        case GradientOf():
            return place.of if not isinstance(place.of, ParameterPlace) else selection
        case LossPlace():
            return place.where
    return GradientOf(place)


def same_kind(location: Location, place: Place) -> Place:
    """A selected value, or its gradient if `place` is a gradient."""
    return GradientOf(location) if isinstance(place, GradientOf | LossPlace) else location


def step_of(place: Place | ParameterPlace) -> Location | None:
    """The step whose arithmetic shows a place; None for what no step computes, such as the input and the initial
    state."""
    if isinstance(place, GradientOf):
        return step_of(place.of)
    if isinstance(place, CellPlace | GatePlace | OutputPlace | LossPlace):
        return place.where
    return place if isinstance(place, Location) else None


def lies_in(place: Place | ParameterPlace, inputs: Inputs) -> bool:
    """Whether a run has this kind of place."""
    layers, directions, timesteps, samples, _ = shape = inputs.hidden_shape
    network = inputs.network
    units = network.sizes(0).of(unit_size(network.kind, place))
    match place:
        case GradientOf():
            return lies_in(place.of, inputs)
        case ParameterPlace():
            return place.is_in(inputs.parameters)
        case InputPlace():
            return place.timestep < timesteps and place.sample < samples and place.feature < network.input_size
        case InitialPlace():
            inside = place.layer < layers and place.direction < directions
            return inside and place.sample < samples and place.unit < units
    step = step_of(place)
    return step is not None and step == step.within((*shape[:-1], units))


def notation(place: Place | ParameterPlace) -> str:
    """A place as an index expression without its lane and sample: "x[t=1, i=0]", "h[t=0, u=3]", "h0[u=3]".

    A feature that has a name is written by it: x[t=1, i="open"]. Bare brackets are left to Gluon's arrays. The
    gradient of a value is "grad.h[t=0, u=3]".
    """
    match place:
        case GradientOf():
            return f"{GRADIENT}{notation(place.of)}"
        case ParameterPlace():
            return f"{place.key}[{', '.join(map(str, place.index))}]"
        case OutputPlace():
            return f"out[t={place.where.timestep}, u={place.where.unit}]"
        case LossPlace():
            return f"d_{place.state or 'out'}[t={place.where.timestep}, u={place.where.unit}]"
        case InputPlace():
            return f"x[t={place.timestep}, i={feature_index(place.names, place.feature)}]"
        case InitialPlace():
            return f"{place.state}0[u={place.unit}]"
        case CellPlace():
            return f"{place.symbol}[t={place.where.timestep}, u={place.where.unit}]"
        case GatePlace():
            return f"{place.gate}[t={place.where.timestep}, u={place.where.unit}]"
        case Location():
            return f"h[t={place.timestep}, u={place.unit}]"


def lane_of(place: Place | ParameterPlace) -> Lane | None:
    """The lane of a place; None for the input."""
    if isinstance(place, InputPlace):
        return None
    if isinstance(place, GradientOf):
        return lane_of(place.of)
    at = place.where if isinstance(place, CellPlace | GatePlace | OutputPlace | LossPlace) else place
    return Lane(at.layer, at.direction, reverse=at.reverse)


def in_words(place: Place) -> str:
    """A place with its lane: "h[t=0, u=3] of layer 0, backward", "x[t=1, i=0]"."""
    lane = lane_of(place)
    return notation(place) if lane is None else f"{notation(place)} of layer {lane.layer}, {DIRECTIONS[lane.backward]}"


@dataclass(frozen=True)
class InputSource:
    """`value` is the number as every engine was handed it, in the network's dtype."""

    place: InputPlace | InitialPlace | LossPlace
    name: str
    value: np.floating[Any]
    heading: str
    sentences: tuple[str, ...]


def origin(inputs: Inputs, place: InputPlace | InitialPlace | LossPlace) -> InputSource:
    """Source of a value of the sequence, of the initial state or of a loss gradient, which must be in the run."""
    if isinstance(place, LossPlace):
        return _loss_origin(inputs, place)
    if isinstance(place, InputPlace):
        value, names = (
            inputs.sequence[place.timestep, place.sample, place.feature],
            inputs.names.of_sample(place.sample),
        )
        heading = "This is the input: no step computed it."
        name = notation(replace(place, names=names))
        feature, time = feature_in_words(names, place.feature), timestep_in_words(names, place.timestep)
        located = f"{capital(feature)} of x at {time}, sample {place.sample}."
        return InputSource(place, name, value, heading, (located, _sequence(inputs, place)))
    state = inputs.initial_state.by_symbol[place.state]
    row = place.layer * inputs.network.directions + place.direction
    heading = "This is the initial state: no step computed it."
    name = f"{place.state}0[{row}, {place.sample}, {place.unit}]"
    located = f"{in_words(place)}, sample {place.sample}: {name} of shape (L·D, N, H)."
    value = state[row, place.sample, place.unit]
    return InputSource(place, notation(place), value, heading, (located, _initial(inputs, place.state)))


_LOSSES = {
    "sum": "The loss is the sum of the output: each of its values has the gradient 1.",
    "normal": "It was drawn from the standard normal distribution, seed {seed}.",
    "file": "It was read from the file {file}.",
    "value": "The loss is this hidden value alone.",
    "zeros": "The final states do not count in the loss.",
    "ones": "The loss contains the sum of the final states: each of their values has the gradient 1.",
}


def _loss_origin(inputs: Inputs, place: LossPlace) -> InputSource:
    loss, backward, where, network = inputs.loss, inputs.config.backward, place.where, inputs.network
    assert loss is not None, "the run has no backward pass"
    kind = "file" if backward.loss == "file" else backward.final_state if place.state else backward.loss
    because = _LOSSES[kind].format(seed=backward.seed, file=PurePath(backward.path or "").name)
    if place.state:
        heading = "This is the gradient of the loss with respect to a final state: the backward pass starts here."
        value = loss.state[place.state][state_row(network, where), where.sample, where.unit]
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


def _sequence(inputs: Inputs, place: InputPlace) -> str:
    source, length = inputs.config.sequence, inputs.length(place.sample)
    if place.timestep >= length:
        return f"It is padding, which no step reads: sample {place.sample} has {plural(length, 'time step')}."
    if source.source == "text":
        return _symbol(inputs, place, source.symbols[place.sample][place.timestep])
    if source.is_text_file and source.labels is None and source.sample_labels is None:
        return _symbol(inputs, place, inputs.names.of_sample(place.sample).timestep(place.timestep))
    return _source(source, source.path if source.paths is None else source.paths[place.sample])


def _symbol(inputs: Inputs, place: InputPlace, here: str) -> str:
    source, tokens = inputs.config.sequence, inputs.names.features
    has = f'At t = {place.timestep} the text has "{here}"'
    if source.embedded:
        name = source.embedding or PurePath(source.embedding_path or "").name
        other = "" if source.unknown is None else f', or that of "{source.unknown}" if the vocabulary lacks it,'
        return f"{has}, and this is element {place.feature} of its row{other} in {name}."
    if source.unknown is not None and here not in tokens:
        here = source.unknown
        has = f'{has}, read as "{here}"'
    meant = tokens[place.feature]
    return f'{has}, and feature {place.feature} stands for "{meant}": so it is {1 if here == meant else 0}.'


def _initial(inputs: Inputs, state: str) -> str:
    source = inputs.config.initial_state
    if source.source == "zeros":
        return f"The network starts with {state}0 = 0 everywhere."
    return _source(source, source.path)
