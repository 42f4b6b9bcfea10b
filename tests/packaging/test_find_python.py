"""The choice of a Python for the virtual environment, on simulated systems."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ended

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the script is for make, on systems with a shell")


TOO_NEW = "The engine gluon is left out: {}/%s is too new for MXNet, which needs Python 3.11 or 3.12.\n"
NONE = "rnnviz needs Python 3.11, 3.12, 3.13 or 3.14, and none of them was found to run.\n"
NO_VENV = "{}/a/python3.11 has no venv module; on Debian and Ubuntu the package python3.11-venv brings it.\n"
# The answers of the Pythons on the PATH to the script's question, as exit codes; the one that is chosen, and the note.
CHOICES: dict[str, tuple[dict[str, int], str, str]] = {
    "3.11 before 3.12": ({"a/python3.12": 0, "b/python3.11": 0}, "b/python3.11", ""),
    "one with gluon": ({"a/python3.13": 5, "b/python3.12": 0}, "b/python3.12", ""),
    "one with gluon by another name": ({"a/python3.13": 5, "b/python3": 0}, "b/python3", ""),
    **{
        f"{name} without gluon": ({"a/python3.12": 4, f"a/{name}": 5}, f"a/{name}", TOO_NEW % f"a/{name}")
        for name in ("python3.13", "python3.14", "python3")
    },
    "one that runs": ({"a/python3.11": 127, "a/python3.12": 127, "b/python3.12": 0}, "b/python3.12", ""),
    "none": ({}, "", NONE),
    "another version": ({"a/python3": 3}, "", NONE),
    "one without venv": ({"a/python3.11": 4}, "", NO_VENV),
}


def find(*folders: Path) -> subprocess.CompletedProcess[str]:
    return ended("/bin/sh", ROOT / "packaging" / "find-python", env={"PATH": ":".join(map(str, folders))})


@pytest.mark.parametrize(("there", "wanted", "note"), CHOICES.values(), ids=CHOICES)
def test_a_python_with_gluon_is_preferred_and_what_is_missing_is_a_sentence(tmp_path, there, wanted, note):
    for name, exit_code in there.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {exit_code}\n", encoding="utf-8")
        path.chmod(0o755)
    answer = find(tmp_path / "a", tmp_path / "b")
    assert answer.stdout == (f"{tmp_path / wanted}\n" if wanted else "")
    assert (answer.returncode, answer.stderr) == (0 if wanted else 1, note.format(tmp_path))


def test_a_real_python_answers_the_question(tmp_path):
    (tmp_path / "python3.11").symlink_to(sys.executable)
    assert find(tmp_path).stdout == f"{tmp_path / 'python3.11'}\n"
