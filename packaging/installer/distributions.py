"""The distributions that the program runs on, as they are installed in the environment of the build."""

from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tomllib import loads

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


EXTRAS = "window", "onnx", "gluon"
"""The extras of `pyproject.toml` that the packages contain."""


@cache
def distributions() -> dict[str, Distribution]:
    """What `pyproject.toml` asks for with `EXTRAS`, and what that needs in turn, by canonical names, sorted."""
    found: dict[str, Distribution] = {}
    project = loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])):
        _add(line, found)
    return dict(sorted(found.items()))


def needed_by(package: Distribution) -> list[str]:
    """The canonical names of what a distribution needs here, without its extras."""
    return [
        canonicalize_name(requirement.name)
        for requirement in map(Requirement, package.requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]


def _add(line: str, found: dict[str, Distribution]) -> None:
    requirement = Requirement(line)
    name = canonicalize_name(requirement.name)
    if name in found or not (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
        return
    try:
        found[name] = distribution(name)
    except PackageNotFoundError:
        raise SystemExit(
            f"{line} is not installed here: run make installer, which makes an environment with it."
        ) from None
    for needed in needed_by(found[name]):
        _add(needed, found)
