"""Fields of the settings panel: labels, choices, placeholders, and visibility for the selected sources."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeAlias

from rnnviz.cells import CELLS
from rnnviz.core.config import PROJECTIONS
from rnnviz.core.engine_spec import is_own
from rnnviz.core.model_formats import patterns
from rnnviz.core.sequence import SequenceSource, alphabet
from rnnviz.frozen import dataclass

SECTION_TITLES = {
    "network": "Network",
    "sequence": "Sequence",
    "parameters": "Parameters",
    "initial_state": "Initial state",
    "compare": "Comparison",
    "backward": "Backward pass",
    "head": "Dense layer",
    "engines": "Programs",
    "problem": "Problem",
    "training": "Training",
}

# Mnemonics are unique; F, E, R, G, V and H belong to the menus.
_LABELS = {
    "network.cell": "&cell",
    "network.input_size": "&input size",
    "network.hidden_size": "hi&dden size",
    "network.num_layers": "la&yers",
    "network.bidirectional": "&bidirectional",
    "network.reverse": "reverse",
    "network.layout": "layo&ut",
    "network.dtype": "dtype",
    "network.projection_size": "projection",
    "sequence.source": "s&ource",
    "sequence.batch_size": "b&atch size",
    "sequence.timesteps": "&time steps",
    "sequence.embedding_path": "embedding file",
    "sequence.lengths_path": "lengths file",
    "parameters.initializer": "&weight init",
    "parameters.bias": "bia&s init",
    "parameters.scale": "sca&le",
    "initial_state.source": "initial state",
    "initial_state.final_of": "final state of",
    "compare.reference": "refere&nce",
    "compare.candidates": "candidates",
    "backward.enabled": "gradients",
    "backward.loss": "loss",
    "backward.path": "loss file",
    "backward.value": "hidden value",
    "head.weight": "weight name",
    "head.bias": "bias name",
    "head.activation": "dense activation",
    "head.path": "weight file",
    "problem.kind": "&problem",
    "problem.timesteps": "&time steps",
    "problem.batch_size": "b&atch size",
    "problem.path": "text file",
    "training.steps": "training &steps",
    "training.learning_rate": "learni&ng rate",
    "training.clip_norm": "clip norm",
    "training.library": "compare with",
    "training.checkpoint_every": "checkpoint every",
}

_CHOICES = {
    "network.cell": {name: cell.title for name, cell in CELLS.items()},
    "network.layout": {"NTC": "NTC, batch first", "TNC": "TNC, time first"},
    "sequence.axes": {"NTI": "NTI, batch first", "TNI": "TNI, time first"},
    "backward.loss": {"sum": "sum of out", "normal": "random", "file": "file", "value": "one hidden value"},
    "backward.final_state": {"zeros": "zeros", "ones": "ones", "normal": "random"},
}
_UNSET = {
    "network.projection_size": "none",
    "network.clip": "none",
    "network.activations": "the cell's defaults",
    "sequence.array": "the only array",
    "sequence.axes": "NTI by default",
    "sequence.frame": "input size",
    "sequence.paths": "first.wav | second.wav",
    "sequence.sample_labels": "first.txt | second.txt",
    "sequence.texts": "first text | second text",
    "sequence.tokens": "characters",
    "sequence.vocabulary": "from the text",
    "sequence.unknown": "error",
    "sequence.embedding": "none (one-hot)",
    "sequence.embedding_path": "weights file",
    "sequence.lengths": "T for every sample",
    "backward.value": "layer, direction, t, sample, unit",
    "backward.truncate": "off",
    "problem.path": "guide of rnnviz",
    "training.truncate": "off",
    "training.library": "none",
}

UNSET_CHOICES = ("training.library",)
"""Choices with an entry for no choice."""

FILE_FILTERS = {
    "network.cell": "Custom cells (*.py)",
    "sequence.path": "Sequences (*.npy *.npz *.csv *.wav *.txt)",
    "sequence.vocabulary": "Vocabularies (*.txt *.json)",
    "sequence.embedding_path": f"Embeddings ({patterns('.npy')})",
    "sequence.labels": "Labels (*.txt)",
    "sequence.lengths_path": "Lengths (*.txt *.npy)",
    "parameters.path": f"Weights ({patterns()})",
    "initial_state.path": "Initial states (*.npz)",
    "backward.path": "Loss gradients (*.npz)",
    "problem.path": "Texts (*.txt *.md)",
}


def label(dotted_key: str) -> str:
    """A field's label with its mnemonic, such as "hi&dden"."""
    return _LABELS.get(dotted_key, dotted_key.partition(".")[2].replace("_", " "))


def plain_label(dotted_key: str) -> str:
    return label(dotted_key).replace("&", "")


def accessible_name(dotted_key: str) -> str:
    """Accessible name of a field, such as "Sequence: seed"."""
    return f"{SECTION_TITLES[dotted_key.partition('.')[0]]}: {plain_label(dotted_key)}"


def unset_words(dotted_key: str) -> str:
    return _UNSET.get(dotted_key, "")


def choice_title(dotted_key: str, choice: str) -> str:
    return _CHOICES.get(dotted_key, {}).get(choice, choice)


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
_IN_FILES = {"path", "paths", "array", "axes", "frame"}
_BY_ENDING = {".npy": {"axes"}, ".npz": {"array", "axes"}, ".wav": {"frame"}}
"""Keys that apply to a sequence file, by ending."""
_OF_VOCABULARIES = {"unknown", "embedding", "embedding_path"}
_TEXTS = {"tokens", "vocabulary"}
_OF_TEXTS = {"text", "texts"} | _TEXTS | _OF_VOCABULARIES


def field_states(values: Values) -> dict[str, FieldState]:
    sections = (_network, _sequence, _parameters, _initial_state, _backward)
    return {key: state for section in sections for key, state in section(values).items()}


def task_field_states(values: Values) -> dict[str, FieldState]:
    """The states of the fields of a training task."""
    kind = values["problem.kind"]
    uses = _network(values) | _parameters(values)
    # The problem decides the input size, and training starts from random weights.
    uses |= {f"network.{key}": _LEFT_OUT for key in ("input_size", "layout", "reverse")}
    uses |= {f"parameters.{key}": _LEFT_OUT for key in ("path", "entry")}
    if kind != "characters":
        uses["problem.path"] = _LEFT_OUT
    if kind != "copy":
        uses["problem.symbols"] = _HIDDEN
    if values["training.optimizer"] != "sgd":
        uses["training.momentum"] = _HIDDEN
    if not str(values["network.cell"]).startswith("lstm"):
        uses["training.forget_bias"] = _HIDDEN
    return uses


def _network(values: Values) -> dict[str, FieldState]:
    """A bidirectional network has a backward direction already, and only some cells a projection."""
    uses = {"network.reverse": _LEFT_OUT} if values["network.bidirectional"] else {}
    cell = values["network.cell"]
    projects = cell in PROJECTIONS or (isinstance(cell, str) and is_own(cell))
    return uses if projects else uses | {"network.projection_size": _LEFT_OUT}


def _sequence(values: Values) -> dict[str, FieldState]:
    source = values["sequence.source"]
    uses = {f"sequence.{key}": _LEFT_OUT for key in _IN_FILES | _OF_TEXTS if key not in _read(values)}
    if source not in ("normal", "uniform") and values["sequence.lengths"] != "uniform":
        uses["sequence.seed"] = _HIDDEN
    if values["sequence.lengths"] != "file":
        uses["sequence.lengths_path"] = _LEFT_OUT
    if values["sequence.seams"] is None:
        uses["sequence.seams"] = _LEFT_OUT
    if source == "file":
        file = FieldState(fixed="from the file", why="The file defines the number of samples and their length.")
        uses |= {"sequence.batch_size": file, "sequence.timesteps": file}
        if _ending(values) == ".txt" and not values["sequence.paths"]:
            uses["network.input_size"] = _features(values)
            uses |= _OWN_LENGTHS
    if source in ("file", "text") and values["sequence.paths" if source == "file" else "sequence.texts"]:
        uses |= _OWN_LENGTHS
    if source == "text" and (values["sequence.text"] or values["sequence.texts"]):
        uses |= _text(values)
    if values["sequence.sample_labels"]:
        uses["sequence.labels"] = _LEFT_OUT
    elif values["sequence.lengths"] is None and "sequence.lengths" not in uses:
        uses["sequence.sample_labels"] = _LEFT_OUT
    return uses


_OWN_LENGTHS = {
    "sequence.lengths": FieldState(
        given=False, fixed="from the samples", why="Each text or file is one sample, which has its own length."
    ),
    "sequence.lengths_path": _LEFT_OUT,
}


def _ending(values: Values) -> str:
    path = (values["sequence.paths"] or [values["sequence.path"]])[0]
    return PurePath(str(path or "")).suffix.lower()


def _read(values: Values) -> set[str]:
    """Keys of files and texts that apply to the selected source."""
    source, of_texts = values["sequence.source"], set(_TEXTS)
    if values["sequence.vocabulary"]:
        of_texts |= _OF_VOCABULARIES
    if source == "text":
        return {"texts"} | of_texts | ({"text"} if not values["sequence.texts"] else set())
    if source == "file":
        paths, ending = values["sequence.paths"], _ending(values)
        keys = {"paths"} | ({"path"} if not paths else set())
        return keys | (of_texts if ending == ".txt" and not paths else _BY_ENDING.get(ending, set()))
    return set()


def _text(values: Values) -> dict[str, FieldState]:
    """Texts determine all sizes, except the number of features if it comes from a file."""
    words = values["sequence.tokens"] == "words"
    texts = tuple(values["sequence.texts"] or [values["sequence.text"]])
    symbols = SequenceSource(texts=texts, tokens=values["sequence.tokens"]).symbols
    one = len(texts) == 1
    uses = {
        "sequence.batch_size": FieldState(
            fixed="1 (the text)" if one else f"{len(texts)} (the texts)",
            why="A text is one sample." if one else "Each text is one sample.",
        ),
        "sequence.timesteps": FieldState(
            fixed=f"{max(map(len, symbols))} ({('words' if words else 'characters') if one else 'longest'})",
            why=f"Each {'word' if words else 'character'} is one time step.",
        ),
    }
    return {**uses, "network.input_size": _features(values, symbols)}


def _features(values: Values, symbols: Sequence[Sequence[str]] = ()) -> FieldState:
    """The field of the input size of texts, whose symbols are unknown if they are in a file."""
    words = values["sequence.tokens"] == "words"
    if not values["sequence.vocabulary"]:
        kind = "distinct words" if words else "alphabet"
        return FieldState(
            fixed=f"{len(alphabet(symbols))} ({kind})" if symbols else "from the file",
            why=f"Each distinct {'word' if words else 'character'} of the text is one input feature.",
        )
    if values["sequence.embedding"] or values["sequence.embedding_path"]:
        return FieldState(fixed="from embedding", why="Each token selects a row of the embedding.")
    return FieldState(fixed="from vocabulary", why="Each token of the vocabulary is one input feature.")


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
    if source != "file" or values["initial_state.final_of"] is None:
        uses["initial_state.final_of"] = _LEFT_OUT
    if source not in ("uniform", "normal"):
        uses["initial_state.seed"] = _HIDDEN
    return uses


def _backward(values: Values) -> dict[str, FieldState]:
    """Without gradients the other keys are not shown; the seed is that of random loss gradients."""
    loss, final_state = values["backward.loss"], values["backward.final_state"]
    uses: dict[str, FieldState] = {}
    if loss != "file":
        uses["backward.path"] = _LEFT_OUT
    else:
        uses["backward.final_state"] = _LEFT_OUT
    if loss != "value":
        uses["backward.value"] = _LEFT_OUT
    if "normal" not in (loss, final_state):
        uses["backward.seed"] = _HIDDEN
    if not values["backward.enabled"]:
        others = ("loss", "final_state", "seed", "path", "value", "truncate")
        uses = {f"backward.{key}": _HIDDEN for key in others} | {k: v for k, v in uses.items() if v is _LEFT_OUT}
    return uses
