"""The archive that is unpacked anywhere."""

import gzip
import io
import tarfile
from pathlib import Path

from installer.elf import glibc, needed
from installer.product import Product

_README = """\
rnnviz {version} for Linux on {machine}

    bin/rnnviz              opens the window
    bin/rnnviz --help       the command line

It runs from any folder. To add it to your menu and your shell, copy it into your home:

    cp -r bin lib share ~/.local/

To remove it again, delete ~/.local/bin/rnnviz, ~/.local/lib/rnnviz and what was copied into ~/.local/share.

It needs glibc {glibc} or newer and these libraries, which desktop systems have. The program names the packages of
missing ones:

{libraries}

share/doc/rnnviz contains a list of the contents, and the licenses.
"""


def make_tarball(prefix: Path, product: Product, target: Path) -> None:
    """Write the tree `prefix`, in a folder of its own, to `target`; the same tree gives the same bytes."""
    top = f"rnnviz-{product.version}"
    libraries = "\n".join(f"    {name}" for name in sorted(needed(prefix)))
    words = {"version": product.version, "machine": product.machine, "glibc": glibc(prefix), "libraries": libraries}
    readme = _README.format(**words).encode()
    note = tarfile.TarInfo(f"{top}/README")
    note.size, note.mode = len(readme), 0o644

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = product.seconds
        return entry

    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path in [prefix, *sorted(prefix.rglob("*"))]:
            archive.add(path, f"{top}/{path.relative_to(prefix)}".removesuffix("/."), recursive=False, filter=plain)
        archive.addfile(plain(note), io.BytesIO(readme))
