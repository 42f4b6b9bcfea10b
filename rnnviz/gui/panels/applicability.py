"""Which fields have a meaning for the chosen sources, and which are decided by what another field holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rnnviz.model.config import alphabet

Values: TypeAlias = Mapping[str, Any]
"""The forms' values by dotted key, as typed: any of them may be wrong."""


@dataclass(frozen=True)
class Use:
    """What becomes of one field.

    `visible` fields are shown. A field that is not `given` stays out of the config, whatever it holds. `fixed`
    is shown in place of the field's own value where something else decides it; `why` says what.
    """

    visible: bool = True
    given: bool = True
    fixed: str | None = None
    why: str = ""

    @property
    def judged(self) -> bool:
        """Whether a wrong value in the field is wrong for the config: not where nobody can see or use it."""
        return self.visible and self.given and self.fixed is None


ORDINARY = Use()
_HIDDEN = Use(visible=False)
_LEFT_OUT = Use(visible=False, given=False)


def applicability(values: Values) -> dict[str, Use]:
    """The fields that are not simply shown and used."""
    return {**_sequence(values), **_parameters(values), **_initial_state(values)}


def _sequence(values: Values) -> dict[str, Use]:
    source, text = values["sequence.source"], values["sequence.text"]
    uses: dict[str, Use] = {}
    if source != "file":
        uses["sequence.path"] = _LEFT_OUT
    if source != "text":
        uses["sequence.text"] = _LEFT_OUT
    if source not in ("normal", "uniform"):
        uses["sequence.seed"] = _HIDDEN
    if source == "file":
        file = Use(fixed="from the file", why="The file decides how many sequences there are and how long they are.")
        uses |= {"sequence.batch_size": file, "sequence.timesteps": file}
    if source == "text" and text:
        uses["sequence.batch_size"] = Use(fixed="1, the text", why="A text is one sequence.")
        uses["sequence.timesteps"] = Use(fixed=f"{len(text)}, its length", why="Each character is one timestep.")
        uses["network.input_size"] = Use(
            fixed=f"{len(alphabet(text))}, the alphabet",
            why="Each distinct character of the text is one input feature.",
        )
    return uses


def _parameters(values: Values) -> dict[str, Use]:
    initializer, bias = values["parameters.initializer"], values["parameters.bias"]
    uses: dict[str, Use] = {}
    if initializer == "file":
        uses |= {f"parameters.{key}": _HIDDEN for key in ("bias", "scale", "seed")}
    else:
        uses["parameters.path"] = _LEFT_OUT
        if initializer not in ("normal", "uniform") and bias != "uniform":
            uses["parameters.scale"] = _HIDDEN
    if initializer != "file" or values["parameters.entry"] is None:
        uses["parameters.entry"] = _LEFT_OUT
    return uses


def _initial_state(values: Values) -> dict[str, Use]:
    source = values["initial_state.source"]
    uses: dict[str, Use] = {}
    if source != "file":
        uses["initial_state.path"] = _LEFT_OUT
    if source != "normal":
        uses["initial_state.seed"] = _HIDDEN
    return uses
