"""Skipped tests: which reasons are accepted where every skip has to be justified."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import missing, must_not_skip, needs

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("Skipped: needs no_such_package", False),
        ("needs libno_such.so.1 libno_such_either.so", False),
        ("Skipped: could not import 'a.b': No module named 'no_such_package'", False),
        ("Skipped: no case: onnx has no projections", False),
        ("Skipped: a small disk cannot be mounted: permission denied", False),
        ("needs pytest", True),
        ("Skipped: needs pytest numpy", True),
        ("Skipped: could not import 'a.b': No module named 'numpy.no_such_module'", True),
        ("numpy is not installed", True),
        ("unconditional skip", True),
    ],
)
def test_a_skip_is_refused_unless_what_it_names_is_missing(reason: str, refused: bool) -> None:
    assert must_not_skip(reason) is refused


def test_what_is_missing_is_named_and_skips_a_test() -> None:
    assert missing("no_such_package") == ("no_such_package",)
    assert missing("libno_such.so.1") == ("libno_such.so.1",)
    assert missing("numpy") == ()
    assert needs("numpy").mark.args == (False,)
    mark = needs("numpy", "no_such_package").mark
    assert (mark.args, mark.kwargs) == ((True,), {"reason": "needs no_such_package"})


REFUSED = """
import pytest
from tests.needs import needs

@needs("no_such_package")
def test_one(): ...

@pytest.mark.skipif(%s, reason="no reason")
def test_other(): ...

def test_third(): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("skipped", [False, True])
def test_a_run_that_skipped_without_a_reason_fails(skipped: bool, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(REFUSED % skipped, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "tests.conftest"]
    done = subprocess.run([*command, "--refuse-skips", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == skipped, done.stdout
    assert ("test_other: Skipped: no reason" in done.stdout) is skipped
    assert "test_one" not in done.stdout
