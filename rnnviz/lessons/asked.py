"""The numbers that a question asks for, as masks: `h(0)[2][0][1]`, `out[0][1]`, `gradient('h', 0)[49]`, `verdict`."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TypeAlias

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import gradient
from rnnviz.core.masks import DIFFERENCE, SHAPE, VERDICT, Mask
from rnnviz.core.places import INPUT_VALUES, PARAMETERS
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.frozen import dataclass
from rnnviz.lessons import namespace
from rnnviz.lessons.statements import parse_expression

_VERDICTS = frozenset(
    {
        *("verdict", "mismatched", "max_error_ratio", "first_mismatch", "wrong", "undetectable", "diagnosis", "audit"),
        *("ratio", "gradient_verdict", "gradient_diagnosis", "checks"),
    }
)
"""Results that the verdict shows."""

Axis: TypeAlias = range | None


@dataclass(frozen=True)
class _Step:
    """The numbers that an index can name: the sizes of the network, and the step's selection."""

    config: Config
    names: Mapping[str, int] = field(default_factory=dict)


def asked_masks(expression: str, config: Config, selection: Mapping[str, int]) -> tuple[Mask, ...]:
    """The masks of the numbers that an expression reads; an index that names no number is all of its axis.

    The word `difference` masks the differences of the engines, a call of `shape` the shapes.
    """
    if expression.strip() == DIFFERENCE:
        return (Mask(DIFFERENCE),)
    network = config.network
    sizes = {"T": config.sequence.timesteps, "N": config.sequence.batch_size, "H": network.output_size}
    step = _Step(config, {**sizes, "L": network.num_layers, **dict.fromkeys(namespace.SELECTION, 0), **selection})
    return tuple(dict.fromkeys(_masks(parse_expression(expression), step)))


def _masks(node: ast.expr, step: _Step) -> Iterator[Mask]:
    indices: list[ast.expr] = []
    array = node
    while isinstance(array, ast.Subscript):
        indices = [*(array.slice.elts if isinstance(array.slice, ast.Tuple) else [array.slice]), *indices]
        array = array.value
    axes = tuple(_axis(index, step) for index in indices)
    match array:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in namespace.LANES:
            yield _of_lane(name, [_constant(argument, step) for argument in arguments], axes)
        case ast.Name(id="out") | ast.Attribute(attr="out"):
            yield _of_output(axes, step.config)
        case ast.Name(id="dat"):
            yield Mask(INPUT_VALUES, _time_first(axes, step.config))
        case ast.Call(func=ast.Name(id="shape")):
            yield Mask(SHAPE)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) | ast.Name(id=name) if name in _VERDICTS:
            yield Mask(VERDICT)
        case ast.Name(id=name) if name not in namespace.NAMES:
            yield Mask(f"{PARAMETERS}{name}", axes)
        case ast.Call(args=arguments, keywords=words):
            for part in (*arguments, *(word.value for word in words)):
                yield from _masks(part, step)
        case _:
            for child in ast.iter_child_nodes(array):
                if isinstance(child, ast.expr):
                    yield from _masks(child, step)


def _of_lane(name: str, arguments: list[object], axes: tuple[Axis, ...]) -> Mask:
    """Of `h(layer, direction)` and the other functions of lanes; without a layer, a gradient is of another array."""
    array = name if name in ("h", "c") else str(arguments.pop(0))
    if name == "gradient":
        array = gradient(array if arguments or array in (INPUT_VALUES, "h0", "c0") else f"{PARAMETERS}{array}")
        if not arguments:
            return Mask(array, axes)
    layer, direction = (*arguments, DIRECTIONS[0])[:2]
    backward = DIRECTIONS.index(direction) if isinstance(direction, str) else 0
    return Mask(array, (_only(layer), _only(backward), *axes))


def _of_output(axes: tuple[Axis, ...], config: Config) -> Mask:
    """Of `out`, whose columns are the units of the top layer, in each direction one after another."""
    network = config.network
    times, samples, columns = (*_time_first(axes, config), None, None, None)[:3]
    direction, units = None if network.directions > 1 else range(1), columns
    if columns is not None and network.directions > 1:
        backward, unit = divmod(columns.start, network.output_size)
        direction, units = range(backward, backward + 1), range(unit, unit + len(columns))
    return Mask("h", (_only(network.num_layers - 1), direction, times, samples, units))


def _time_first(axes: tuple[Axis, ...], config: Config) -> tuple[Axis, ...]:
    if config.network.layout == "TNC":
        return axes
    samples, times, *rest = (*axes, None, None)[: max(len(axes), 2)]
    return (times, samples, *rest)


def _only(index: object) -> Axis:
    return range(index, index + 1) if isinstance(index, int) else None


def _axis(node: ast.expr, step: _Step) -> Axis:
    if not isinstance(node, ast.Slice):
        return _only(_constant(node, step))
    start, stop = (None if end is None else _constant(end, step) for end in (node.lower, node.upper))
    first = start if isinstance(start, int) else 0
    return range(first, stop if isinstance(stop, int) else 1 << 31)


def _constant(node: ast.expr, step: _Step) -> object:
    """A number or word of an expression, None of another part."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return step.names.get(name)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            a, b = _constant(left, step), _constant(right, step)
            if isinstance(a, int) and isinstance(b, int):
                return a + b if isinstance(op, ast.Add) else a - b
    return None


def read_asked(values: object, config: Config, selection: Mapping[str, int]) -> tuple[Mask, ...]:
    """The masks of a list of expressions. Raises an InputError for another value."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError("it must be a list of expressions, such as h(0)[2][0][1].")
    return tuple(dict.fromkeys(mask for value in values for mask in asked_masks(value, config, selection)))
