"""Names in statements, each with its meaning."""

import re

ARRAYS = {
    "dat": "the sequence, in the config's layout",
    "out": "the reference's output, in the config's layout",
    "state": "the reference's final state: state[0] is h of (L·D, N, H), state[1] is c of an LSTM",
    "initial_state": "the state before the first step, as state is",
}
SIZES = {
    "T": "how many time steps there are",
    "N": "how many samples",
    "I": "how many input features",
    "H": "how many units each layer and direction has",
    "L": "how many layers",
    "D": "how many directions",
}
OUTCOMES = {
    "verdict": '"agree", "drift" or "disagree"',
    "mismatched": "how many values of the worst candidate mismatch",
    "max_error_ratio": "the largest error ratio of any candidate; 1 is the limit",
    "first_mismatch": "(layer, direction, timestep, sample, unit) of the first candidate that has one, else ()",
    "wrong": "the engines that are wrong",
    "undetectable": "the known bugs that this run could not reveal",
    "diagnosis": "the known bugs that explain an engine that is wrong",
    "checks": "whether each consistency check passes",
    "rtol": "the relative tolerance, the largest of any candidate's",
    "atol": "the absolute tolerance, the largest of any candidate's",
}
SELECTION = {
    "layer": "the layer of the selected value",
    "direction": 'its direction, "forward" or "backward"',
    "timestep": "its time step",
    "sample": "its sample",
    "unit": "its unit",
}
NAMES = {**ARRAYS, **SIZES, **OUTCOMES, **SELECTION}
"""Every name but those of the parameters, which are Gluon's."""

REFERENCE, CANDIDATE = "reference", "candidate"
"""Aliases of the reference engine and of the first candidate."""
MEMBERS = ("out", "state")
"""Attributes of an engine: gluon.out."""

LANES = {
    "h": 'h(layer, direction="forward"): a lane\'s hidden states, (T, N, H)',
    "c": 'c(layer, direction="forward"): a lane\'s cell states, (T, N, H)',
    "gate": 'gate(name, layer, direction="forward"): a gate or another quantity of a lane, (T, N, H)',
}
"""Methods of an engine, manual.h(0); without an engine, of the reference."""
AUDITED = {
    "audit": 'audit(engine): "right", "wrong" or "undetermined"',
    "ratio": "ratio(engine): the largest difference from a step as a multiple of its rounding bound; 8 is the limit",
}
"""Functions of the run."""

_PARAMETER = re.compile(r"[lr]\d{1,4}_(i2h|h2h)_(weight|bias)")
_ENGINE = re.compile(r"[a-z][a-z0-9_]*")


def is_name(name: str) -> bool:
    """Whether some run has a value of that name."""
    return name in NAMES or _PARAMETER.fullmatch(name) is not None


def is_engine(name: str) -> bool:
    """Whether an engine may be called so in front of a point; others are `reference` or `candidate` there."""
    return _ENGINE.fullmatch(name) is not None
