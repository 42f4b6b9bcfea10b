"""Linux' program files: which of a folder's files they are, and what they need of a system."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from installer.product import call

_MAGIC = b"\x7fELF"

_OPTIONAL = ("platformthemes", "xcbglintegrations", "wayland-graphics-integration-client", "wayland-egl", "WaylandEgl")
"""Parts of Qt that it does without where their libraries are missing: GNOME's file dialogs, and drawing with OpenGL."""


def elf_files(folder: Path) -> Iterator[Path]:
    """The programs and libraries in a folder, each once however many links lead to it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == _MAGIC:
                    yield path


@cache
def dynamic(path: Path) -> tuple[str, ...]:
    """The lines of `objdump -p`."""
    return tuple(call(["objdump", "-p", str(path)], "binutils").splitlines())


def needed(folder: Path) -> set[str]:
    """The names of the libraries that what is in a folder needs and that are not in it."""
    files = [path for path in elf_files(folder) if not any(part in str(path) for part in _OPTIONAL)]
    ours = {path.name for path in folder.rglob("*.so*")}
    wanted = {line.split()[1] for path in files for line in dynamic(path) if line.strip().startswith("NEEDED")}
    return wanted - ours


def glibc(folder: Path) -> str:
    """The oldest release of the C library that has all that the files ask for, such as "2.38"."""
    releases = [
        tuple(map(int, word.removeprefix("GLIBC_").split(".")))
        for path in elf_files(folder)
        for line in dynamic(path)
        for word in line.split()
        if word.startswith("GLIBC_2.")
    ]
    return ".".join(map(str, max(releases, default=(2, 28))))
