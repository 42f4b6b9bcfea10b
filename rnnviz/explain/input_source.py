"""Where a trail ends: a number that no step computed, its value, and how it was computed."""

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from rnnviz.core.axis_labels import feature_in_words, timestep_in_words
from rnnviz.core.inputs import Inputs
from rnnviz.explain.provenance import InitialPlace, InputPlace, in_words, notation


@dataclass(frozen=True)
class InputSource:
    """`value` is the number as every engine was handed it, in the network's dtype."""

    place: InputPlace | InitialPlace
    name: str
    value: np.floating[Any]
    heading: str
    sentences: tuple[str, ...]


def origin(inputs: Inputs, place: InputPlace | InitialPlace) -> InputSource:
    """Source of a value of the sequence or of the initial state, which must be in the run."""
    if isinstance(place, InputPlace):
        value, names = inputs.sequence[place.timestep, place.sample, place.feature], inputs.names
        heading = "This is the input: no step computed it."
        name = notation(replace(place, names=names))
        feature, time = feature_in_words(names, place.feature), timestep_in_words(names, place.timestep)
        stands = f"{feature[0].upper()}{feature[1:]} of x at {time}, sample {place.sample}."
        return InputSource(place, name, value, heading, (stands, *_sequence(inputs, place)))
    state = inputs.initial_state.by_symbol[place.state]
    row = place.layer * inputs.network.directions + place.direction
    heading = "This is the initial state: no step computed it."
    name = f"{place.state}0[{row}, {place.sample}, {place.unit}]"
    stands = f"{in_words(place)}, sample {place.sample}: {name} of shape (L·D, N, H)."
    value = state[row, place.sample, place.unit]
    return InputSource(place, notation(place), value, heading, (stands, _initial(inputs, place.state)))


def _sequence(inputs: Inputs, place: InputPlace) -> tuple[str, ...]:
    source = inputs.config.sequence
    match source.source:
        case "normal":
            return (f"It was drawn from the standard normal distribution, seed {source.seed}.",)
        case "uniform":
            return (f"It was drawn uniformly from between -1 and 1, seed {source.seed}.",)
        case "impulse":
            return ("x is an impulse: 1 at t = 0 in feature n mod I of sample n, and 0 elsewhere.",)
        case "sine":
            return ("x is a wave: feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N).",)
        case "text":
            return (_symbol(inputs, place),)
    return (f"It was read from the file {PurePath(source.path or '').name}.",)


def _symbol(inputs: Inputs, place: InputPlace) -> str:
    source, tokens = inputs.config.sequence, inputs.names.features
    here = source.symbols[place.timestep]
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
    if source.source == "normal":
        return f"It was drawn from the standard normal distribution, seed {source.seed}."
    return f"It was read from the file {PurePath(source.path or '').name}."
