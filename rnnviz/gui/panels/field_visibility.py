"""Visibility of fields for the selected sources, and fields determined by other fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeAlias

from rnnviz.core.config import PROJECTIONS
from rnnviz.core.engine_spec import is_own
from rnnviz.core.sequence import SequenceSource, alphabet

Values: TypeAlias = Mapping[str, Any]
"""Values by dotted key as typed, not validated."""


@dataclass(frozen=True)
class FieldState:
    """State of a field.

    A field that is not `given` is left out of the config. `fixed` replaces the displayed value if another field
    determines it; `why` gives the reason.
    """

    visible: bool = True
    given: bool = True
    fixed: str | None = None
    why: str = ""

    @property
    def evaluated(self) -> bool:
        """Whether an invalid value in the field makes the config invalid."""
        return self.visible and self.given and self.fixed is None


ORDINARY = FieldState()
_HIDDEN = FieldState(visible=False)
_LEFT_OUT = FieldState(visible=False, given=False)
_IN_FILES = {"path", "array", "axes", "frame"}
_BY_ENDING = {".npy": {"axes"}, ".npz": {"array", "axes"}, ".wav": {"frame"}}
"""Keys that apply to a sequence file, by ending."""
_OF_VOCABULARIES = {"unknown", "embedding", "embedding_path"}
_OF_TEXTS = {"text", "tokens", "vocabulary"} | _OF_VOCABULARIES


def field_states(values: Values) -> dict[str, FieldState]:
    """States of the fields that differ from `ORDINARY`, by dotted key."""
    return {**_network(values), **_sequence(values), **_parameters(values), **_initial_state(values)}


def _network(values: Values) -> dict[str, FieldState]:
    """A bidirectional network has a backward direction already, and only some cells a projection."""
    uses = {"network.reverse": _LEFT_OUT} if values["network.bidirectional"] else {}
    cell = values["network.cell"]
    projects = cell in PROJECTIONS or (isinstance(cell, str) and is_own(cell))
    return uses if projects else uses | {"network.projection_size": _LEFT_OUT}


def _sequence(values: Values) -> dict[str, FieldState]:
    source = values["sequence.source"]
    uses = {f"sequence.{key}": _LEFT_OUT for key in _IN_FILES | _OF_TEXTS if key not in _read(values)}
    if source not in ("normal", "uniform"):
        uses["sequence.seed"] = _HIDDEN
    if source == "file":
        file = FieldState(fixed="from the file", why="The file defines the number of sequences and their length.")
        uses |= {"sequence.batch_size": file, "sequence.timesteps": file}
    if source == "text" and values["sequence.text"]:
        uses |= _text(values)
    return uses


def _read(values: Values) -> set[str]:
    """Keys of files and texts that apply to the selected source."""
    source, vocabulary = values["sequence.source"], values["sequence.vocabulary"]
    if source == "text":
        return {"text", "tokens", "vocabulary"} | (_OF_VOCABULARIES if vocabulary else set())
    if source == "file":
        ending = PurePath(str(values["sequence.path"] or "")).suffix.lower()
        return {"path"} | _BY_ENDING.get(ending, set())
    return set()


def _text(values: Values) -> dict[str, FieldState]:
    """A text determines all sizes, except the number of features if it comes from a file."""
    words = values["sequence.tokens"] == "words"
    symbols = SequenceSource(text=values["sequence.text"], tokens=values["sequence.tokens"]).symbols
    uses = {
        "sequence.batch_size": FieldState(fixed="1 (the text)", why="A text is one sequence."),
        "sequence.timesteps": FieldState(
            fixed=f"{len(symbols)} ({'words' if words else 'characters'})",
            why=f"Each {'word' if words else 'character'} is one time step.",
        ),
    }
    if not values["sequence.vocabulary"]:
        features = FieldState(
            fixed=f"{len(alphabet(symbols))} ({'distinct words' if words else 'alphabet'})",
            why=f"Each distinct {'word' if words else 'character'} of the text is one input feature.",
        )
    elif values["sequence.embedding"] or values["sequence.embedding_path"]:
        features = FieldState(fixed="from the embedding", why="Each token selects a row of the embedding.")
    else:
        features = FieldState(fixed="from the vocabulary", why="Each token of the vocabulary is one input feature.")
    return {**uses, "network.input_size": features}


def _parameters(values: Values) -> dict[str, FieldState]:
    initializer, bias = values["parameters.initializer"], values["parameters.bias"]
    uses: dict[str, FieldState] = {}
    if initializer == "file":
        uses |= {f"parameters.{key}": _HIDDEN for key in ("bias", "scale", "seed")}
    else:
        uses["parameters.path"] = _LEFT_OUT
        if initializer not in ("normal", "uniform") and bias != "uniform":
            uses["parameters.scale"] = _HIDDEN
    if initializer != "file" or values["parameters.entry"] is None:
        uses["parameters.entry"] = _LEFT_OUT
    return uses


def _initial_state(values: Values) -> dict[str, FieldState]:
    source = values["initial_state.source"]
    uses: dict[str, FieldState] = {}
    if source != "file":
        uses["initial_state.path"] = _LEFT_OUT
    if source != "normal":
        uses["initial_state.seed"] = _HIDDEN
    return uses
