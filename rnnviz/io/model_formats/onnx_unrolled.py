"""Networks that were exported with separate nodes for each time step, such as nn.RNN by PyTorch's default exporter.

That exporter writes u = X W^T + b_ih for all time steps at once, and for each step h = tanh(h R^T + b_hh + u[t]), or
relu. A chain of such steps over all of u, in order or in reverse, becomes one RNN node: its weights are added to the
names of the graph, and the steps' outputs become elements of its output Y, so that the rest is read as in any graph.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.model_file import UnreadableError
from rnnviz.io.model_formats.onnx_constants import MOVES, Constants
from rnnviz.io.model_formats.onnx_graph import GraphScope, PlacedNode

_MOST_TERMS = 4
_LONGEST_WAY = 32


@dataclass(frozen=True)
class _Step:
    """One time step: `output` = act(`previous` R^T + `constants` + `u`); without `previous` its product is folded."""

    operator: str
    output: str
    previous: str
    weight: str
    constants: tuple[str, ...]
    u: str


@dataclass(frozen=True)
class _Direction:
    """The steps of one direction, from its first time step on, and the parameters of u; empty names are absent ones."""

    steps: tuple[_Step, ...]
    x: str
    w: str
    r: str
    b_ih: str
    b_hh: str
    backward: bool


def with_rolled(nodes: Sequence[PlacedNode], constants: Constants) -> list[PlacedNode]:
    """The nodes, and behind the last step of each chain the RNN node that it is."""
    found = list(nodes)
    scopes: dict[GraphScope, list[NodeProto]] = {}
    for placed in nodes:
        scopes.setdefault(placed.scope, []).append(placed.node)
    for scope, inner in scopes.items():
        chains = list(_chains([step for node in inner if (step := _step(node, scope)) is not None]))
        read = [direction for chain in chains if (direction := _direction(chain, scope, constants)) is not None]
        for directions in _paired(read, inner):
            last = scope.producers[directions[-1].steps[-1].output]
            place = next(k for k, placed in enumerate(found) if placed.node is last and placed.scope is scope)
            steps = tuple((d.steps[0].previous, *(step.output for step in d.steps)) for d in directions)
            found.insert(place + 1, PlacedNode(_rolled(directions, scope), scope, steps=steps))
    return found


def _step(node: NodeProto, scope: GraphScope) -> _Step | None:
    """The time step that ends with `node`, if it has the form of one."""
    if node.op_type not in ("Tanh", "Relu") or not node.input or not node.output:
        return None
    product, constants, us = None, [], []
    for name in _terms(node.input[0], scope):
        source = scope.find(_moved_from(name, scope))[2]
        if isinstance(source, NodeProto) and source.op_type == "MatMul" and scope.producers.get(name) is source:
            if product is not None:
                return None
            product = source
        elif isinstance(source, TensorProto) or (isinstance(source, NodeProto) and source.op_type == "Constant"):
            constants.append(name)
        else:
            us.append(name)
    if len(us) != 1 or (product is not None and len(product.input) != 2):
        return None
    previous, weight = product.input if product is not None else ("", "")
    return _Step(node.op_type, node.output[0], previous, weight, tuple(constants), us[0])


def _terms(name: str, scope: GraphScope) -> list[str]:
    terms = [name]
    for _ in range(_MOST_TERMS):
        sums = {term: node.input for term in terms if (node := scope.producers.get(term)) and node.op_type == "Add"}
        terms = [part for term in terms for part in sums.get(term, [term])]
    return terms


def _moved_from(name: str, scope: GraphScope) -> str:
    """The name of the value whose elements are moved to `name`."""
    for _ in range(_LONGEST_WAY):
        node = scope.producers.get(name)
        if node is None or node.op_type not in MOVES or not node.input:
            break
        name = node.input[0]
    return name


def _chains(steps: Sequence[_Step]) -> Iterator[list[_Step]]:
    """Steps that follow each other, two of them at least."""
    outputs = {step.output for step in steps}
    after: dict[str, list[_Step]] = {}
    for step in steps:
        after.setdefault(step.previous, []).append(step)
    for first in steps:
        if first.previous in outputs:
            continue
        chain = [first]
        while len(following := after.get(chain[-1].output, [])) == 1:
            chain.append(following[0])
        if len(chain) > 1:
            yield chain


def _direction(chain: Sequence[_Step], scope: GraphScope, constants: Constants) -> _Direction | None:
    """The chain as one direction of an RNN node; None if it is none."""
    first, second = chain[0], chain[1]
    whole = _moved_from(first.u, scope)
    u = scope.producers.get(whole)
    if u is None or len(u.input) != 2 or len(second.constants) > 1:
        return None
    product, b_ih = u, ""
    if u.op_type == "Add":
        factors = [scope.producers.get(name) for name in u.input]
        place = next((k for k, node in enumerate(factors) if node is not None and node.op_type == "MatMul"), 0)
        product, b_ih = factors[place] or u, u.input[1 - place]

    def parts(step: _Step) -> tuple[object, ...]:
        return step.operator, step.constants, _key(scope, step.weight)

    alike = all(parts(step) == parts(second) for step in chain[0 if first.previous else 1 :])
    alike = alike and first.operator == second.operator and all(_moved_from(step.u, scope) == whole for step in chain)
    if not alike or product.op_type != "MatMul" or len(product.input) != 2:
        return None
    b_hh = second.constants[0] if second.constants else ""
    try:
        backward = _backward(chain, scope, whole, constants)
        if backward is None or (not first.previous and not _starts_from_zeros(first, b_hh, scope, constants)):
            return None
    except (UnreadableError, MemoryError):
        return None
    return _Direction(tuple(chain), product.input[0], product.input[1], second.weight, b_ih, b_hh, backward)


def _backward(chain: Sequence[_Step], scope: GraphScope, whole: str, constants: Constants) -> bool | None:
    """Whether the steps go through u (T, N, H) from its end; None if neither they nor those in order are all of it."""
    answers = set()
    for values in constants.both:
        u = values.index(scope, whole)
        elements = u.read()
        if elements.ndim != 3 or len(elements) != len(chain):
            return None
        rows, shape = [values.find(scope, step.u).read() for step in chain], elements.shape[1:]
        if any(row.shape not in (shape, (1, *shape)) for row in rows):
            return None
        read = np.stack([row.reshape(shape) for row in rows])
        ahead, behind = np.array_equal(read, elements), np.array_equal(read, elements[::-1])
        answers.add(False if ahead else True if behind else None)
    return answers.pop() if len(answers) == 1 else None


def _starts_from_zeros(first: _Step, b_hh: str, scope: GraphScope, constants: Constants) -> bool:
    """Whether the folded product of the first step is that of an initial state of zeros: nothing but the bias."""
    numbers = sum((constants.find(scope, name).read() for name in first.constants), np.zeros((), np.float32))
    bias = constants.find(scope, b_hh).read() if b_hh else np.zeros((), np.float32)
    return bool((numbers == bias).all())


def _key(scope: GraphScope, name: str) -> tuple[object, ...]:
    """Equal for names that refer to the same weight, which exporters transpose again for each step."""
    scope, name, source = scope.find(name)
    if isinstance(source, NodeProto) and source.op_type in ("Transpose", "Identity") and source.input:
        return source.op_type, *(tuple(a.ints) for a in source.attribute), *_key(scope, source.input[0])
    return scope, name


def _paired(found: Sequence[_Direction], nodes: Sequence[NodeProto]) -> list[list[_Direction]]:
    """The directions, two of them together where the graph puts their outputs side by side."""
    joined = {tuple(node.input): node.output[0] for node in nodes if node.op_type == "Concat" and node.output}
    pairs: list[list[_Direction]] = []
    for direction in found:
        outputs = [step.output for step in direction.steps]
        for pair in pairs if direction.backward else ():
            ahead = pair[0]
            both = joined.get(tuple(step.output for step in ahead.steps)), joined.get(tuple(outputs[::-1]))
            alike = len(pair) == 1 and ahead.x == direction.x and len(ahead.steps) == len(direction.steps)
            if alike and not ahead.backward and both in joined:
                pair.append(direction)
                break
        else:
            pairs.append([direction])
    return pairs


def _rolled(directions: Sequence[_Direction], scope: GraphScope) -> NodeProto:
    """The RNN node of one or two directions, and in `scope` its inputs and the outputs of its steps."""
    first = directions[0].steps[0]
    prefix = f"{first.output} as one node"

    def node(operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        full = name if name in scope.producers else f"{prefix}: {name}"
        scope.producers[full] = helper.make_node(operator, inputs, [full], **attributes)
        return full

    def constant(name: str, value: NDArray[np.generic]) -> str:
        scope.constants[f"{prefix}: {name}"] = numpy_helper.from_array(value, name)
        return f"{prefix}: {name}"

    stacks: dict[str, list[str]] = {"W": [], "R": [], "B": [], "initial_h": []}
    for d, direction in enumerate(directions):
        for kind, weight in (("W", direction.w), ("R", direction.r)):
            stacks[kind].append(node("Unsqueeze", [node("Transpose", [weight], f"{kind}{d}t")], f"{kind}{d}", axes=[0]))
        if direction.b_ih and direction.b_hh:
            both = node("Concat", [direction.b_ih, direction.b_hh], f"B{d}b", axis=0)
            stacks["B"].append(node("Unsqueeze", [both], f"B{d}", axes=[0]))
        if direction.steps[0].previous:
            stacks["initial_h"].append(direction.steps[0].previous)
    inputs = {
        kind: node("Concat", names, kind, axis=0) if len(names) == len(directions) else ""
        for kind, names in stacks.items()
    }
    way = "bidirectional" if len(directions) == 2 else "reverse" if directions[0].backward else "forward"
    y = f"{prefix}: Y"
    rolled = helper.make_node(
        "RNN",
        [directions[0].x, inputs["W"], inputs["R"], inputs["B"], "", inputs["initial_h"]],
        [y],
        name=scope.producers[first.output].name or first.output,
        direction=way,
        activations=[direction.steps[0].operator for direction in directions],
    )
    scope.producers[y] = rolled
    for d, direction in enumerate(directions):
        for k, step in enumerate(direction.steps[:: -1 if direction.backward else 1]):
            rows = node("Gather", [y, constant(f"t{k}", np.array(k))], f"Y{k}", axis=0)
            node("Gather", [rows, constant(f"d{d}", np.array([d]))], step.output, axis=0)
    return rolled
