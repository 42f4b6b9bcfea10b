"""The wheel, built and run away from the sources."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a fresh environment that holds the built wheel and, of this one, only the dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=200)
    (wheel,) = (folder / "dist").iterdir()

    environment = folder / "environment"
    venv.create(environment, symlinks=os.name != "nt")
    names = sysconfig.get_paths(vars={"base": str(environment), "platbase": str(environment)}, scheme="venv")
    bin_folder, site = Path(names["scripts"]), Path(names["purelib"])
    install = [*pip, "--python", str(environment), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=200)

    # A folder named in a .pth file is searched for packages, but the .pth files in it are not read. So the dependencies
    # are found, and the project itself, which this file points to, is not.
    here = Path(sysconfig.get_path("purelib"))
    (site / "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
    distutils = here / "distutils-precedence.pth"
    if distutils.exists():
        shutil.copy(distutils, site)
    return bin_folder


@pytest.fixture
def run(scripts: Path, tmp_path: Path) -> Run:
    """Runs a script of the fresh environment in a separate folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(scripts / script), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=inherited, capture_output=True, text=True, timeout=120)

    return run


def test_the_program_is_imported_from_the_wheel(run: Run, scripts: Path) -> None:
    answer = run("python", "-c", "import rnnviz; print(rnnviz.__file__, rnnviz.__version__)")
    file, version = answer.stdout.split()
    assert Path(file).is_relative_to(scripts.parent)
    assert version == __import__("rnnviz").__version__


def test_everything_in_resources_is_in_the_wheel(run: Run) -> None:
    answer = run("python", "-c", "from importlib.resources import files; print(files('rnnviz') / 'resources')")
    installed = Path(answer.stdout.strip())
    ours = {path.relative_to(ROOT / "resources"): path for path in (ROOT / "resources").rglob("*") if path.is_file()}
    assert ours
    for name, path in ours.items():
        assert (installed / name).read_bytes() == path.read_bytes()


def test_lessons_are_listed_and_every_one_is_printed(run: Run) -> None:
    listing = run("rnnviz", "config")
    assert listing.returncode == 0, listing.stderr
    lessons = sorted((ROOT / "resources" / "lessons").glob("*.toml"))
    assert len(lessons) >= 6
    for lesson in lessons:
        assert lesson.stem in listing.stdout
        answer = run("rnnviz", "config", lesson.stem)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == lesson.read_text(encoding="utf-8")


def test_a_config_in_another_folder_runs_and_agrees(run: Run, tmp_path: Path) -> None:
    (tmp_path / "network.toml").write_text(
        '[network]\ncell = "lstm"\ninput_size = 3\nhidden_size = 4\nnum_layers = 2\nbidirectional = true\n',
        encoding="utf-8",
    )
    answer = run("rnnviz", "run", "network.toml", "--json", "summary.json", "--csv", "values.csv")
    assert answer.returncode == 0, answer.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["verdict"] == "agree"
    assert summary["elements"] > 0
    rows = (tmp_path / "values.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == summary["elements"] + 1


def test_a_wrong_config_ends_with_2_and_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "network.toml").write_text('[network]\ncell = "lstn"\n', encoding="utf-8")
    answer = run("rnnviz", "run", "network.toml")
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert "lstn" in answer.stderr
