"""Names of the time steps and the features of a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """A name for each time step and for each input feature; a sequence without any is empty.

    One name may be empty: that time step or feature has only its number. A text is a name for each of its time steps.
    """

    timesteps: Sequence[str] = ()
    features: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.timesteps) or bool(self.features)

    def timestep(self, timestep: int) -> str:
        """The name of a time step, empty if it has none."""
        return self.timesteps[timestep] if 0 <= timestep < len(self.timesteps) else ""

    def feature(self, feature: int) -> str:
        """The name of an input feature, empty if it has none."""
        return self.features[feature] if 0 <= feature < len(self.features) else ""


UNNAMED = Names()
