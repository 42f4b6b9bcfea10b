"""The bundle: the program with Python and all that it imports, as one folder, made by PyInstaller."""

import os
import subprocess
import sys
from pathlib import Path

from installer.product import ROOT


def make_bundle(work: Path) -> Path:
    """The folder of the bundle, made anew in `work`; PyInstaller's own log is beside it."""
    log = work / "pyinstaller.log"
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "INFO"]
    command += ["--distpath", str(work / "bundle"), "--workpath", str(work / "pyinstaller")]
    command += [str(ROOT / "packaging" / "rnnviz.spec")]
    # The same order of sets in every build, so that the same sources give the same archive of modules.
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environ).returncode
    if code:
        tail = log.read_text(encoding="utf-8").splitlines()[-15:]
        sys.exit("\n".join(["PyInstaller failed:", *tail, f"The whole of it is in {log}."]))
    return work / "bundle" / "rnnviz"
