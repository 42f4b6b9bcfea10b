"""The choice of a Python for the virtual environment, on simulated systems."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ended

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the script is for make, on systems with a shell")


def fallback_engine(folder: Path, name: str, exit_code: int) -> Path:
    """A Python that answers the script's question with `exit_code`."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def find(*folders: Path) -> subprocess.CompletedProcess[str]:
    return ended("/bin/sh", ROOT / "packaging" / "find-python", env={"PATH": ":".join(map(str, folders))})


@pytest.mark.parametrize(
    ("first", "wanted"),
    [(("python3.12", 0), "python3.11"), (("python3.13", 5), "python3.12"), (("python3.13", 5), "python3")],
)
def test_a_python_with_gluon_is_preferred_wherever_it_is_and_3_11_to_others(tmp_path, first, wanted):
    fallback_engine(tmp_path / "a", *first)
    path = fallback_engine(tmp_path / "b", wanted, 0)
    answer = find(tmp_path / "a", tmp_path / "b")
    assert (answer.stdout, answer.stderr) == (f"{path}\n", "")


@pytest.mark.parametrize("name", ["python3.13", "python3.14", "python3"])
def test_a_python_without_gluon_will_do_and_a_line_says_so(tmp_path, name):
    fallback_engine(tmp_path, "python3.12", 4)
    wanted = fallback_engine(tmp_path, name, 5)
    answer = find(tmp_path)
    assert (answer.returncode, answer.stdout) == (0, f"{wanted}\n")
    assert answer.stderr == (
        f"The engine gluon is left out: {wanted} is too new for MXNet, which needs Python 3.11 or 3.12.\n"
    )


def test_a_python_that_does_not_run_is_passed_over_for_one_behind_it(tmp_path):
    fallback_engine(tmp_path / "shims", "python3.11", 127)
    fallback_engine(tmp_path / "shims", "python3.12", 127)
    wanted = fallback_engine(tmp_path / "real", "python3.12", 0)
    assert find(tmp_path / "shims", tmp_path / "real").stdout == f"{wanted}\n"


@pytest.mark.parametrize("versions", [(), ("python3",)], ids=["none", "of-another-version"])
def test_a_missing_python_is_a_sentence(tmp_path, versions):
    for version in versions:
        fallback_engine(tmp_path, version, 3)
    answer = find(tmp_path)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr == "rnnviz needs Python 3.11, 3.12, 3.13 or 3.14, and none of them was found to run.\n"


def test_a_python_without_venv_is_named_with_the_package_that_brings_it(tmp_path):
    python = fallback_engine(tmp_path, "python3.11", 4)
    answer = find(tmp_path)
    assert answer.returncode == 1
    assert (
        answer.stderr == f"{python} has no venv module; on Debian and Ubuntu the package python3.11-venv brings it.\n"
    )


def test_a_real_python_answers_the_question(tmp_path):
    (tmp_path / "python3.11").symlink_to(sys.executable)
    assert find(tmp_path).stdout == f"{tmp_path / 'python3.11'}\n"
