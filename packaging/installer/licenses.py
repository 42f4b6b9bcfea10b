"""The license texts of everything in a bundle, a folder for each package."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from installer.distributions import distributions
from installer.product import ROOT

_TEXT = re.compile(r"(licen[cs]e|copying|notice|thirdpartynotices|authors)", re.IGNORECASE)
_CODE = (".py", ".pyc", ".pyi", ".so", ".h", ".json")
_OURS = ROOT / "packaging" / "licenses"


def copy_licences(target: Path, system_libraries: Iterable[Path]) -> None:
    """Put every text below `target`; the build ends with a sentence if a package has none.

    `system_libraries` are the libraries of the building system that the bundle holds.
    """
    packages = {**distributions(), "pyinstaller": distribution("pyinstaller")}
    bare = [name for name, package in packages.items() if not _copy_package(name, package, target / name)]
    if bare:
        sys.exit(f"No license text was found for {', '.join(bare)}: put one into packaging/licenses/NAME.")
    _copy(_python_licence(), target / "python")
    _copy(ROOT / "resources" / "fonts" / "LICENSE", target / "fonts")
    for name, text in _debian_texts(system_libraries):
        _copy(text, target / name)
    shutil.copy(ROOT / "LICENSE", target.parent / "LICENSE")


def _copy_package(name: str, package: Distribution, target: Path) -> bool:
    texts = [Path(str(package.locate_file(file))) for file in package.files or [] if _is_text(Path(str(file)))]
    texts += sorted(path for path in (_OURS / name).glob("*") if path.is_file())
    for text in texts:
        _copy(text, target)
    return bool(texts)


def _is_text(path: Path) -> bool:
    # Tools that a package holds for its own build are in its folder _vendor, and not in the bundle.
    return bool(_TEXT.search(path.name)) and path.suffix not in _CODE and "_vendor" not in path.parts


def _copy(text: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    place = target / text.name
    # Two folders of a package may each have a LICENSE.
    if place.exists() and place.read_bytes() != text.read_bytes():
        place = target / f"{text.parent.name}-{text.name}"
    shutil.copyfile(text, place)


def _python_licence() -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    places = [
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
        Path(f"/usr/share/doc/python{version}/copyright"),
        Path(f"/usr/share/doc/python{version}-minimal/copyright"),
    ]
    for place in places:
        if place.is_file():
            return place
    sys.exit(f"Python's license is in none of {', '.join(map(str, places))}.")


def _debian_texts(libraries: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The package that each library comes from, with its copyright file."""
    for library in libraries:
        package = debian_package(library)
        text = Path(f"/usr/share/doc/{package}/copyright")
        if package is None or not text.is_file():
            sys.exit(f"The license of {library} was not found: its package should have a file copyright.")
        yield package, text


def debian_package(library: Path) -> str | None:
    """The Debian package that a library of the system is from, or None where dpkg does not know."""
    for path in (library, library.resolve(), Path("/usr") / library.resolve().relative_to("/")):
        try:
            done = subprocess.run(["dpkg", "-S", str(path)], capture_output=True, text=True)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None
