"""The wheel, built and run away from the sources."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rnnviz import __version__
from rnnviz.core.extras import EXTRAS
from tests.cli.calls import write
from tests.programs import ended

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment_of(wheel: Path, folder: Path) -> tuple[Path, Path]:
    """The folders of scripts and of packages of a fresh environment in `folder` that holds the wheel alone."""
    venv.create(folder, symlinks=os.name != "nt")
    names = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)}, scheme="venv")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder)]
    install = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=200)
    return Path(names["scripts"]), Path(names["purelib"])


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory):
    """The scripts folder of a fresh environment that holds the built wheel and, of this one, only the dependencies."""
    bin_folder, site = environment_of(wheel, tmp_path_factory.mktemp("wheel"))
    # A folder named in a .pth file is searched for packages, but the .pth files in it are not read. So the dependencies
    # are found, and the project itself, which this file points to, is not.
    here = Path(sysconfig.get_path("purelib"))
    (site / "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
    distutils = here / "distutils-precedence.pth"
    if distutils.exists():
        shutil.copy(distutils, site)
    return bin_folder


def base_distributions() -> list[Distribution]:
    """What pip installs with the wheel without its extras."""
    found, waiting = {}, ["rnnviz"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            wanted = [Requirement(line) for line in found[name].requires or ()]
            waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    del found["rnnviz"]
    return list(found.values())


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """As `scripts`, but of the dependencies those alone that belong to no extra."""
    bin_folder, site = environment_of(wheel, tmp_path_factory.mktemp("base"))
    for package in base_distributions():
        for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (site / top).symlink_to(Path(str(package.locate_file(top))))
    return bin_folder


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there that few have")
def test_the_base_computes_and_names_each_extra_that_is_missing(base, tmp_path):
    here = caller(base, tmp_path)
    model = ROOT / "resources" / "models" / "sample-lstm.safetensors"
    packages = [package for extra in EXTRAS.values() for package in extra]
    code = f"from importlib.util import find_spec; print([name for name in {packages} if find_spec(name)])"
    listed = here("python", "-c", code)
    assert (listed.stdout, listed.stderr) == ("[]\n", "")
    (tmp_path / "sample.toml").write_text(here("rnnviz", "config", "--from", str(model)).stdout, encoding="utf-8")
    engines = "manual,bug:gates-i-f-o-g"
    kinds = {"page": "a.html", "csv": "a.csv", "npz": "a.npz", "notebook": "a.ipynb"}
    written = (f"--{kind}={name}" for kind, name in kinds.items())
    done = here("rnnviz", "run", "sample.toml", "--engines", engines, "--json", "-", *written)
    assert (done.returncode, done.stderr) == (1, "")
    assert all((tmp_path / name).stat().st_size for name in kinds.values())
    assert json.loads(done.stdout)["verdict"] == "disagree"
    assert here("rnnviz", "explain", "sample.toml", "--engines", engines).returncode == 0
    assert here("rnnviz", "doctor").returncode == 0
    window = here("rnnviz")
    assert (window.returncode, len(window.stderr.splitlines())) == (3, 1)
    assert 'pip install "rnnviz[window]"' in window.stderr


def test_the_base_takes_at_most_250_megabytes(wheel):
    files = [Path(str(file.locate())) for package in base_distributions() for file in package.files or ()]
    assert wheel.stat().st_size + sum(path.stat().st_size for path in files if path.is_file()) < 250e6


@pytest.fixture
def run(scripts, tmp_path):
    return caller(scripts, tmp_path)


def caller(scripts: Path, folder: Path) -> Run:
    """A function that runs a script of a fresh environment in a folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ended(scripts / script, *arguments, cwd=folder, env=inherited)

    return run


def test_the_program_and_everything_in_resources_are_in_the_wheel(run, scripts):
    answer = run("python", "-c", "import rnnviz; print(rnnviz.__file__, rnnviz.__version__)")
    file, version = answer.stdout.split()
    assert Path(file).is_relative_to(scripts.parent)
    assert version == __version__
    installed = Path(file).parent / "resources"
    ours = {path.relative_to(ROOT / "resources"): path for path in (ROOT / "resources").rglob("*") if path.is_file()}
    assert ours
    for name, path in ours.items():
        assert (installed / name).read_bytes() == path.read_bytes()


def test_a_config_in_another_folder_runs_and_agrees(run, tmp_path):
    write(tmp_path, "network.toml", network={"num_layers": 2, "bidirectional": True})
    answer = run("rnnviz", "run", "network.toml", "--json", "summary.json", "--csv", "values.csv")
    assert answer.returncode == 0, answer.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["verdict"] == "agree"
    assert summary["elements"] > 0
    rows = (tmp_path / "values.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == summary["elements"] + 1
