"""A lesson's config on a machine that lacks one of its engines: by the engines that there are."""

from dataclasses import replace

from rnnviz.core.config import Config
from rnnviz.engines.registry import fallback_engine, find_engine


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
    if compare.reference not in present and (other := fallback_engine(config.network, present)) is not None:
        present.insert(0, other)
    while len(present) < 2 and (other := fallback_engine(config.network, present)) is not None:
        present.append(other)
    reasons = " ".join(str(entry.unavailable) for entry in missing)
    if len(present) < 2:
        return config, f"This cannot be run here. {reasons}"
    reference, *candidates = present
    changed = replace(config, compare=replace(compare, reference=reference, candidates=tuple(candidates)))
    names = " and ".join(present)
    return changed.checked(), f"Here {names} compute this, with {reference} as the reference. {reasons}"
