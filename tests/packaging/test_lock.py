"""The lock files: what pyproject.toml asks for, with hashes, and nothing of the machine that wrote them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-build.txt"]


def read(name: str) -> str:
    return (ROOT / "packaging" / name).read_text(encoding="utf-8")


def pins(text: str) -> list[tuple[Requirement, list[str]]]:
    """Every pin of a lock file with its hashes."""
    entries = re.findall(r"^([^\s#].*?)(?<!\\)$", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for entry in entries:
        requirement, *hashes = re.split(r"\s*\\\n\s+--hash=", entry)
        found.append((Requirement(requirement), hashes))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    found = pins(read(name))
    assert len(found) > 20
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_no_path_is_in_it(name: str) -> None:
    for line in read(name).splitlines():
        text = re.sub(r"sha256:[0-9a-f]+", "", line)
        assert "://" not in text
        assert not re.search(r"(^|\s)(/|file:|-i\b|-f\b|--(extra-)?index|--find-links)", text)


def test_the_lock_is_that_of_the_declared_dependencies() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = pyproject["project"]["dependencies"]
    groups = pyproject["dependency-groups"]
    for name, group in zip(LOCKS, ([], groups["dev"], groups["installer"]), strict=True):
        declared = [*runtime, *group]
        found = [requirement for requirement, _ in pins(read(name))]
        for line in declared:
            wanted = Requirement(line)
            versions = [
                str(pin.specifier).removeprefix("==")
                for pin in found
                if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
            ]
            assert any(wanted.specifier.contains(version) for version in versions), f"{line}: {name} has {versions}"


def test_the_runtime_lock_is_part_of_the_other_locks() -> None:
    runtime, development, build = ({(pin.name, str(pin.specifier)) for pin, _ in pins(read(name))} for name in LOCKS)
    assert runtime < development
    assert runtime < build
