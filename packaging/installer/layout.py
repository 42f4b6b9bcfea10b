"""The tree that is installed: what goes where below /usr."""

import gzip
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from installer.licenses import copy_licences
from installer.product import ROOT, Product, call

PROGRAM = Path("lib/rnnviz")
DOCUMENTS = Path("share/doc/rnnviz")


def lay(bundle: Path, prefix: Path, product: Product, system_libraries: Iterable[Path]) -> None:
    """Fill `prefix`, which will be /usr and does not exist yet, and set every file's mode."""
    program = prefix / PROGRAM
    program.parent.mkdir(parents=True)
    bundle.rename(program)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "rnnviz").symlink_to(Path("..") / PROGRAM / "rnnviz")

    script = str(ROOT / "packaging" / "linux" / "desktop_files.py")
    call([sys.executable, script, str(prefix)], "python3", environment={"SOURCE_DATE_EPOCH": str(product.seconds)})

    documents = prefix / DOCUMENTS
    copy_licences(documents / "licenses", system_libraries)
    shutil.copyfile(ROOT / "README.md", documents / "README.md")
    changes = gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0)
    (documents / "changelog.gz").write_bytes(changes)
    _set_modes(prefix)


def _set_modes(prefix: Path) -> None:
    """Readable by all and written by the owner alone; the program may be run, and libraries need not be."""
    prefix.chmod(0o755)
    for path in prefix.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent == prefix / PROGRAM else 0o644)
