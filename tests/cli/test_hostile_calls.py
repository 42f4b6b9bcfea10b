"""Calls that no one should make: each ends with an exit code of the contract, one sentence and every file."""

import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from tests.cases import cases
from tests.cli.calls import WRONG
from tests.cli.test_cli_program import ROOT
from tests.programs import ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the lines are for a shell on Linux")

CODES = {0, 1, 2, 3, 130, 143}
LINES = cases(__file__)
# The engines are named: where MXNet is missing, another line would say that the default one is not the reference.
NETWORK = cases(__file__)["network"]


@pytest.fixture
def folder(tmp_path):
    """Files that are called names, and a private folder for temporary ones."""
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (tmp_path / "temporary").mkdir()
    rng = np.random.default_rng(0)
    sizes = {"i2h_weight": (12, 3), "h2h_weight": (12, 4), "i2h_bias": (12,), "h2h_bias": (12,)}
    np.savez(place / "w.npz", **{f"l0_{name}": rng.normal(size=size).astype("f4") for name, size in sizes.items()})
    texts = {
        "c.toml": NETWORK,
        "mark.toml": f"\ufeff{NETWORK}",
        "weights.toml": f'{NETWORK}[parameters]\npath = "w.npz"\n',
        "s.toml": f"{NETWORK}[grid]\nsequence.timesteps = [1, 2]\n",
        "dots.toml": "a." * 100_000 + "a = 1",
        "deep.toml": "a = " + "[" * 100_000,
        "notes.txt": "one\ntwo",
        "mine.py": "def step(x, state, p):\n    return state\n",
        "loud.py": "print('\\udc80 \\u2260' * 9)\n\n\ndef step(x, state, p):\n    return state\n",
        "leaving.py": "import os\n\n\ndef step(x, state, p):\n    os._exit(0)\n",
        "slow.py": "import time\n\n\ndef step(x, state, p):\n    time.sleep(60)\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "utf16.toml").write_text(NETWORK, encoding="utf-16")
    (place / "latin.toml").write_text("# é", encoding="latin-1")
    (place / "private.toml").touch(0o000)
    with (place / "large.toml").open("wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to("c.toml")
    (place / "hard").hardlink_to(place / "c.toml")
    (place / "link-to-new").symlink_to("new")
    (place / "circle.toml").symlink_to("circle.toml")
    return place


def faults(line: str, code: int, said: str) -> list[str]:
    """How the end of a call, by its exit code and standard error, breaks the contract."""
    found = [word for word in ("Traceback", "Internal error", "Exception ignored") if word in said]
    if code not in CODES:
        found.append(f"exit code {code}")
    if said.count("\n") > 1:
        found.append("more than one line")
    return [f"{line}: {fault}: {said}" for fault in found]


def shell_faults(line: str, folder: Path) -> list[str]:
    """The faults of a line of the shell, in which R is the program."""
    line = line.replace("{quick}", f"--engines {WRONG} --audit off").replace("{python}", sys.executable)
    script = f'R() {{ "{sys.executable}" -m rnnviz "$@"; }}; {line}'
    environment = {
        **{name: value for name, value in os.environ.items() if name != "RNNVIZ_DEBUG"},
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder.parent / "temporary"),
    }
    done = ended("bash", "-c", script, cwd=folder, env=environment, errors="replace")
    return faults(line, done.returncode, done.stderr)


def contents(folder: Path) -> dict[str, object]:
    """Content that must not change: the bytes of a file, the target of a link, the type of other entries."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.is_symlink():
            found[path.name] = path.readlink()
        else:
            small = path.is_file() and path.stat().st_size < 1 << 20
            found[path.name] = path.read_bytes() if small and path.name != "private.toml" else path.stat().st_mode
    return found


@pytest.fixture
def unchanged(folder):
    """Every file is as it was, and no temporary one is left."""
    before = contents(folder)
    yield
    after = contents(folder)
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if name.startswith(".")] == []
    assert list((folder.parent / "temporary").iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
def test_calls_keep_the_contract(folder, rnnviz, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("tempfile.tempdir", str(folder.parent / "temporary"))
    for line in LINES["called"]:
        answer = rnnviz(*shlex.split(line))
        assert faults(line, answer.code, answer.err) == []


@pytest.mark.parametrize("lines", ["started", pytest.param("runs", marks=pytest.mark.nightly)])
@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
def test_processes_keep_the_contract(lines, folder):
    with ThreadPoolExecutor(2) as pool:
        assert [*chain.from_iterable(pool.map(lambda line: shell_faults(line, folder), LINES[lines]))] == []
