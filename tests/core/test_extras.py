"""Extras of pip, packages that are not installed, and variables that child processes do not get."""

import os
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rnnviz.core import extras
from rnnviz.core.extras import (
    EXTRAS,
    dropped_variables,
    extra_of,
    install_command,
    missing,
    not_installed,
    without_dropped,
)
from tests.needs import missing as missing_here

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed_by_pip(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/home/me/venv")


def test_each_extra_of_the_package_is_known():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = pyproject["project"]["optional-dependencies"]
    assert declared.pop("all") == [f"rnnviz[{','.join(EXTRAS)}]"]
    assert declared.keys() == EXTRAS.keys()
    distributions = packages_distributions()
    for extra, packages in EXTRAS.items():
        brought = {canonicalize_name(Requirement(line).name) for line in declared[extra]}
        for package in packages:
            if not missing_here(package):
                assert brought & {canonicalize_name(name) for name in distributions[package]}, package


@pytest.mark.usefixtures("installed_by_pip")
@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_package_is_named_with_the_command_that_installs_its_extra(extra):
    for package, title in EXTRAS[extra].items():
        assert extra_of(package) == extra
        assert not_installed(package) == (
            f'needs {title}, which is not installed (pip install "rnnviz[{extra}]" installs it)'
        )


def test_in_the_environment_of_a_checkout_make_installs_what_the_lock_has(monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    assert install_command("window") == "make venv"
    assert install_command("torch") == 'pip install "rnnviz[torch]"'


def test_an_installer_has_no_pip(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "pip install" not in not_installed("torch")


def test_the_first_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in ("pyqtgraph", "PIL") else object())
    assert missing("PySide6") is None
    assert missing(*EXTRAS["window"]) == not_installed("pyqtgraph")
    assert extra_of("numpy") is None


KEPT = {
    "PATH": "/bin",
    "PYTHONPATH": "/x",
    "PYTHONHASHSEED": "1",
    "MXNET_LIBRARY_PATH": "/lib/libmxnet.so",
    "OPENBLAS_CORETYPE": "Haswell",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": str(os.cpu_count()),
}


@pytest.mark.parametrize(
    "variable",
    [
        *("PYTHONWARNINGS=error", "PYTHONOPTIMIZE=2", "PYTHONDEVMODE=1", "OMP_NUM_THREADS=abc", "OMP_NUM_THREADS=4,2"),
        *("OMP_NUM_THREADS=-3", "OMP_NUM_THREADS=0", "OMP_NUM_THREADS=\u0664", "OPENBLAS_NUM_THREADS=99999999"),
        *("OMP_SCHEDULE=bad", "GOMP_CPU_AFFINITY=zz", "MXNET_ENGINE_TYPE=Foo", "MXNET_CPU_WORKER_NTHREADS=abc"),
        "KMP_AFFINITY=bad",
    ],
)
def test_a_variable_that_changes_libraries_is_dropped(variable):
    name, _, value = variable.partition("=")
    assert dropped_variables({**KEPT, name: value}) == [name]
    assert without_dropped(KEPT) == KEPT
    assert name not in without_dropped({**KEPT, name: value})
