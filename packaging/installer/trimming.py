"""What a program does not read when it runs: the names in its libraries that only a debugger asks for."""

from pathlib import Path

from installer.elf import elf_files
from installer.product import call

# Their sections were moved by the tool that put them into a wheel, which strip may not survive, and little is in them.
_LEFT = (".libs",)


def trim(bundle: Path) -> int:
    """Strip the libraries that have such names, and return how many bytes that saved."""
    files = [path for path in elf_files(bundle) if not any(part.endswith(_LEFT) for part in path.parts)]
    before = sum(path.stat().st_size for path in files)
    for path in files:
        # PyInstaller's own program carries its archive in a section.
        if path.parent != bundle:
            call(["strip", "--strip-unneeded", str(path)], "binutils")
    return before - sum(path.stat().st_size for path in files)
