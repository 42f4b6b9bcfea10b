"""The RPM package, for Fedora and its relatives."""

import os
import shutil
from pathlib import Path

from installer.elf import glibc, needed
from installer.product import Product, call

# No other package links to the libraries in the bundle; those that it needs are listed here by name.
# rpm's own search would look into every file, and would ask for GTK, which Qt can do without.
_SPEC = """\
Name: rnnviz
Version: {version}
Release: 1
Summary: See and compare every value inside a recurrent network
License: MIT
AutoReqProv: no
{requires}
Recommends: dejavu-sans-fonts
%define _build_id_links none
%define __os_install_post %{{nil}}
%define debug_package %{{nil}}
%define _binary_payload w9.zstdio
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1

%description
rnnviz computes an RNN, LSTM or GRU with several engines, such as MXNet Gluon,
PyTorch, ONNX Runtime and NumPy. It shows every hidden value of every layer,
direction, time step and sample, and compares the engines value by value. It
includes Python, MXNet, ONNX Runtime and Qt, and uses no network.

%files
%defattr(-,root,root,-)
{files}
"""


def make_rpm(prefix: Path, work: Path, product: Product, target: Path) -> None:
    """Write the package of the tree `prefix` (installed as /usr) to `target`."""
    top = work / "rpm"
    shutil.rmtree(top, ignore_errors=True)
    root = top / "root"
    root.mkdir(parents=True)
    shutil.copytree(prefix, root / "usr", symlinks=True, copy_function=os.link)
    spec = top / "rnnviz.spec"
    spec.write_text(
        _SPEC.format(version=product.version, requires=_requires(prefix), files="\n".join(_files(root))),
        encoding="utf-8",
    )
    command = ["rpmbuild", "-bb", "--target", product.machine, "--buildroot", str(root)]
    command += ["--define", f"_topdir {top}", "--define", f"_rpmdir {top / 'made'}", str(spec)]
    # The format's own tools ask for dates in the spec; the time of each file is that of the commit.
    call(command, "rpm", environment={"SOURCE_DATE_EPOCH": str(product.seconds)})
    (made,) = (top / "made").rglob("*.rpm")
    shutil.copyfile(made, target)
    shutil.rmtree(top)


def _requires(prefix: Path) -> str:
    names = sorted(name for name in needed(prefix) if not name.startswith(("ld-linux", "libc.so")))
    lines = [f"Requires: {name}()(64bit)" for name in names]
    return "\n".join([*lines, f"Requires: libc.so.6(GLIBC_{glibc(prefix)})(64bit)"])


def _files(root: Path) -> list[str]:
    """The package's own folders whole, and single files in folders that the system shares."""
    found = ["/usr/lib/rnnviz", "%doc /usr/share/doc/rnnviz"]
    for path in sorted((root / "usr").rglob("*")):
        name = f"/{path.relative_to(root)}"
        if (path.is_file() or path.is_symlink()) and not name.startswith(
            ("/usr/lib/rnnviz/", "/usr/share/doc/rnnviz/")
        ):
            found.append(name)
    return found
