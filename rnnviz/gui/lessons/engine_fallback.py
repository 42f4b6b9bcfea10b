"""Replacement of engines that a lesson names and that are not installed."""

from dataclasses import replace

from rnnviz.core.config import Config
from rnnviz.engines.registry import EngineEntry, fallback_engine, find_engine

_PACKAGES = {"mxnet": "MXNet", "torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
_CANNOT_RUN = "This lesson cannot run here. {reasons}"
_OTHER_REFERENCE = (
    "{package} is not installed, so this lesson uses {other} as the reference. "
    "Where the text says {title}, read {other}."
)
_OTHER_CANDIDATES = "{package} is not installed, so this lesson compares {candidates} with {reference}."


def runnable(config: Config) -> tuple[Config, str]:
    """Replace missing engines of a config by installed ones.

    Parameters
    ----------
    config
        The config of a lesson.

    Returns
    -------
    tuple of Config and str
        The config to run and the sentence about the replacement; ``(config, "")`` if every engine is installed. Missing
        candidates are left out as long as one is left. Without enough engines the config is returned unchanged.
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
    if len(present) < 2:
        return config, _CANNOT_RUN.format(reasons=" ".join(str(entry.unavailable) for entry in missing))
    reference, *candidates = present
    changed = replace(config, compare=replace(compare, reference=reference, candidates=tuple(candidates)))
    return changed.checked(), _sentence(entries[0], missing, reference, candidates)


def _sentence(usual: EngineEntry, missing: list[EngineEntry], reference: str, candidates: list[str]) -> str:
    package = _PACKAGES[str(missing[0].package)]
    if usual in missing:
        return _OTHER_REFERENCE.format(package=package, title=usual.title, other=find_engine(reference).title)
    return _OTHER_CANDIDATES.format(package=package, candidates=" and ".join(candidates), reference=reference)
