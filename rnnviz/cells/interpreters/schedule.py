"""A cell's step as a list of in-place calls: which operations there are, in which order, and where their results go.

Nothing here depends on sizes or numbers. Four things make the calls few and cheap:

Hoisting. Where a step adds u.k to v.k, the biases of both are added to u, for many time steps at once. Where something
else happens to v.k first, as in a GRU's candidate, its bias stays inside.

Sigmoids. sigmoid(a) = (1 + tanh(a / 2)) / 2 never overflows, and tanh is NumPy's fastest exponential. Where a is a sum
of products, the halves are taken once, in the rows of the weights: halving a float is exact, so the sums are halved
exactly, too.

Packs. The rows of a gate are its slot in a common buffer. An operation that several gates have in common is one call on
all their slots, where these lie next to each other: the order of the slots is chosen for that.

In place. A result takes the place of an operand that is not needed again. A wanted value is copied: to compute it where
it is kept takes fewer calls, and no less time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, permutations
from typing import Any, TypeAlias

from rnnviz.cells.activations import Activation
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import ARITHMETIC, LEAVES, PRODUCTS, Graph, Node, ordered, trace


@dataclass(frozen=True)
class Storage:
    """The place of an operand, in `slots` of a buffer "u", "v", "w0", ..., or of another `kind`.

    Those are "state", "next", "temporary", "number", "parameter", "bias", "out"; `scale` multiplies it beforehand.
    """

    kind: str
    name: str = ""
    slots: tuple[str, ...] = ()
    number: float = 0.0
    scale: float = 1.0


@dataclass(eq=False)
class Operation:
    """One operation; `slot` is the gate that it belongs to, `shape` "H" or "P", `line` the one of the cell's file."""

    op: str
    args: tuple["Operand", ...]
    slot: str | None
    shape: str
    line: int
    activation: Activation | None = None
    name: str = ""


Operand: TypeAlias = Storage | Operation

_Member: TypeAlias = tuple[Operation, tuple[Storage, ...], Storage]
"""An operation of a pack, the places of its operands, and that of its result."""


@dataclass(frozen=True)
class Call:
    """One call: `function(*operands, out)`; `lines` are those of the cell's file that it computes.

    "product" reads h and fills the recurrent parts of all slots of `out`; "recurrent" and "matrix" have the gate or
    parameter of their rows as `name`. "finish" is two calls: half of it, and a half added.
    """

    function: str
    operands: tuple[Storage, ...]
    out: Storage
    lines: tuple[int, ...] = ()
    name: str = ""
    activation: Activation | None = None


@dataclass(frozen=True, eq=False)
class Schedule:
    """The calls of one time step, and what has to be prepared for them.

    `slots` are the gates in order; the first `products` have their recurrent part computed at once. `halved` has the
    rows that are halved, such as ("u", gate). The recurrent biases of `hoisted` gates are added to their input parts.
    `temporaries` has their sizes, `buffers` counts the buffers besides the one of the recurrent parts.
    """

    calls: tuple[Call, ...]
    slots: tuple[str, ...]
    products: int
    halved: frozenset[tuple[str, str]]
    hoisted: frozenset[str]
    temporaries: tuple[str, ...]
    buffers: int

    def index(self, place: Storage) -> int | slice:
        """The slots of a place in its buffer: one, or some that lie next to each other."""
        first = self.slots.index(place.slots[0])
        return first if len(place.slots) == 1 else slice(first, first + len(place.slots))


@lru_cache(maxsize=256)
def schedule(cell: CellSpec, wanted: tuple[str, ...] = ()) -> Schedule:
    """The calls of a cell's step; the values named in `wanted` are copied and kept, besides the states."""
    graph = trace(cell)
    kept = tuple(name for name in wanted if name not in cell.state_symbols)
    roots = [*graph.states, *(graph.values[name] for name in kept)]
    lowering = _Lowering(roots)
    live = set(ordered(roots))
    # In the order of the step's own lines, as far as they are needed.
    every = {name: lowering.visit(node) for name, node in graph.values.items() if node in live}
    results = {name: every[name] for name in (*cell.state_symbols, *kept)}
    reads = _transitive(lowering.operations)
    needed = {o for result in results.values() if isinstance(result, Operation) for o in (result, *reads[result])}
    packs = _packs([operation for operation in lowering.operations if operation in needed])
    products = [gate for gate in cell.recurrent_gates if gate in lowering.read_products]
    slots = _order_of_slots(cell, products, packs)
    allocation = _Allocation(graph, results, packs, slots, products)
    return Schedule(
        tuple(allocation.calls()),
        slots,
        len(products),
        frozenset(lowering.halved),
        frozenset(lowering.hoisted),
        tuple(allocation.temporaries),
        allocation.buffers,
    )


class _Lowering:
    """Turns nodes into operations that are one call each."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self._uses = Counter([*roots, *(arg for node in ordered(roots) for arg in node.args)])
        self._known: dict[tuple[Node, float], Operand] = {}
        self.operations: list[Operation] = []
        self.read_products: set[str] = set()
        self.halved: set[tuple[str, str]] = set()
        recurrent = [node.name for node in self._uses if node.op in ("v", "recurrent")]
        # Rows that two things are made of belong to neither.
        self._shared = {gate for gate in recurrent if recurrent.count(gate) > 1}
        self.hoisted = {gate for node in ordered(roots) if node.op == "plus" for gate in self._joined(node)}

    def visit(self, node: Node, scale: float = 1.0) -> Operand:
        """The operation or leaf of a node; its rows and parameters are multiplied with `scale`."""
        key = node, scale
        if key not in self._known:
            self._known[key] = self._leaf(node, scale) if node.op in LEAVES else self._operation(node, scale)
        return self._known[key]

    def _leaf(self, node: Node, scale: float) -> Operand:
        if node.op == "v":
            self.read_products.add(node.name)
            return self._with_bias(Storage("v", slots=(node.name,)), node, scale)
        if node.op == "number":
            return Storage("number", number=node.number * scale)
        return Storage("u", slots=(node.name,)) if node.op == "u" else Storage(node.op, node.name, scale=scale)

    def _operation(self, node: Node, scale: float) -> Operand:
        if node.op == "activation":
            return self._activation(node, scale)
        if node.op == "recurrent":
            product = self._emit("recurrent", node, self.visit(node.args[0]), slot=node.name, name=node.name)
            return self._with_bias(product, node, scale)
        if node.op == "matrix":
            return self._emit("matrix", node, self.visit(node.args[1]), name=node.args[0].name)
        interpolated = self._interpolation(node)
        if interpolated is not None:
            return interpolated
        if node.op == "times":
            # A product takes the scale in the one factor that is a parameter.
            scales = [scale if arg.op == "parameter" else 1.0 for arg in node.args]
            factors = [self.visit(arg, s) for arg, s in zip(node.args, scales, strict=True)]
            return self._emit("multiply", node, *factors)
        function = "add" if node.op == "plus" else "subtract"
        return self._emit(function, node, *(self.visit(arg, scale) for arg in node.args))

    def _with_bias(self, product: Operand, node: Node, scale: float) -> Operand:
        if node.name in self.hoisted:
            return product
        return self._emit("add", node, product, Storage("bias", node.name, scale=scale))

    def _activation(self, node: Node, scale: float) -> Operation:
        activation, (arg,) = node.activation, node.args
        assert activation is not None, node.op
        if activation.name == "sigmoid":
            if self._takes_scale(arg):
                self.halved |= {("u" if part.op == "u" else "v", part.name) for part in self._parts(arg)}
                halved = self.visit(arg, 0.5)
            else:
                halved = self._emit("multiply", node, self.visit(arg), Storage("number", number=0.5))
            return self._emit("finish", node, self._emit("tanh", node, halved))
        operand = self.visit(arg, scale)
        if activation.name == "tanh":
            return self._emit("tanh", node, operand)
        if activation.name == "relu":
            return self._emit("maximum", node, operand, Storage("number"))
        # Only a clip is scaled.
        activation = activation.with_constants(activation.alpha * scale)
        return self._emit("activate", node, operand, activation=activation)

    def _interpolation(self, node: Node) -> Operation | None:
        """(1 - z) · a + z · b as a + z · (b - a), which saves a call; only of an a that is never infinite."""
        if node.op != "plus" or not all(self._once(arg, "times") for arg in node.args):
            return None
        for kept, mixed in (node.args, node.args[::-1]):
            for complement, a in (kept.args, kept.args[::-1]):
                if not self._once(complement, "minus"):
                    continue
                one, z = complement.args
                bounded = a.activation is not None and a.activation.bounded
                if one.number == 1.0 and z in mixed.args and bounded:
                    b = mixed.args[1 - mixed.args.index(z)]
                    base = self.visit(a)
                    step = self._emit("subtract", node, self.visit(b), base)
                    return self._emit("add", node, base, self._emit("multiply", node, self.visit(z), step))
        return None

    def _once(self, node: Node, op: str) -> bool:
        return node.op == op and self._uses[node] == 1

    def _terms(self, node: Node) -> list[Node]:
        """The terms of a sum; of any other node the node itself."""
        if node.op != "plus":
            return [node]
        return [term for arg in node.args for term in (self._terms(arg) if self._uses[arg] == 1 else [arg])]

    def _joined(self, node: Node) -> list[str]:
        """The gates whose input part and recurrent part are both terms of a sum, and used nowhere else."""
        terms = [term for term in self._terms(node) if self._uses[term] == 1]
        inputs = {term.name for term in terms if term.op == "u"}
        parts = [term.name for term in terms if term.op in ("v", "recurrent")]
        return [gate for gate in parts if gate in inputs and gate not in self._shared]

    def _takes_scale(self, node: Node) -> bool:
        """Whether a value is made of rows and parameters that can be scaled instead, as nothing else uses them."""
        if self._uses[node] != 1:
            return False
        if node.op == "times":
            # Of two parameters both would be scaled.
            return [arg.op for arg in node.args].count("parameter") == 1
        if node.op in ARITHMETIC or (node.activation is not None and node.activation.name == "clip"):
            return all(self._takes_scale(arg) for arg in node.args)
        return node.op in ("u", "number") or (node.op in ("v", "recurrent") and node.name not in self._shared)

    def _parts(self, node: Node) -> list[Node]:
        """The input parts and recurrent parts in a value that takes a scale."""
        if node.slot is not None:
            return [node]
        return [] if node.op == "times" else [part for arg in node.args for part in self._parts(arg)]

    def _emit(self, op: str, node: Node, *args: Operand, slot: str | None = None, **details: Any) -> Operation:
        slots = {_slot(arg) for arg in args} - {None}
        if slot is None and op != "matrix" and len(slots) == 1:
            (slot,) = slots
            for arg in args:
                # A product with a parameter that is added to a slot is computed in that slot.
                if op in ("add", "subtract") and isinstance(arg, Operation) and arg.slot is None and _is_scaled(arg):
                    arg.slot = slot
        for arg in args:
            # A bias that is added by itself is written where its recurrent part is read.
            if isinstance(arg, Operation) and not arg.line:
                arg.line = node.line
        operation = Operation(op, args, slot, node.shape[0], node.line, **details)
        self.operations.append(operation)
        return operation


def _slot(value: Operand) -> str | None:
    if isinstance(value, Operation):
        return value.slot
    return value.slots[0] if value.slots else value.name if value.kind == "bias" else None


def _is_scaled(operation: Operation) -> bool:
    """Whether it is a parameter times something."""
    return operation.op == "multiply" and any(isinstance(a, Storage) and a.kind == "parameter" for a in operation.args)


def _packs(operations: list[Operation]) -> list[list[Operation]]:
    """The operations in an order of computation, those together, after waiting for them, that can be one call."""
    reads = _transitive(operations)
    packs: list[list[Operation]] = []
    remaining = operations
    while remaining:
        left = set(remaining)
        ready = [operation for operation in remaining if not reads[operation] & left]
        groups: list[list[Operation]] = []
        for operation in ready:
            key = _kind(operation)
            alike = (g for g in groups if key is not None and _kind(g[0]) == key)
            same = next((g for g in alike if all(operation.slot != other.slot for other in g)), None)
            groups.append([operation]) if same is None else same.append(operation)
        waiting = [operation for operation in remaining if operation not in ready]

        def complete(group: list[Operation], waiting: list[Operation] = waiting) -> bool:
            key = _kind(group[0])
            return key is None or not any(_kind(o) == key and not reads[o] & set(group) for o in waiting)

        pack = next((group for group in groups if complete(group)), groups[0])
        packs.append(pack)
        remaining = [operation for operation in remaining if operation not in pack]
    return packs


def _transitive(operations: list[Operation]) -> dict[Operation, set[Operation]]:
    """Everything that each operation waits for."""
    reads: dict[Operation, set[Operation]] = {}
    for operation in operations:
        own = [arg for arg in operation.args if isinstance(arg, Operation)]
        reads[operation] = set(own).union(*(reads[arg] for arg in own))
    return reads


def _kind(operation: Operation) -> tuple[object, ...] | None:
    """The key that operations of several slots share if they are one call; None of one that stays alone."""
    if operation.slot is None or operation.op == "recurrent":
        return None
    operands: list[object] = []
    for arg in operation.args:
        if _slot(arg) == operation.slot:
            operands.append("bias" if isinstance(arg, Storage) and arg.kind == "bias" else "slot")
        elif isinstance(arg, Storage) and arg.kind == "parameter":
            operands.append("parameter")
        else:
            operands.append(arg)
    return operation.op, operation.activation, *operands


def _order_of_slots(cell: CellSpec, products: list[str], packs: list[list[Operation]]) -> tuple[str, ...]:
    """The gates in an order in which the packs' slots lie next to each other, those with products first."""
    others = [gate for gate in cell.gate_symbols if gate not in products]
    sets = [{operation.slot for operation in pack} for pack in packs if len(pack) > 1]

    def borders(order: tuple[str, ...]) -> int:
        return sum((a in s) != (b in s) for s in sets for a, b in pairwise((None, *order, None)))

    orders = ((*first, *last) for first in permutations(products) for last in permutations(others))
    return min(orders, key=borders)


@dataclass(eq=False)
class _Room:
    """A place that results are kept in, and what is kept there."""

    place: Storage
    shape: str
    occupant: Operand | None = None


class _Allocation:
    """Gives every operation a place and makes the calls."""

    def __init__(
        self,
        graph: Graph,
        results: dict[str, Operand],
        packs: list[list[Operation]],
        slots: tuple[str, ...],
        products: list[str],
    ) -> None:
        self._packs, self._slots, self._products = packs, slots, products
        self._states = {symbol: results[symbol] for symbol in graph.cell.state_symbols}
        self._kept = {name: value for name, value in results.items() if name not in self._states}
        own = [Storage("v", slots=(gate,)) for gate in slots]
        self._rooms = [_Room(place, "H", place if place.slots[0] in products else None) for place in own]
        self._places: dict[Operand, Storage] = {}
        self._last: dict[Operand, int] = {}
        for k, pack in enumerate(packs):
            for operation in pack:
                self._last[operation] = k
                for arg in operation.args:
                    self._last[arg] = k
        # A state that is the same value as another one, or that is not computed, is copied at the end.
        self._direct: dict[Operand, str] = {}
        for symbol, value in self._states.items():
            self._direct.setdefault(value, symbol)
        self.temporaries: list[str] = []
        self.buffers = 0

    def calls(self) -> Iterable[Call]:
        if self._products:
            yield Call("product", (), Storage("v", slots=self._slots[: len(self._products)]))
        for name, value in self._kept.items():
            if isinstance(value, Storage):
                yield Call("copyto", (self._place(value),), Storage("out", name))
        for k, pack in enumerate(self._packs):
            yield from self._pack_calls(k, pack)
        for symbol, value in self._states.items():
            if not isinstance(value, Operation) or self._direct[value] != symbol:
                yield Call("copyto", (self._place(value),), Storage("next", symbol))

    def _pack_calls(self, k: int, pack: list[Operation]) -> Iterable[Call]:
        pack = sorted(pack, key=lambda o: o.slot is not None and self._slots.index(o.slot))
        operands = [tuple(self._place(arg) for arg in operation.args) for operation in pack]
        results = [self._destination(k, operation, pack) for operation in pack]
        for run in self._runs(list(zip(pack, operands, results, strict=True))):
            yield self._call(run)
        for name, value in self._kept.items():
            if isinstance(value, Operation) and value in pack and self._place(value) != Storage("out", name):
                yield Call("copyto", (self._place(value),), Storage("out", name), (value.line,))

    def _call(self, run: list[_Member]) -> Call:
        first = run[0][0]
        operands = tuple(_merged([member[1][n] for member in run]) for n in range(len(first.args)))
        lines = tuple(sorted({operation.line for operation, _, _ in run}))
        return Call(first.op, operands, _merged([member[2] for member in run]), lines, first.name, first.activation)

    def _runs(self, members: list[_Member]) -> list[list[_Member]]:
        """The members of a pack in groups whose operands lie next to each other."""
        runs: list[list[_Member]] = []
        for member in members:
            _, operands, out = member
            before = (*runs[-1][-1][1], runs[-1][-1][2]) if runs else ()
            if before and all(map(self._beside, before, (*operands, out))):
                runs[-1].append(member)
            else:
                runs.append([member])
        return runs

    def _beside(self, a: Storage, b: Storage) -> bool:
        if a == b or a.kind != b.kind:
            return a == b
        if a.slots:
            return self._slots.index(a.slots[0]) + 1 == self._slots.index(b.slots[0])
        return a.kind in ("parameter", "bias") and a.scale == b.scale

    def _place(self, value: Operand) -> Storage:
        return self._places[value] if isinstance(value, Operation) else value

    def _destination(self, k: int, operation: Operation, pack: list[Operation]) -> Storage:
        if operation in self._direct:
            place = Storage("next", self._direct[operation])
        else:
            room = self._room(k, operation, pack)
            room.occupant, place = operation, room.place
        self._places[operation] = place
        return place

    def _room(self, k: int, operation: Operation, pack: list[Operation]) -> _Room:
        """The place of an operand that is not needed again, else a free one."""
        rooms = [room for room in self._rooms if room.shape == operation.shape]
        if operation.slot is not None:
            rooms.sort(key=lambda room: room.place.slots != (operation.slot,))
            if len(pack) > 1:
                rooms = [room for room in rooms if room.place.slots == (operation.slot,)]
        if operation.op not in PRODUCTS:
            for room in rooms:
                others = any(room.occupant in other.args for other in pack if other is not operation)
                if room.occupant in operation.args and not others and self._last[room.occupant] == k:
                    return room
        free = [room for room in rooms if room.occupant is None or self._last[room.occupant] < k]
        return free[0] if free else self._new_room(operation)

    def _new_room(self, operation: Operation) -> _Room:
        if operation.slot is None:
            place = Storage("temporary", str(len(self.temporaries)))
            self.temporaries.append(operation.shape)
        else:
            slots, taken = (operation.slot,), {room.place for room in self._rooms}
            if not self.buffers or Storage(f"w{self.buffers - 1}", slots=slots) in taken:
                self.buffers += 1
            place = Storage(f"w{self.buffers - 1}", slots=slots)
        self._rooms.append(_Room(place, operation.shape))
        return self._rooms[-1]


def _merged(places: list[Storage]) -> Storage:
    """One operand of a call on several slots."""
    first = places[0]
    if first.slots:
        return replace(first, slots=tuple(slot for place in places for slot in place.slots))
    if first.kind in ("parameter", "bias"):
        return replace(first, name="+".join(place.name for place in places))
    return first
