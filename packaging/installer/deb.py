"""The package for Debian and Ubuntu."""

import hashlib
import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path

from installer.elf import glibc, needed
from installer.licenses import debian_package
from installer.product import Product, call

_CONTROL = """\
Package: rnnviz
Version: {version}
Section: science
Priority: optional
Architecture: {architecture}
Depends: {depends}
Recommends: fonts-dejavu-core
Suggests: libgtk-3-0t64 | libgtk-3-0
Installed-Size: {kilobytes}
Maintainer: rnnviz contributors <rnnviz@localhost>
Description: inspect and compare every value inside a recurrent network
 rnnviz computes an RNN, LSTM or GRU with several engines, such as MXNet Gluon,
 PyTorch, ONNX Runtime and NumPy. It shows every hidden value of every layer,
 direction, time step and sample, and compares the engines value by value.
 .
 It includes Python, MXNet, ONNX Runtime and Qt, and uses no network.
"""

_COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: rnnviz

Files: *
Copyright: rnnviz contributors
License: Expat
{license}
Comment: The folder /usr/lib/rnnviz contains other programs and libraries, each
 under the license in /usr/share/doc/rnnviz/licenses.
"""


def make_deb(prefix: Path, work: Path, product: Product, target: Path) -> None:
    """Write the package of the tree `prefix` (installed as /usr) to `target`.

    Menus, icons, MIME types and manual pages are indexed by triggers of the system's own packages, so that nothing is
    run when it is installed or removed.
    """
    root = work / "deb"
    shutil.rmtree(root, ignore_errors=True)
    (root / "DEBIAN").mkdir(parents=True)
    shutil.copytree(prefix, root / "usr", symlinks=True, copy_function=os.link)
    copyright_file = root / "usr" / "share" / "doc" / "rnnviz" / "copyright"
    text = (prefix / "share/doc/rnnviz/LICENSE").read_text(encoding="utf-8")
    body = "\n".join(f" {line}" if line else " ." for line in text.strip().splitlines())
    copyright_file.write_text(_COPYRIGHT.format(license=body), encoding="utf-8")

    files = sorted(path for path in (root / "usr").rglob("*") if path.is_file() and not path.is_symlink())
    control = _CONTROL.format(
        version=product.version,
        architecture=product.debian_architecture,
        depends=depends(prefix),
        kilobytes=sum(path.stat().st_size for path in files) // 1024,
    )
    (root / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    sums = "".join(f"{_md5(path)}  {path.relative_to(root)}\n" for path in files)
    (root / "DEBIAN" / "md5sums").write_text(sums, encoding="utf-8")
    epoch = {"SOURCE_DATE_EPOCH": str(product.seconds)}
    command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", str(root), str(target)]
    call(command, "dpkg", environment=epoch)
    shutil.rmtree(root)


def depends(prefix: Path) -> str:
    """The packages that bring the libraries which the tree's files link to.

    Only the C library has a version: what is newer in the others than in the oldest system that has this one, the
    bundle does not ask for.
    """
    packages = set()
    for name in needed(prefix):
        library = _libraries().get(name)
        package = library and debian_package(library)
        if not package:
            sys.exit(
                f"The package of {name} was not found: install the packages that .ci/run lists, on Debian or Ubuntu."
            )
        # Debian gave libraries new names when their times became wider; systems from before have the old ones.
        packages.add(f"{package} | {package.removesuffix('t64')}" if package.endswith("t64") else package)
    packages.discard("libc6")
    return ", ".join([f"libc6 (>= {glibc(prefix)})", *sorted(packages)])


@cache
def _libraries() -> dict[str, Path]:
    """The libraries of the building system by name, for its own kind of machine."""
    lines = call(["/sbin/ldconfig", "-p"], "libc-bin").splitlines()[1:]
    kind = {"x86_64": "x86-64", "aarch64": "AArch64"}.get(platform.machine(), platform.machine())
    found = [line.split() for line in lines if kind in line]
    return {words[0]: Path(words[-1]) for words in found}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
