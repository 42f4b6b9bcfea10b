"""A lesson's config on a machine that lacks one of its engines: by the engines that there are."""

from dataclasses import replace

from rnnviz.engines.registry import ENGINES, EngineEntry, find_engine
from rnnviz.model.config import Config


def runnable(config: Config) -> tuple[Config, str]:
    """The config as it can be run here, and the sentence that says what is different, "" if nothing is.

    An engine that is missing is left out. Where fewer than two are left, others that there are stand in; where there
    are none, the config stays as it is, and running it says what is missing.
    """
    compare = config.compare
    entries = [find_engine(name) for name in compare.engines]
    missing = [entry for entry in entries if entry.unavailable is not None]
    if not missing:
        return config, ""
    present = [entry.name for entry in entries if entry.unavailable is None]
    for other in ENGINES.values():
        if len(present) < 2 and other.name not in present and _fits(other, config):
            present.append(other.name)
    reasons = " ".join(str(entry.unavailable) for entry in missing)
    if len(present) < 2:
        return config, f"This step cannot be run here. {reasons}"
    reference, *candidates = present
    changed = replace(config, compare=replace(compare, reference=reference, candidates=tuple(candidates)))
    names = " and ".join(present)
    return changed.checked(), f"Here {names} compute this step, with {reference} as the reference. {reasons}"


def _fits(entry: EngineEntry, config: Config) -> bool:
    return entry.unavailable is None and entry.unfit(config.network) is None
