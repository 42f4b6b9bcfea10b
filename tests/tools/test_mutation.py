"""The trial of mutants finds what tests do not see, and nothing else."""

import ast
import fnmatch
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.mutation.mutants import PACKAGES, ROOT, Mutant, copied
from tools.mutation.reasons import Reasons


@pytest.mark.nightly
def test_the_copy_has_the_whole_project_and_lists_each_mutants_change(tmp_path):
    mutants = copied(tmp_path, ["rnnviz/core/words.py"])
    assert {mutant.file for mutant in mutants} == {"rnnviz/core/words.py"}
    assert len({mutant.identity for mutant in mutants}) == len(mutants) > 10
    source = (ROOT / "rnnviz/core/words.py").read_text(encoding="utf-8")
    assert all(mutant.before in source and mutant.before != mutant.after for mutant in mutants)
    assert "_mutmut_mutated" in (tmp_path / "rnnviz/core/words.py").read_text(encoding="utf-8")
    unchanged = Path("rnnviz/core/config.py")
    assert (tmp_path / unchanged).read_bytes() == (ROOT / unchanged).read_bytes()


def test_a_reason_applies_to_mutants_that_match_all_its_fields(tmp_path):
    (tmp_path / "x.toml").write_text(
        '[[survivor]]\nfile = "a/*.py"\nfunction = "f"\nchange = "^x -> y$"\nwhy = "same"\n', encoding="utf-8"
    )
    reasons = Reasons(tmp_path)
    assert reasons.of(Mutant("", "a/b.py", "f", "x", "y")) == "same"
    assert reasons.of(Mutant("", "b/b.py", "f", "x", "y")) is None
    assert reasons.of(Mutant("", "a/b.py", "g", "x", "y")) is None
    assert reasons.of(Mutant("", "a/b.py", "f", "x", "yy")) is None


def test_a_reason_is_stale_if_it_fits_no_mutant_of_its_file_or_its_file_is_missing(tmp_path):
    entries = [f'[[survivor]]\nfile = "rnnviz/core/{f}.py"\nbefore = "{b}"\nwhy = "same"\n' for f, b in STALE]
    (tmp_path / "x.toml").write_text("".join(entries), encoding="utf-8")
    stale = Reasons(tmp_path).stale([Mutant("", "rnnviz/core/words.py", "f", "x", "y")])
    assert [(entry["file"], entry["before"]) for entry in stale] == [
        ("rnnviz/core/words.py", "z"),
        ("rnnviz/core/missing.py", "x"),
    ]


STALE = ("words", "x"), ("words", "z"), ("errors", "x"), ("missing", "x")


def functions(path: Path) -> Iterator[str]:
    """The names of the functions and methods of a module, as mutants have them."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{own.name}" for own in node.body if isinstance(own, ast.FunctionDef))


def test_every_accepted_mutant_has_a_reason_and_is_of_a_function_of_a_mutated_package():
    mutated = {
        path.relative_to(ROOT).as_posix(): path
        for package in PACKAGES
        for path in (ROOT / "rnnviz" / package).rglob("*.py")
    }
    for entry in Reasons().entries:
        assert entry["why"], entry
        assert set(entry) > {"why"}, entry
        assert set(entry) <= {"why", "file", "function", "before", "after", "change"}, entry
        files = fnmatch.filter(mutated, entry.get("file", "*"))
        assert files, entry
        assert "function" not in entry or any(
            fnmatch.filter(functions(mutated[file]), entry["function"]) for file in files
        ), entry


@pytest.mark.nightly
def test_mutants_are_killed_by_the_tests_of_their_module_and_not_reached_by_those_of_another(tmp_path):
    def outcomes(*tests):
        results = tmp_path / "results.json"
        command = [sys.executable, "-m", "tools.mutation", "rnnviz/core/engine_spec.py", "--results", str(results)]
        subprocess.run([*command, "--tests", *tests], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        return Counter(outcome for *_, outcome in json.loads(results.read_text(encoding="utf-8")))

    by_its_own = outcomes("tests/core/test_engine_spec.py")
    assert by_its_own["killed"] > 0.8 * by_its_own.total()
    assert by_its_own["unreached"] == 0
    assert set(outcomes("tests/core/test_memory_budget.py")) == {"unreached"}
