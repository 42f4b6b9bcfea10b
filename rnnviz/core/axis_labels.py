"""Names of the time steps and the features of a sequence, and their labels."""

import json
from collections.abc import Sequence

from rnnviz.frozen import dataclass


@dataclass(frozen=True)
class Names:
    """A name for each time step and for each input feature; a sequence without any is empty.

    One name may be empty: that time step or feature has only its number. A text is a name for each of its time steps.
    `samples` are names of time steps for each sample, where the samples have their own.
    """

    timesteps: Sequence[str] = ()
    features: Sequence[str] = ()
    samples: Sequence[Sequence[str]] = ()

    def __bool__(self) -> bool:
        return bool(self.timesteps) or bool(self.features) or bool(self.samples)

    def of_sample(self, sample: int) -> "Names":
        """The names for one sample."""
        return Names(self.samples[sample], self.features) if self.samples else self

    def timestep(self, timestep: int) -> str:
        """The name of a time step, empty if it has none."""
        return self.timesteps[timestep] if 0 <= timestep < len(self.timesteps) else ""

    def feature(self, feature: int) -> str:
        """The name of an input feature, empty if it has none."""
        return self.features[feature] if 0 <= feature < len(self.features) else ""


UNNAMED = Names()


SHORT = 24
"""Maximum number of shown characters of a name within a line; the tooltip has more."""
IN_FULL = 1000
"""Maximum number of characters of a name in a tooltip."""
_MARKS = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}


def visible(name: str) -> str:
    """The name with marks for invisible characters: a lone space, a line's end, a control character."""
    alone = name.isspace()
    return "".join(c if c.isprintable() and not alone else _MARKS.get(c, ascii(c)[1:-1]) for c in name)


def shortened(text: str, length: int = SHORT) -> str:
    """The text, or its beginning with an ellipsis if it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def timestep_in_words(names: Names, timestep: int, length: int = SHORT) -> str:
    """ "t = 3", or "t = 3 'l'" where the time step has a name."""
    name = names.timestep(timestep)
    return f"t = {timestep} '{shortened(visible(name), length)}'" if name else f"t = {timestep}"


def feature_title(names: Names, feature: int) -> str:
    """The name of a feature, or else its number."""
    return visible(names.feature(feature)) or str(feature)


def feature_in_words(names: Names, feature: int, length: int = SHORT) -> str:
    """ "feature 2", or "feature 2 'open'" where it has a name."""
    name = names.feature(feature)
    return f"feature {feature} '{shortened(visible(name), length)}'" if name else f"feature {feature}"


def feature_index(names: Names, feature: int) -> str:
    """The index in brackets after x[t]: a number, or the name in quotes."""
    name = names.feature(feature)
    return json.dumps(shortened(visible(name)), ensure_ascii=False) if name else str(feature)
