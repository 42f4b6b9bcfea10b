"""Relations that hold for any correct engine when its inputs change: none needs an expected number.

A relation changes the inputs, has them computed again, and states the second trace, given the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs, State
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from tests.oracles.computed import Answer

Array: TypeAlias = NDArray[np.floating]
Compute: TypeAlias = Callable[[Inputs], Trace]
Relation: TypeAlias = Callable[[Inputs, np.random.Generator, Compute], Iterator[tuple[Trace, Answer]]]
"""relation(inputs, chance, compute): each trace with what it must hold; at least two timesteps, samples and units."""

CLOSED = -60.0
"""The bias with which a sigmoid gate is closed to float precision."""


def permuting_units_permutes_traces(
    inputs: Inputs, chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """The units of each lane in another order, with the weights that lead to and from them."""
    network = inputs.network
    size, directions, gates = network.hidden_size, network.directions, network.kind.gate_count
    orders = [[chance.permutation(size) for _ in range(directions)] for _ in range(network.num_layers)]
    # A permutation that changes nothing would show nothing.
    orders = [[np.roll(order, 1) if (order == np.arange(size)).all() else order for order in row] for row in orders]
    joined = [np.concatenate([d * size + order for d, order in enumerate(row)]) for row in orders]
    arrays = {}
    for layer, row in enumerate(orders):
        for d, order in enumerate(row):
            side = f"{'lr'[d]}{layer}"
            rows = np.concatenate([gate * size + order for gate in range(gates)])
            columns = joined[layer - 1] if layer else slice(None)
            arrays[f"{side}_i2h_weight"] = inputs.parameters[f"{side}_i2h_weight"][rows][:, columns]
            arrays[f"{side}_h2h_weight"] = inputs.parameters[f"{side}_h2h_weight"][rows][:, order]
            for bias in ("i2h_bias", "h2h_bias"):
                arrays[f"{side}_{bias}"] = inputs.parameters[f"{side}_{bias}"][rows]
    lanes = [order for row in orders for order in row]

    def of_lanes(state: Array) -> Array:
        return np.stack([array[:, order] for array, order in zip(state, lanes, strict=True)])

    def of_trace(hidden: Array) -> Array:
        return np.stack([np.stack([hidden[k, d][..., o] for d, o in enumerate(row)]) for k, row in enumerate(orders)])

    first = compute(inputs)
    second = compute(_with(inputs, arrays, _each(inputs.initial_state, of_lanes)))
    yield second, _answer(first, of_trace, first.output[..., joined[-1]], of_lanes)


def reversing_the_sequence_swaps_directions(
    inputs: Inputs, _chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """The sequence from its end, with the forward weights backward; only of networks of two directions."""
    network = inputs.network
    size = network.hidden_size
    arrays = {}
    for name, array in inputs.parameters.items():
        swapped = np.roll(array, size, axis=1) if name[1] != "0" and name.endswith("i2h_weight") else array
        arrays[("r" if name[0] == "l" else "l") + name[1:]] = swapped

    def of_lanes(state: Array) -> Array:
        return state.reshape(network.num_layers, 2, *state.shape[1:])[:, ::-1].reshape(state.shape)

    reversed_inputs = replace(inputs, sequence=np.ascontiguousarray(inputs.sequence[::-1]))
    first = compute(inputs)
    second = compute(_with(reversed_inputs, arrays, _each(inputs.initial_state, of_lanes)))
    out = np.roll(first.output, size, axis=-1)[::-1]
    yield second, _answer(first, lambda hidden: hidden[:, ::-1, ::-1], out, of_lanes)


def batch_order_does_not_matter(
    inputs: Inputs, chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """The samples in another order, and one of them alone."""
    order = np.roll(chance.permutation(inputs.batch_size), 1)
    first = compute(inputs)
    for samples in (order, order[:1]):
        config = replace(inputs.config, sequence=replace(inputs.config.sequence, batch_size=len(samples)))
        chosen = replace(inputs, config=config, sequence=np.ascontiguousarray(inputs.sequence[:, samples]))
        state = _each(inputs.initial_state, lambda array, samples=samples: array[:, samples])
        yield (
            compute(_with(chosen, inputs.parameters, state)),
            _answer(
                first,
                lambda hidden, samples=samples: hidden[..., samples, :],
                first.output[:, samples],
                lambda array, samples=samples: array[:, samples],
            ),
        )


def carrying_the_state_equals_one_run(
    inputs: Inputs, chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """The sequence in two parts. Backward begins with the later part, so two directions need a network of one layer."""
    at = int(chance.integers(1, inputs.timesteps))
    whole = compute(inputs)
    later = compute(_part(inputs, slice(at, None), inputs.initial_state))
    if inputs.network.bidirectional:
        begun = _mixed(inputs.initial_state, later, 1)
        earlier = compute(_part(inputs, slice(None, at), begun))
    else:
        earlier = compute(_part(inputs, slice(None, at), inputs.initial_state))
    later = compute(_part(inputs, slice(at, None), _mixed(inputs.initial_state, earlier, 0)))
    directions = inputs.network.directions

    def final(name: str) -> Array | None:
        if getattr(whole, name) is None:
            return None
        state = np.array(getattr(later, name))
        if directions == 2:
            state[1] = getattr(earlier, name)[1]
        return state

    cell = None if earlier.cell is None or later.cell is None else np.concatenate([earlier.cell, later.cell], axis=2)
    state_h = final("state_h")
    assert state_h is not None
    hidden = np.concatenate([earlier.hidden, later.hidden], axis=2)
    yield whole, Answer(hidden, np.concatenate([earlier.output, later.output]), state_h, final("state_c"), cell)


def zero_recurrent_weights_equal_a_feed_forward_layer(
    inputs: Inputs, _chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """Without recurrent weights, and with the gate shut that keeps the past, each step is a function of x alone."""
    network = inputs.network
    size, forgets = network.hidden_size, {"lstm": 1, "gru": 1}.get(network.cell)
    arrays = {name: np.array(array) for name, array in inputs.parameters.items()}
    for name, array in arrays.items():
        if name.endswith("h2h_weight"):
            array[:] = 0.0
        if name.endswith("h2h_bias") and forgets is not None:
            array[forgets * size : (forgets + 1) * size] = CLOSED
    changed = _with(inputs, arrays, inputs.initial_state)
    hidden = np.zeros(changed.hidden_shape)
    cells = np.zeros(changed.hidden_shape)
    x = inputs.sequence.astype(np.float64)
    for layer in range(network.num_layers):
        for d in range(network.directions):
            weights = {
                kind: arrays[f"{'lr'[d]}{layer}_{kind}"].astype(np.float64)
                for kind in ("i2h_weight", "i2h_bias", "h2h_bias")
            }
            hidden[layer, d], cells[layer, d] = _feed_forward(network.cell, x, weights)
        x = np.concatenate(list(hidden[layer]), axis=-1)
    last = [inputs.timesteps - 1, 0][: network.directions]

    def final(lanes: Array) -> Array:
        return np.concatenate([np.stack([row[d, t] for d, t in enumerate(last)]) for row in lanes])

    lstm = network.cell == "lstm"
    answer = Answer(hidden, x, final(hidden), final(cells) if lstm else None, cells if lstm else None)
    yield compute(changed), answer


def the_layout_of_out_changes_no_number(
    inputs: Inputs, _chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """NTC as TNC."""
    first = compute(inputs)
    other = "TNC" if inputs.network.layout == "NTC" else "NTC"
    config = replace(inputs.config, network=replace(inputs.network, layout=other))
    second = compute(replace(inputs, config=config))
    yield second, _answer(first, lambda hidden: hidden, first.output_in("NTC").swapaxes(0, 1), lambda state: state)


def a_stack_equals_its_lanes_one_by_one(
    inputs: Inputs, _chance: np.random.Generator, compute: Compute
) -> Iterator[tuple[Trace, Answer]]:
    """Each layer and direction as a separate network, fed with the first trace below it."""
    network = inputs.network
    first = compute(inputs)
    for layer in range(network.num_layers):
        x = np.concatenate(list(first.hidden[layer - 1]), axis=-1) if layer else inputs.sequence
        for d in range(network.directions):
            k, turn = layer * network.directions + d, slice(None, None, -1 if d else 1)
            alone = replace(network, input_size=x.shape[-1], num_layers=1, bidirectional=False)
            arrays = {
                "l0" + name[2:]: array for name, array in inputs.parameters.items() if name[:2] == f"{'lr'[d]}{layer}"
            }
            lane = replace(
                inputs,
                config=replace(inputs.config, network=alone),
                sequence=np.ascontiguousarray(x[turn]),
                parameters=Parameters(alone, arrays),
                initial_state=_each(inputs.initial_state, lambda array, k=k: array[k : k + 1]),
            )
            hidden = first.hidden[layer, d, turn]
            yield (
                compute(lane),
                Answer(
                    hidden[None, None],
                    hidden,
                    first.state_h[k : k + 1],
                    None if first.state_c is None else first.state_c[k : k + 1],
                    None if first.cell is None else first.cell[layer, d, turn][None, None],
                ),
            )


RELATIONS: dict[str, Relation] = {
    relation.__name__: relation
    for relation in (
        permuting_units_permutes_traces,
        reversing_the_sequence_swaps_directions,
        batch_order_does_not_matter,
        carrying_the_state_equals_one_run,
        zero_recurrent_weights_equal_a_feed_forward_layer,
        the_layout_of_out_changes_no_number,
        a_stack_equals_its_lanes_one_by_one,
    )
}


def _with(inputs: Inputs, arrays: "Parameters | dict[str, Array]", state: State) -> Inputs:
    return replace(inputs, parameters=Parameters(inputs.network, arrays), initial_state=state)


def _each(state: State, change: Callable[[Array], Array]) -> State:
    return {symbol: np.ascontiguousarray(change(array)) for symbol, array in state.items()}


def _part(inputs: Inputs, times: slice, state: State) -> Inputs:
    sequence = np.ascontiguousarray(inputs.sequence[times])
    config = replace(inputs.config, sequence=replace(inputs.config.sequence, timesteps=len(sequence)))
    return replace(inputs, config=config, sequence=sequence, initial_state=state)


def _mixed(state: State, trace: Trace, direction: int) -> State:
    """The state with what the trace ended with in place of its lanes of that direction; of one direction, all of it."""
    mixed = {symbol: np.array(array) for symbol, array in state.items()}
    lanes = slice(None) if trace.shape[1] == 1 else slice(direction, direction + 1)
    for symbol, array in mixed.items():
        array[lanes] = trace[f"state.{symbol}"][lanes]
    return mixed


def _answer(
    first: Trace, of_trace: Callable[[Array], Array], output: Array, of_lanes: Callable[[Array], Array]
) -> Answer:
    return Answer(
        of_trace(first.hidden),
        output,
        of_lanes(first.state_h),
        None if first.state_c is None else of_lanes(first.state_c),
        None if first.cell is None else of_trace(first.cell),
    )


def _feed_forward(cell: str, x: Array, weights: dict[str, Array]) -> tuple[Array, Array]:
    """(h, c), each (T, N, H), in float64; c is zero for cells without one."""
    a = x @ weights["i2h_weight"].T + weights["i2h_bias"]
    b = weights["h2h_bias"]
    if cell == "lstm":
        i, _, g, o = np.split(a + b, 4, axis=-1)
        c = _logistic(i) * np.tanh(g)
        return _logistic(o) * np.tanh(c), c
    if cell == "gru":
        (a_r, _, a_n), (b_r, _, b_n) = np.split(a, 3, axis=-1), np.split(b, 3)
        h = np.tanh(a_n + _logistic(a_r + b_r) * b_n)
    else:
        h = np.tanh(a + b) if cell == "rnn_tanh" else np.maximum(a + b, 0.0)
    return h, np.zeros_like(h)


def _logistic(v: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-v))
