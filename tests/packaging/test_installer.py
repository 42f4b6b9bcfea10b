"""The installers, made once, and the .deb on a system that has nothing of what made it."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from time import monotonic

import pytest
from PySide6.QtGui import QImage

from rnnviz import __version__
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs
from tests.packaging.clean_system import HOME, CleanSystem, why_not

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
LESSON = "bidirectional"
_PLACE = ("layer", "direction", "timestep", "sample", "unit")

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the installers are for Linux"),
    needs("rpmbuild"),
]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The clean system, made while the installers are."""
    system = CleanSystem(tmp_path_factory.mktemp("clean") / "root")
    if why_not() is None:
        system.make()
    yield system
    shutil.rmtree(system.root, ignore_errors=True)


@pytest.fixture(scope="module")
def made(clean):
    """The files that `make installer` leaves in `dist`, by kind."""
    shutil.rmtree(DIST, ignore_errors=True)
    environ = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "installer"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    endings = (".deb", ".rpm", ".tar.gz", ".cdx.json", "SHA256SUMS")
    found = {ending: [path for path in DIST.iterdir() if path.name.endswith(ending)] for ending in endings}
    assert all(len(paths) == 1 for paths in found.values()), found
    return {ending: path for ending, (path,) in found.items()}


@pytest.fixture(scope="module")
def installed(made, clean):
    """The clean system with the .deb installed; its teardown holds that removing it leaves no trace."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    clean.wait()
    before = clean.files()
    assert not [path for path in before if path.rpartition("/")[2].startswith("python3")], "Python is there already"
    package = clean.root / "root" / made[".deb"].name
    shutil.copyfile(made[".deb"], package)
    clean.run("dpkg", "--install", f"/root/{package.name}", as_root=True)
    package.unlink()
    yield clean

    clean.run("dpkg", "--purge", "rnnviz", as_root=True)
    # The person's own: what the tests wrote, settings, and what the system's fontconfig keeps for every program.
    own = r"(lesson.toml|values.csv|picture.png|\.cache(/fontconfig.*)?|\.(config|local)(/(share|state))?(/rnnviz.*)?)"
    assert not [path for path in clean.files() - before if not re.fullmatch(f"{HOME}/{own}", path)]


@pytest.fixture(scope="module")
def lesson(installed):
    """A lesson's config in the person's home, as the installed program prints it."""
    path = installed.root / HOME / "lesson.toml"
    path.write_text(installed.run("rnnviz", "config", LESSON).stdout, encoding="utf-8")
    return path


_EXPORTS = ("--csv", "values.csv", "--png", "picture.png", "--quiet")


@pytest.fixture(scope="module")
def exported(installed, lesson):
    """The person's home, with what the installed program exported of the lesson's run."""
    installed.run("rnnviz", "run", lesson.name, *_EXPORTS)
    return installed.root / HOME


def test_the_checksums_are_those_of_the_files(made):
    listed = dict(reversed(line.split()) for line in made["SHA256SUMS"].read_text().splitlines())
    assert set(listed) == {path.name for path in made.values()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        with (DIST / name).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == digest, name


def test_the_bill_of_materials_lists_every_package_with_its_version_and_licence(made):
    bill = json.loads(made[".cdx.json"].read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    parts = {part["name"]: part for part in bill["components"]}
    assert {"mxnet", "numpy", "orjson", "onnx", "onnxruntime", "pyside6-essentials", "qt", "cpython", "inter"} <= set(
        parts
    )
    assert all(part.get("licenses") for part in parts.values() if part["type"] != "file")
    assert "inter" in parts
    assert parts["mxnet"]["purl"] == "pkg:pypi/mxnet@1.9.1"
    assert not {"torch", "pytest", "distributed"} & set(parts)


def test_the_archive_holds_the_licence_of_every_part_and_nothing_unused(made):
    with tarfile.open(made[".tar.gz"]) as archive:
        names = archive.getnames()
    texts = ("mxnet/LICENSE", "pyside6-essentials/LGPL-3.0.txt", "python/LICENSE.txt", "numpy/LICENSE.txt")
    for part in (*texts, "fonts/LICENSE"):
        assert f"rnnviz-{__version__}/share/doc/rnnviz/licenses/{part}" in names
    unused = ("torch/", "translations", "Qt6Network", "Qt6Pdf", "WebEngine", "/tests/", "libcrypto")
    assert not [name for name in names if name.endswith((".h", ".pyi")) or any(word in name for word in unused)]


def test_the_rpm_names_its_requirements_and_puts_the_program_on_the_path(made):
    def query(what):
        command = ["rpm", "--query", f"--{what}", "--package", str(made[".rpm"])]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    assert {"/usr/bin/rnnviz", "/usr/lib/rnnviz/rnnviz", "/usr/share/applications/rnnviz.desktop"} <= set(query("list"))
    assert "libxcb-cursor.so.0()(64bit)" in query("requires")
    assert not [line for line in query("requires") if "gtk" in line]


def test_doctor_finds_its_engines_on_the_clean_system(installed):
    said = installed.run("rnnviz", "doctor").stdout
    assert f"rnnviz: {__version__}" in said
    for engine in ("gluon", "manual", "onnx"):
        assert f"  {engine}: available" in said


def test_an_installed_run_writes_the_same_files_as_the_source_tree(exported, lesson, tmp_path):
    # Only the fonts that the clean system has, so that the pictures can be the same.
    fonts = tmp_path / "fonts.conf"
    folder = "/usr/share/fonts/truetype/dejavu"
    fonts.write_text(
        f"<fontconfig><dir>{folder}</dir><cachedir>{tmp_path}</cachedir>"
        "<include>/etc/fonts/conf.d</include></fontconfig>"
    )
    command = [sys.executable, "-m", "rnnviz", "run", str(lesson), *_EXPORTS]
    environ = {**os.environ, "FONTCONFIG_FILE": str(fonts), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=120)
    assert (exported / "values.csv").read_bytes() == (tmp_path / "values.csv").read_bytes()
    theirs, ours = QImage(str(exported / "picture.png")), QImage(str(tmp_path / "picture.png"))
    assert not ours.isNull()
    assert theirs.convertToFormat(QImage.Format.Format_RGB32) == ours.convertToFormat(QImage.Format.Format_RGB32)


def test_the_window_opens_there_runs_the_lesson_and_obeys(installed, exported):
    with virtual_screen("1280x800x24") as display:
        window = installed.start("rnnviz", "lesson.toml", display=display)
        try:
            environ = {**os.environ, "DISPLAY": display}

            def press(*words):
                done = subprocess.run(["xdotool", *words], env=environ, capture_output=True, text=True, timeout=90)
                return done.stdout.strip()

            def copied():
                press("key", "ctrl+c")
                command = ["timeout", "2", "xclip", "-out", "-selection", "clipboard"]
                return subprocess.run(command, env=environ, capture_output=True, text=True).stdout.splitlines()

            # A search fails if any window closes meanwhile.
            end, found = monotonic() + 60, list[str]()
            while not found and monotonic() < end:
                found = press("search", "--sync", "--onlyvisible", "--name", "lesson.toml").splitlines()
            press("windowfocus", "--sync", found[0])
            end, first = monotonic() + 60, copied()
            # The keyboard begins in the lanes: they copy a table with a column for each time step.
            while not (first and {"t=0", "t=1"} <= set(first[0].split("\t"))) and monotonic() < end:
                first = copied()
            # Then the arithmetic, in one of the next panes.
            second = first
            while not (second and set(_PLACE) <= set(second[0].split("\t"))) and monotonic() < end:
                press("key", "F6")
                second = copied()
            place, shown = _copied(second)
            with (exported / "values.csv").open(encoding="utf-8") as file:
                (row,) = (row for row in csv.DictReader(file) if tuple(row[name] for name in _PLACE) == place)
            assert shown == {name: float(row[name]) for name in ("gluon", "manual")}
            press("key", "ctrl+q")
            assert window.wait(30) == 0
            assert window.stderr is not None
            assert window.stderr.read() == b""
        finally:
            if window.poll() is None:
                window.kill()
                window.wait()
            if window.stderr is not None:
                window.stderr.close()


def _copied(lines: list[str]) -> tuple[tuple[str, ...], dict[str, float]]:
    """The place that the arithmetic is about and each engine's value there, from what its view copies."""
    rows = list(csv.DictReader(lines, delimiter="\t"))
    return tuple(rows[0][name] for name in _PLACE), {row["engine"]: float(row["value"]) for row in rows}
