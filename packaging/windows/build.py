"""Makes the installer for Windows: python packaging/windows/build.py [DIST]

It runs on Windows with Python 3.11 to 3.14 and Inno Setup 6. MXNet has no wheel for Windows: the lock leaves it out,
and ONNX Runtime is the reference of what is built.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "windows"
SCRIPT = Path(__file__).with_name("rnnviz.iss")
_ENDINGS = (
    "from rnnviz.core.model_formats import FORMATS; "
    "print(*(ending for known in FORMATS if known.media for ending in known.endings))"
)


def main(dist: Path) -> Path:
    """Make everything anew, and return the path of the installer; ends the build with a sentence if it fails."""
    if platform.system() != "Windows":
        sys.exit(f"packaging/windows/build.py makes an installer for Windows, on Windows: this is {platform.system()}.")
    compiler = inno_setup()
    shutil.rmtree(WORK, ignore_errors=True)
    environment = WORK / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "Scripts" / "python.exe"
    packaging = ROOT / "packaging"
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
    ]
    run(*pip, "-r", packaging / "requirements-build.txt")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (packaging, ROOT)))
    version = run(python, "-c", "import rnnviz; print(rnnviz.__version__)").strip()
    run(python, packaging / "program_icon.py", WORK / "rnnviz.ico")
    endings = run(python, "-c", _ENDINGS).split()
    (WORK / "model-files.iss").write_text("".join(map(supported_type, endings)), encoding="utf-8")
    places: list[str | Path] = ["--distpath", WORK / "bundle", "--workpath", WORK / "pyinstaller"]
    run(python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *places, packaging / "rnnviz.spec")
    print(run(WORK / "bundle" / "rnnviz" / "rnnviz.exe", "doctor"))
    run(compiler, "/Qp", f"/DVersion={version}", f"/O{dist.absolute()}", SCRIPT)
    installer = dist / f"rnnviz-{version}-windows-x64.exe"
    digest = hashlib.sha256(installer.read_bytes()).hexdigest()
    installer.with_suffix(".exe.sha256").write_text(f"{digest}  {installer.name}\n", encoding="utf-8")
    return installer


def supported_type(ending: str) -> str:
    """The line of the installer's script that offers the program for files with an ending."""
    key = r"Software\Classes\Applications\rnnvizw.exe\SupportedTypes"
    return f'Root: HKA; Subkey: "{key}"; ValueType: string; ValueName: "{ending}"; ValueData: ""\n'


def inno_setup() -> str:
    """The compiler of Inno Setup: on the path, or where its installer puts it."""
    usual = Path(os.environ.get("PROGRAMFILES(X86)", "C:/Program Files (x86)"), "Inno Setup 6", "ISCC.exe")
    found = shutil.which("iscc") or (str(usual) if usual.is_file() else None)
    if found is None:
        sys.exit("packaging/windows/build.py needs Inno Setup 6, which is not installed: get it from jrsoftware.org.")
    return found


def run(*command: str | Path) -> str:
    """What a command prints; ends the build with its errors if it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed with exit code {done.returncode}.\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"))
