"""A copy of the project in which every function also has its mutants: versions of it that are wrong in one place.

mutmut makes them, all of a file at once; the one whose name is in MUTANT_UNDER_TEST is called instead of the function.
It leaves alone what is decorated, but for static and class methods, and what runs as a module is imported.
"""

import difflib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mutmut.utils.format_utils import mangled_name_from_mutant_name, orig_function_and_class_names_from_key

if TYPE_CHECKING:
    from mutmut.mutation.file_mutation import MutatedFile

ROOT = Path(__file__).parents[2]
PACKAGES = ("cells", "core", "engines", "steps", "verify")
"""Mutated packages of rnnviz."""


@dataclass(frozen=True)
class Mutant:
    """One change of one function: the lines that it takes out, and those that it puts there."""

    name: str
    """The value of MUTANT_UNDER_TEST."""
    file: str
    function: str
    before: str
    after: str

    @property
    def mangled(self) -> str:
        """mutmut's name of the function, by which its calls are counted."""
        return mangled_name_from_mutant_name(self.name)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """The identity of the mutant, stable when a function before it changes."""
        return (self.file, self.function, self.before, self.after)


def copied(folder: Path, paths: Iterable[str] = ()) -> list[Mutant]:
    """Copy what git knows of the project into an empty folder, its sources with mutants; all of them, in their order.

    `paths` are files or folders as they are named from the project's root, and all of `PACKAGES` without.
    """
    from mutmut.mutation.file_mutation import mutate_file_contents

    named = [ROOT / path for path in paths] or [ROOT / "rnnviz" / package for package in PACKAGES]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    mutants: list[Mutant] = []
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".py" and any(source.is_relative_to(place) for place in named):
            mutated = mutate_file_contents(name, source.read_text(encoding="utf-8"))
            target.write_text(mutated.code, encoding="utf-8")
            mutants += _mutants(name, mutated)
        else:
            shutil.copy2(source, target)
    return mutants


def _mutants(file: str, mutated: "MutatedFile") -> list[Mutant]:
    module = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    lines = mutated.code.splitlines()

    def written(name: str) -> list[str]:
        span = mutated.line_span_by_function_name[name]
        # The first lines have the name, which differs in every mutant.
        return [line.replace(name, "_") for line in lines[span.start - 1 : span.end]]

    mutants = []
    for name in mutated.mutant_names:
        original = mangled_name_from_mutant_name(name) + "__mutmut_orig"
        function, in_class = orig_function_and_class_names_from_key(name)
        before, after = _changed(written(original), written(name))
        mutants.append(
            Mutant(f"{module}.{name}", file, f"{in_class}.{function}" if in_class else function, before, after)
        )
    return mutants


def _changed(original: Sequence[str], mutant: Sequence[str]) -> tuple[str, str]:
    # ndiff takes long, and a mutant has few other lines.
    first = _alike(original, mutant)
    last = _alike(original[:first:-1], mutant[:first:-1])
    changes = list(difflib.ndiff(original[first : len(original) - last], mutant[first : len(mutant) - last]))
    return tuple(" ".join(line[2:].strip() for line in changes if line.startswith(sign)) for sign in ("- ", "+ "))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """The number of first lines that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
