"""Catalog of the known bugs: the rows of `resources/known-bugs.toml`, and variants that depend on the cell."""

import re
import tomllib
from binascii import crc32
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Literal, TypeAlias

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.activations import ACTIVATIONS, hard_sigmoid, keras_hard_sigmoid, linear, relu, sigmoid, tanh
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import UNKNOWN, is_unknown
from rnnviz.core.inputs import Inputs
from rnnviz.core.resources import resource_path
from rnnviz.engines.known_bugs import BugVariant, ParameterChange, output_peephole_of_old_state
from rnnviz.frozen import dataclass

PREFIX = "bug:"

PADDING_NOT_ZEROED = "padding-not-zeroed"
"""The name of the bug that no step shows."""

NOT_CARRIED, NOT_CARRIED_BETWEEN_CALLS = "state-not-carried", "state-not-carried-between-calls"
"""The names of two bugs that are one where each step is a call."""

Variants: TypeAlias = tuple[BugVariant, ...]

_NEEDS: dict[str, tuple[Callable[[Network], bool], str]] = {
    "": (lambda network: True, ""),
    "bidirectional": (lambda network: network.bidirectional, "of bidirectional networks: set network.bidirectional"),
    "forward": (lambda network: not network.reverse, "of the forward direction: unset network.reverse"),
    "backward": (
        lambda network: network.bidirectional or network.reverse,
        "of the backward direction: set network.bidirectional or network.reverse",
    ),
    "clip": (lambda network: network.clip is not None, "of networks with a clip: set network.clip"),
}
"""The requirement of a bug on the network, and the end of its sentence."""


@dataclass(frozen=True)
class KnownBug:
    """One known bug; the file says what the texts are, and which `kind` of run can have it. `ways` are the variants, or
    a function that returns a cell's: the engine computes the first one, and a diagnosis tries all. `cells` are
    conditions on the program's cells that can have it; without them a custom cell can, too."""

    name: str
    cause: str
    origin: str
    fix: str
    ways: Variants | Callable[[CellSpec], Variants]
    cells: dict[str, Any] | None = None
    needs: str = ""
    kind: Literal["forward", "padding", "seams", "gradients"] = "forward"

    @property
    def of_gradients(self) -> bool:
        """Whether only a run with a backward pass can have it."""
        return self.kind == "gradients"

    @property
    def engine(self) -> str:
        """The name that a config gives to the engine that makes this known bug."""
        return self.name if is_unknown(self.name) else f"{PREFIX}{self.name}"

    def in_cell(self, cell: CellSpec) -> Variants:
        """The variants for a cell; () for one that cannot have it."""
        if not all(_CONDITIONS[key](cell, wanted) for key, wanted in (self.cells or {}).items()):
            return ()
        ways = self.ways(cell) if callable(self.ways) else self.ways
        return tuple(
            way for way in ways if not way.parameters or any(change.read_by(cell) for change in way.parameters)
        )

    @property
    def variants(self) -> dict[str, Variants]:
        """The variants by the program's cells that can have it."""
        return {name: found for name, cell in CELLS.items() if (found := self.in_cell(cell))}

    def faults(self, network: Network) -> Variants:
        """The variants for the network's cell. A custom cell has those bugs that every cell has, but no other lines."""
        if network.custom is None:
            return self.in_cell(CELLS[network.kind.name])
        return self.in_cell(network.kind) if self.cells is None else ()

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the network cannot have this known bug, in one sentence, or None; None for a custom cell not yet read."""
        if not network.is_known:
            return None
        if not self.faults(network):
            return (
                f"{self.engine} is a bug of {', '.join(self.variants)}, but the cell is {network.kind.name}: "
                "choose a bug of this cell, or another cell."
            )
        fits, needed = _NEEDS[self.needs]
        return None if fits(network) else f"{self.engine} is a bug {needed}, or choose another bug."

    def missing_in(self, inputs: Inputs) -> str | None:
        """Why a run cannot have this known bug, in one sentence, or None."""
        lacks = ""
        if self.kind == "padding" and not inputs.lengths and inputs.config.sequence.lengths is None:
            lacks = "samples with padding, but this run has no lengths: set sequence.lengths"
        if self.kind == "seams" and not len(inputs.seams):
            lacks = "a sequence that is read in several calls, but this run has one call: set sequence.seams"
        reason = self.unsupported_reason(inputs.network)
        return reason if reason or not lacks else f"{self.engine} is a bug of {lacks}."


_CONDITIONS: dict[str, Callable[[CellSpec, Any], bool]] = {
    "rows": lambda cell, gates: sorted(cell.gate_symbols) == sorted(gates),
    "parameters": lambda cell, names: all(any(re.fullmatch(n, own) for own in cell.own_parameters) for n in names),
    "role": lambda cell, role: role in dict(cell.activations),
    "step": lambda cell, name: cell.step is CELLS[name].step,
    "states": lambda cell, symbols: list(cell.state_symbols) == symbols and not cell.projects,
}
"""By key of `cells`, whether a cell has the gates, the further parameters, the role, the step, or the states."""


def _parts(states: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All of some names, then each of them."""
    return list(dict.fromkeys((states, *((symbol,) for symbol in states))))


def _forgetting(cell: CellSpec, *, at_seams: bool = False) -> Variants:
    kinds: tuple[Literal["zeros", "initial"], ...] = ("zeros", "initial")
    return tuple(
        BugVariant(forgotten=part, forgotten_is=kind, at_seams=at_seams)
        for part, kind in product(_parts(cell.state_symbols), kinds)
    )


_OTHERS = {
    "activation": (tanh, relu, sigmoid, linear),
    "candidate": (tanh, relu, sigmoid, linear),
    "gate": (hard_sigmoid, keras_hard_sigmoid, tanh),
}
"""By role, activations that other programs have in it."""


def _confusing(cell: CellSpec) -> Variants:
    """Another activation in each role."""
    own = dict(cell.activations)
    pairs = [(role, other) for role in _OTHERS if role in own for other in _OTHERS[role] if other != own[role]]
    return tuple(BugVariant(activations=(pair,)) for pair in pairs)


def _not_summed(cell: CellSpec) -> Variants:
    """All parameters, then the weights, then those of the recurrent part."""
    names = tuple(cell.initializers())
    kinds = dict.fromkeys(
        (names, tuple(n for n in names if n.endswith("2h_weight")), tuple(n for n in names if n == "h2h_weight"))
    )
    steps: tuple[Literal["last", "first"], ...] = ("last", "first")
    return tuple(BugVariant(kept=kind, kept_step=step) for step in steps for kind in kinds if kind)


def _cell_dropped(cell: CellSpec) -> Variants:
    if "c" not in cell.state_symbols:
        return ()
    ends = product((False, True), repeat=2)
    return tuple(BugVariant(cut=("c",), cut_initial=initial, cut_final=final) for initial, final in ends)


def _other_slopes(cell: CellSpec) -> Variants:
    """The value of each activation in place of its pre-activation, then others; of all, then of those of one kind."""
    candidates = tuple(g.symbol for g in cell.gates if g.name == "candidate")
    output = ("",) if "output" in dict(cell.activations) else ()
    gates = tuple(g.symbol for g in cell.gates if g.symbol not in candidates)
    parts = dict.fromkeys(((), candidates, output, (*candidates, *output), gates))
    kinds: tuple[Literal["value", "formula", "input", "previous"], ...] = ("value", "formula", "input", "previous")
    if cell.activations and all(function == relu for _, function in cell.activations):
        # The slope of relu is the same at its value, and is not a formula of it.
        kinds = "input", "previous"
    return tuple(
        BugVariant(slope=kind, slope_of=part)
        for kind in kinds
        for part in parts
        if not (kind == "input" and part == ("",)) and not (kind == "previous" and part)
    )


def _counted_twice(cell: CellSpec) -> Variants:
    biases = tuple(name for name in cell.initializers() if name.endswith("bias"))
    sides = product((False, True), _parts(biases))
    return tuple(BugVariant(doubled=part, doubled_forward=forward) for forward, part in sides)


def _without_reset(cell: CellSpec) -> Variants:
    """The gate as a constant, then its gradient not passed to h[t-1], then v.n not multiplied by it."""
    if "r" not in cell.gate_symbols:
        return ()
    unscaled = (BugVariant(unscaled=("n",)),) if cell.step is CELLS["gru"].step else ()
    return BugVariant(constant=("r",)), BugVariant(not_passed=("r",)), *unscaled


_WAYS: dict[str, Callable[[CellSpec], Variants]] = {
    "forgetting": _forgetting,
    "forgetting_at_seams": partial(_forgetting, at_seams=True),
    "other_activations": _confusing,
    "output_peephole_of_old_state": lambda cell: (BugVariant(step=output_peephole_of_old_state(cell.step)),),
    "truncated": lambda cell: tuple(BugVariant(cut=cell.state_symbols, cut_initial=i) for i in (False, True)),
    "not_summed": _not_summed,
    "cell_dropped": _cell_dropped,
    "other_slopes": _other_slopes,
    "counted_twice": _counted_twice,
    "without_reset": _without_reset,
    "without_initial": lambda cell: tuple(BugVariant(without_initial=part) for part in _parts(cell.state_symbols)),
}


def _variant(row: dict[str, Any]) -> BugVariant:
    """A variant from its fields in the file: a step by the name of a cell, activations by their own."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    if "step" in fields:
        fields["step"] = CELLS[fields["step"]].step
    if "activations" in fields:
        fields["activations"] = tuple((role, ACTIVATIONS[name]) for role, name in fields["activations"].items())
    return BugVariant(**fields)


def _known_bug(name: str, row: dict[str, Any]) -> KnownBug:
    """A row of the file, in which one of `ways`, `variants` and `parameters` says what changes."""
    changes = tuple(ParameterChange(**change) for change in row.pop("parameters", ()))
    variants = tuple(map(_variant, row.pop("variants", ()))) or (BugVariant(parameters=changes),)
    return KnownBug(name=name, ways=_WAYS[row.pop("ways")] if "ways" in row else variants, **row)


KNOWN_BUGS: dict[str, KnownBug] = {
    name: _known_bug(name, row)
    for name, row in tomllib.loads(resource_path("known-bugs.toml").read_text(encoding="utf-8")).items()
}


def unknown_engine(engine: str) -> str:
    """The name of an engine with the known bug of `engine`, which does not say which one that is."""
    return f"{UNKNOWN}{crc32(engine.removeprefix(PREFIX).encode()):08x}"


def bug_of(engine: str) -> KnownBug | None:
    """The known bug of an engine; that of an unknown one has no texts, and its engine's name. None if there is none."""
    if not is_unknown(engine):
        return KNOWN_BUGS.get(engine.removeprefix(PREFIX))
    found = (bug for bug in KNOWN_BUGS.values() if unknown_engine(bug.name) == engine)
    return next((replace(bug, name=engine, cause="", origin="", fix="") for bug in found), None)


def known_bugs_of(network: Network) -> list[KnownBug]:
    """The known bugs that the network can have in a forward pass without lengths and seams, in the catalog's order."""
    return [bug for bug in KNOWN_BUGS.values() if bug.kind == "forward" and bug.unsupported_reason(network) is None]


def known_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that a forward pass can have, in the catalog's order: with lengths also the bugs of padding."""
    every_step_is_a_call = len(inputs.seams) == inputs.timesteps - 1 > 0 and not inputs.network.reverse
    bugs = [bug for bug in KNOWN_BUGS.values() if not bug.of_gradients and bug.missing_in(inputs) is None]
    return [bug for bug in bugs if not (bug.name == NOT_CARRIED and every_step_is_a_call)]


def gradient_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that the backward pass of a run can have, in the catalog's order; [] without one."""
    bugs = KNOWN_BUGS.values() if inputs.loss is not None else ()
    return [bug for bug in bugs if bug.of_gradients and bug.unsupported_reason(inputs.network) is None]
