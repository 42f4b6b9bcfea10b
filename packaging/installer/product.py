"""What is made: its name, version, machine and time, and the files in `dist`."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rnnviz import __version__

ROOT = Path(__file__).parents[2]

_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Product:
    """One version of the program for one kind of machine."""

    version: str = __version__
    machine: str = platform.machine()

    @property
    def debian_architecture(self) -> str:
        """Debian's name of the machine, such as amd64."""
        return _DEBIAN.get(self.machine, self.machine)

    @property
    def deb(self) -> str:
        """The file name of the package for Debian and Ubuntu."""
        return f"rnnviz_{self.version}_{self.debian_architecture}.deb"

    @property
    def rpm(self) -> str:
        """The file name of the package for Fedora and its kin."""
        return f"rnnviz-{self.version}-1.{self.machine}.rpm"

    @property
    def tarball(self) -> str:
        """The file name of the archive that is unpacked anywhere."""
        return f"rnnviz-{self.version}-linux-{self.machine}.tar.gz"

    @property
    def bill_of_materials(self) -> str:
        """The file name of the list of what the packages hold, in CycloneDX's JSON."""
        return f"rnnviz-{self.version}.cdx.json"

    @cached_property
    def seconds(self) -> int:
        """When it was made, since 1970: SOURCE_DATE_EPOCH, or the time of the last commit, to be made again."""
        if "SOURCE_DATE_EPOCH" in os.environ:
            return int(os.environ["SOURCE_DATE_EPOCH"])
        command = ["git", "log", "-1", "--format=%ct"]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            return int(done.stdout)
        except (OSError, subprocess.CalledProcessError, ValueError):
            return int(Path(__file__).stat().st_mtime)


def call(command: list[str], missing: str, folder: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """The standard output of a tool. If it is not there, or fails, the build ends with a sentence.

    `missing` is the Debian package that brings it.
    """
    environ = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environ)
    except FileNotFoundError:
        sys.exit(f"make installer needs {command[0]}, which is not here: install {missing} (Debian, Ubuntu).")
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} … failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
