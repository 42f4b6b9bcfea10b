"""A minimal Debian in a folder, in which nothing of this machine's Python is, and programs that run there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rnnviz.gui.app import QT_LIBRARIES, WAYLAND_LIBRARIES, XCB_LIBRARIES

PERSON = 1000
HOME = "home/person"

_SCREENS = "tmp/.X11-unix"
_ENTER = """
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ -d /tmp/.X11-unix ]; then mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"; fi
"$@" || exit $?
"""
"""Mounts exist only for the program, which has its own namespace, and vanish with it. The shell stays, as
the first process there: when it is killed, all others are."""


def why_not() -> str | None:
    """The reason why this system is unavailable here, in a sentence, or None."""
    if sys.platform != "linux" or not Path("/etc/debian_version").exists():
        return "a clean Debian is made on Debian"
    if os.geteuid() != 0:
        return "a clean Debian is made, and entered, by root"
    missing = [name for name in ("debootstrap", "unshare", "Xvfb", "xdotool", "xclip") if shutil.which(name) is None]
    if missing:
        return f"needs {' '.join(missing)}"
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True)
    return "namespaces cannot be made here" if tried.returncode else None


class CleanSystem:
    """A system below a folder; `make` may run in parallel, and `wait` returns its result."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._maker: subprocess.Popen[str] | None = None

    def make(self) -> None:
        """Begin to make it: the smallest Debian of this machine's release, and what the program says that Qt needs."""
        release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join([*_packages(), 'fonts-dejavu-core'])}"]
        command += [release["VERSION_CODENAME"].strip('"'), str(self.root)]
        self._maker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self) -> None:
        """Until it is there, with the home of a person who is not root."""
        assert self._maker is not None
        said, _ = self._maker.communicate()
        assert self._maker.returncode == 0, said[-2000:]
        (self.root / _SCREENS).mkdir(parents=True)
        home = self.root / HOME
        home.mkdir()
        os.chown(home, PERSON, PERSON)

    def run(self, *command: str, as_root: bool = False, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a network, in the person's home."""
        done = subprocess.run(self._inside(command, as_root, {}), capture_output=True, text=True, timeout=300)
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str, display: str) -> subprocess.Popen[bytes]:
        """Begin a command that opens a window on `display`."""
        return subprocess.Popen(self._inside(command, False, {"DISPLAY": display}), stderr=subprocess.PIPE)

    def files(self) -> set[str]:
        """The path of everything in it, but for what dpkg keeps about itself."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        own = ("var/lib/dpkg/", "var/log/", "var/cache/", "proc/", "dev/", "sys/")
        return {path for path in found if not path.startswith(own)}

    def _inside(self, command: tuple[str, ...], as_root: bool, environ: dict[str, str]) -> list[str]:
        # The kernels of OpenBLAS, and so the last bits of what it computes, are chosen by these.
        blas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
        whole = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": f"/{HOME}", **blas, **environ}
        person = [] if as_root else [f"--userspec={PERSON}:{PERSON}"]
        enter = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", _ENTER, "sh"]
        there = ["chroot", *person, str(self.root), "env", "-i", *(f"{name}={value}" for name, value in whole.items())]
        return [*enter, str(self.root), *there, "sh", "-c", 'cd && exec "$@"', "sh", *command]


def _packages() -> list[str]:
    """The packages that the program names where a library is missing, by the names that they have here."""
    named = sorted({library.debian for library in (*QT_LIBRARIES, *XCB_LIBRARIES, *WAYLAND_LIBRARIES)})
    command = [
        "dpkg-query",
        "--show",
        "--showformat",
        "${Package} ${db:Status-Status}\n",
        *named,
        *(f"{name}t64" for name in named),
    ]
    known = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return [name if f"{name} installed" in known else f"{name}t64" for name in named]
