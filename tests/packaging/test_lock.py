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
def test_every_pin_is_exact_and_has_hashes(name):
    found = pins(read(name))
    assert len(found) > 20
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_no_path_is_in_it(name):
    for line in read(name).splitlines():
        text = re.sub(r"sha256:[0-9a-f]+", "", line)
        assert "://" not in text
        assert not re.search(r"(^|\s)(/|file:|-i\b|-f\b|--(extra-)?index|--find-links)", text)


def test_the_lock_is_that_of_the_declared_dependencies():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = pyproject["project"]["optional-dependencies"], pyproject["dependency-groups"]
    runtime = [*pyproject["project"]["dependencies"], *extras["window"], *extras["onnx"], *extras["gluon"]]
    development = [*extras["notebook"], *extras["cluster"], *groups["dev"]]
    for name, group in zip(LOCKS, ([], development, groups["installer"]), strict=True):
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


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine", "with_mxnet"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "riscv64", False),
        ("darwin", "x86_64", True),
        ("darwin", "arm64", False),
        ("win32", "AMD64", False),
        ("win32", "ARM64", False),
    ],
)
def test_numpy_1_is_taken_where_mxnet_is(system, machine, with_mxnet, python):
    there = {
        "sys_platform": system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.1",
    }
    chosen: dict[str, str] = {}
    for requirement, _ in pins(read("requirements.txt")):
        if requirement.marker is None or requirement.marker.evaluate(there):
            assert requirement.name not in chosen
            chosen[requirement.name] = str(requirement.specifier).removeprefix("==")
    with_mxnet = with_mxnet and python in ("3.11", "3.12")
    assert ("mxnet" in chosen) == with_mxnet
    assert chosen["numpy"].startswith("1.26." if with_mxnet else "2.")
    assert (chosen["pyside6-essentials"] == "6.9.3") == (python == "3.11")


def test_the_runtime_lock_is_part_of_the_other_locks():
    runtime, development, build = ({(pin.name, str(pin.specifier)) for pin, _ in pins(read(name))} for name in LOCKS)
    assert runtime < development
    assert runtime < build
