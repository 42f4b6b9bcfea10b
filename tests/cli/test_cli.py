"""The command line: exit codes, one sentence for every error, and output files that appear whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import termios
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz import __version__, cli
from rnnviz.cli import main
from rnnviz.engines import registry
from rnnviz.engines.registry import ENGINES
from rnnviz.model.cells import CELLS
from tests import profiles
from tests.leaks import nothing_is_left_running

__all__ = ["nothing_is_left_running", "profiles"]

ROOT = Path(__file__).parents[2]
WRONG = "manual,mistake:no-h2h-bias"
"""Two engines that disagree; neither needs MXNet."""

needs_gluon = pytest.mark.skipif(ENGINES["gluon"].unavailable is not None, reason="MXNet is not installed")


def toml(value: Any) -> str:
    return json.dumps(value)


def write(folder: Path, **tables: dict[str, Any]) -> Path:
    """A config file with the given keys beside the required ones."""
    tables["network"] = {"cell": "lstm", "input_size": 3, "hidden_size": 4} | tables.get("network", {})
    text = ""
    for table, keys in tables.items():
        text += f"[{table}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path))


@pytest.fixture
def same(tmp_path: Path) -> str:
    """The textbook's recurrence as a user's own engine: it agrees."""
    path = tmp_path / "same.py"
    path.write_text(
        "import numpy as np\n"
        "def sigmoid(a):\n    return 1 / (1 + np.exp(-a))\n"
        "def step(x, state, p):\n"
        "    h, c = state\n"
        "    s = x @ p.i2h_weight.T + p.i2h_bias + h @ p.h2h_weight.T + p.h2h_bias\n"
        "    i, f, g, o = np.split(s, 4, axis=1)\n"
        "    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)\n"
        "    return sigmoid(o) * np.tanh(c), c\n",
        encoding="utf-8",
    )
    return str(path)


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class Called:
    """The command line called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Answer:
        code = main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def refused(self, *words: str | Path, code: int = 2) -> str:
        """The sentence of a call that fails: one line on standard error, nothing on standard output."""
        answer = self(*words)
        assert answer.code == code, answer.err
        assert answer.out == ""
        assert answer.err.startswith("rnnviz: ")
        assert answer.err.endswith(".\n")
        assert answer.err.count("\n") == 1
        return answer.err.removeprefix("rnnviz: ").strip()


@pytest.fixture
def rnnviz(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Called:
    monkeypatch.delenv("RNNVIZ_DEBUG", raising=False)
    return Called(capsys)


@needs_gluon
def test_gluon_and_the_manual_recurrence_agree(rnnviz: Called, config: str) -> None:
    answer = rnnviz("run", config)
    assert answer.code == 0
    assert "agree" in answer.out
    assert "gluon" in answer.out
    assert "manual" in answer.out
    assert answer.err == ""


def test_a_mismatch_is_told_and_exits_with_one(rnnviz: Called, config: str) -> None:
    answer = rnnviz("run", config, "--engines", WRONG)
    assert answer.code == 1
    assert "mistake:no-h2h-bias" in answer.out
    assert answer.err == ""


def test_quiet_says_nothing(rnnviz: Called, config: str) -> None:
    answer = rnnviz("run", config, "--engines", WRONG, "--quiet")
    assert (answer.code, answer.out, answer.err) == (1, "", "")


def test_json_on_standard_output_is_json_alone(rnnviz: Called, config: str) -> None:
    answer = rnnviz("run", config, "--engines", WRONG, "--json", "-")
    assert answer.code == 1
    figures = json.loads(answer.out)
    assert (figures["verdict"], figures["reference"]) == ("mismatch", "manual")
    assert figures["audit"]["manual"]["verdict"] == "right"
    assert figures["audit"]["mistake:no-h2h-bias"]["verdict"] == "wrong"
    assert figures["first_mismatch"]["direction"] == "forward"


def test_every_output_is_written_by_one_run(rnnviz: Called, config: str, tmp_path: Path) -> None:
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "npz", "json")}
    outputs["json"].write_text("old", encoding="utf-8")
    words = [word for kind, path in outputs.items() for word in (f"--{kind}", path)]
    assert rnnviz("run", config, "--engines", WRONG, *words).code == 1
    figures = json.loads(outputs["json"].read_text(encoding="utf-8"))
    lines = outputs["csv"].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + figures["elements"]
    assert sum(line.endswith(",true") for line in lines) == figures["mismatched"]
    with np.load(outputs["npz"]) as archive:
        assert archive["manual.hidden"].size == figures["elements"]
    assert {path.name for path in tmp_path.iterdir()} == {"config.toml", "out.csv", "out.npz", "out.json"}


def reference_of(answer: Answer) -> tuple[str, list[str]]:
    figures = json.loads(answer.out)
    each = figures.get("comparisons", [figures])
    return figures["reference"], [comparison["candidate"] for comparison in each]


def test_the_first_engine_is_the_reference_unless_another_is_named(rnnviz: Called, config: str) -> None:
    engines = "manual, mistake:no-h2h-bias ,mistake:no-i2h-bias"
    words = ("run", config, "--json", "-", "--engines", engines)
    assert reference_of(rnnviz(*words)) == ("manual", ["mistake:no-h2h-bias", "mistake:no-i2h-bias"])
    assert reference_of(rnnviz(*words, "--reference", "mistake:no-i2h-bias")) == (
        "mistake:no-i2h-bias",
        ["manual", "mistake:no-h2h-bias"],
    )


def test_the_tolerances_can_be_set(rnnviz: Called, config: str) -> None:
    words = ("run", config, "--engines", WRONG, "--json", "-", "--audit", "off")
    strict, wide = rnnviz(*words), rnnviz(*words, "--atol", "10", "--rtol", "0")
    assert (strict.code, wide.code) == (1, 0)
    figures = json.loads(wide.out)
    assert (figures["rtol"], figures["atol"], figures["verdict"]) == (0.0, 10.0, "agree")
    needed = json.loads(rnnviz(*words, "--rtol", "0").out)["smallest_passing_atol"]
    assert rnnviz(*words, "--rtol", "0", "--atol", repr(needed)).code == 0
    assert rnnviz(*words, "--rtol", "0", "--atol", repr(np.nextafter(needed, 0))).code == 1


def test_drift_is_no_failure_unless_strict(rnnviz: Called, tmp_path: Path) -> None:
    # A chaotic network: every step is right, and two correct engines end far apart.
    config = write(
        tmp_path,
        network={"cell": "rnn_tanh", "hidden_size": 64},
        sequence={"timesteps": 300, "batch_size": 1},
        parameters={"initializer": "normal", "scale": 1.0},
    )
    own = tmp_path / "mine.py"
    own.write_text(
        "import numpy as np\n"
        "def step(x, state, p):\n"
        "    s = p.h2h_bias + state[0] @ p.h2h_weight.T + (p.i2h_bias + x @ p.i2h_weight.T)\n"
        "    return (np.tanh(s.astype(np.float64)).astype(x.dtype),)\n",
        encoding="utf-8",
    )
    words = ("run", config, "--engines", f"manual,{own}", "--json", "-")
    lenient, strict = rnnviz(*words), rnnviz(*words, "--strict")
    assert json.loads(lenient.out)["verdict"] == "drift"
    assert (lenient.code, strict.code) == (0, 1)


def test_an_own_engine_that_agrees(rnnviz: Called, config: str, same: str) -> None:
    assert rnnviz("run", config, "--engines", f"manual,{same}", "--strict").code == 0


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        ({"network": {"hiden_size": 4}}, ["network.hiden_size = 4 is not a known key", "hidden_size"]),
        ({"networks": {}}, ["networks is not a known table"]),
        ({"network": {"hidden_size": "4"}}, ['network.hidden_size = "4"', "a whole number"]),
        ({"network": {"hidden_size": 0}}, ["network.hidden_size = 0", "from 1"]),
        ({"network": {"hidden_size": -3}}, ["network.hidden_size = -3"]),
        ({"network": {"hidden_size": 10**9}}, ["would take", "PB of memory", "network.hidden_size = 1,000,000,000"]),
        ({"sequence": {"timesteps": 10**9}}, ["would take", "sequence.timesteps = 1,000,000,000"]),
        ({"network": {"cell": "elman"}}, ['network.cell = "elman"', *CELLS]),
        ({"sequence": {"path": "missing.npy"}}, ["missing.npy cannot be read: No such file"]),
        ({"sequence": {"path": "text.npy"}}, ["text.npy is no .npy file"]),
        ({"sequence": {"path": "objects.npy"}}, ["objects.npy holds Python objects, which are never unpickled"]),
        ({"sequence": {"path": "ragged.csv"}}, ["ragged.csv, line 2 has 2 values, but the first row has 3"]),
        ({"sequence": {"path": "narrow.npy"}}, ["(5, 7, 2)", "(5, 7, 3)"]),
        ({"parameters": {"path": "lacking.npz"}}, ["lacking.npz", "l0_h2h_bias", "(16,)"]),
        ({"parameters": {"path": "misshapen.npz"}}, ["misshapen.npz", "(3, 16)", "(16, 3)"]),
        ({"compare": {"candidates": ["nonsense"]}}, ['compare.candidates names "nonsense"', "manual"]),
        ({"compare": {"candidates": ["mine.py"]}}, ["mine.py"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else toml(value),
)
def test_bad_input_is_one_sentence_and_exits_with_two(
    rnnviz: Called, tmp_path: Path, tables: dict[str, Any], parts: list[str]
) -> None:
    (tmp_path / "text.npy").write_text("1,2,3\n", encoding="utf-8")
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    (tmp_path / "ragged.csv").write_text("1,2,3\n4,5\n", encoding="utf-8")
    np.save(tmp_path / "narrow.npy", np.ones((5, 7, 2)))
    weights = {"i2h_weight": (16, 3), "h2h_weight": (16, 4), "i2h_bias": (16,), "h2h_bias": (16,)}
    arrays = {f"l0_{name}": np.zeros(shape) for name, shape in weights.items()}
    np.savez(tmp_path / "misshapen.npz", **{**arrays, "l0_i2h_weight": np.zeros((3, 16))})
    arrays.pop("l0_h2h_bias")
    np.savez(tmp_path / "lacking.npz", **arrays)
    (tmp_path / "mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    # Without an engine that needs MXNet the refusal comes as soon as a child has started.
    compare = {"reference": "manual", "candidates": ["mistake:no-h2h-bias"], **tables.pop("compare", {})}
    sentence = rnnviz.refused("run", write(tmp_path, compare=compare, **tables))
    for part in parts:
        assert part in sentence


def test_a_nan_in_the_data_is_allowed(rnnviz: Called, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,nan,3\n4,5,6\n", encoding="utf-8")
    answer = rnnviz("run", write(tmp_path, sequence={"path": "x.csv"}), "--engines", WRONG, "--json", "-")
    assert json.loads(answer.out)["nonfinite"] == {"reference": 8, "candidate": 8}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["run"], "config"),
        (["run", "config.toml", "--rtol", "much"], "much"),
        (["run", "config.toml", "--rtol", "-1"], "--rtol = -1"),
        (["run", "config.toml", "--atol", "nan"], "--atol = nan"),
        (["run", "config.toml", "--frobnicate"], "--frobnicate"),
        (["run", "config.toml", "--engines", "manual"], "at least one engine"),
        (["run", "config.toml", "--engines", ""], "engine"),
        (["run", "config.toml", "--engines", "manual,manual"], "twice"),
        (["run", "config.toml", "--engines", "manual,nonsense"], "nonsense"),
        (["run", "config.toml", "--engines", "manual,./missing.py"], "no such file"),
        (["run", "config.toml", "--audit", "some"], "some"),
        (["run", "missing.toml"], "missing.toml cannot be read"),
        (["run", "config.toml", "--csv", "missing/out.csv"], "missing/out.csv cannot be written"),
        (["run", "config.toml", "--json", "."], ". cannot be written: it is a folder"),
        (["config", "nonsense"], "nonsense"),
        (["missing.toml"], "missing.toml cannot be opened"),
        (["--frobnicate"], "--frobnicate"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_one_sentence_and_exits_with_two(
    rnnviz: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], part: str
) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert part in rnnviz.refused(*words)
    assert os.listdir(tmp_path) == ["config.toml"]


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('mine')",
        "import os, signal\ndef step(x, state, p):\n    os.kill(os.getpid(), signal.SIGKILL)",
        "def step(x, state, p):\n    return 1 / 0",
    ],
    ids=["at import", "death", "at a step"],
)
def test_an_engine_that_fails_or_dies_exits_with_three(rnnviz: Called, config: str, tmp_path: Path, code: str) -> None:
    own = tmp_path / "mine.py"
    own.write_text(code + "\n", encoding="utf-8")
    assert "mine.py" in rnnviz.refused("run", config, "--engines", f"manual,{own}", code=3)


def test_a_traceback_is_shown_only_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    monkeypatch.setenv("RNNVIZ_DEBUG", "1")
    assert main(["run", "missing.toml"]) == 2
    _, err = capsys.readouterr()
    assert "Traceback" in err
    assert err.strip().splitlines()[-1].startswith("rnnviz: missing.toml cannot be read")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"rnnviz {__version__}\n"


def test_doctor_tells_versions_and_every_engine(rnnviz: Called) -> None:
    answer = rnnviz("doctor")
    assert answer.code == 0
    for word in (__version__, np.__version__, *ENGINES):
        assert word in answer.out


def test_every_lesson_that_is_listed_can_be_printed(rnnviz: Called) -> None:
    listed = rnnviz("config")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert len(names) >= 6
    for name in names:
        printed = rnnviz("config", name)
        assert printed.code == 0
        assert "[network]" in printed.out


def program(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "rnnviz", *map(str, words)]


def test_the_module_is_the_command(config: str) -> None:
    done = subprocess.run(
        program("run", config, "--engines", WRONG, "--json", "-"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["verdict"] == "mismatch"


def test_a_reference_that_is_asked_for_and_missing_exits_with_three_and_says_what_to_do(tmp_path: Path) -> None:
    config = write(tmp_path, compare={"reference": "gluon"})
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # Python reads this file before any program, in the child process as well.
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'mxnet' else find(name, *rest)\n",
        encoding="utf-8",
    )
    env = {**os.environ, "PYTHONPATH": str(hidden)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = program("run", str(config), *words)
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    done = run()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("rnnviz: The engine gluon needs mxnet 1.9.1")
    assert done.stderr.count("\n") == 1
    words = done.stderr.partition(" or --engines ")[2].rstrip(".\n")
    assert run("--engines", words).returncode == 0


def test_a_reader_that_has_had_enough_is_no_error(config: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    # Unbuffered, the error would come while the command still runs; buffered, when Python says goodbye.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(writer, "w") as out:
        done = subprocess.run(program("config"), cwd=ROOT, env=env, stdout=out, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_ends_the_run_without_a_traceback(tmp_path: Path) -> None:
    config = write(tmp_path)
    own = tmp_path / "slow.py"
    started = tmp_path / "started"
    own.write_text(
        "import pathlib, time\n"
        f"def step(x, state, p):\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        program("run", config, "--engines", f"manual,{own}", "--csv", tmp_path / "out.csv"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        while not started.exists():
            assert running.poll() is None
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (cli.INTERRUPTED, "", "")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_gets_a_progress_bar_unless_quiet(tmp_path: Path, quiet: bool) -> None:
    config = write(tmp_path, network={"cell": "gru"}, sequence={"timesteps": 100})
    (tmp_path / "slow.py").write_text(
        "import time\ndef step(x, state, p):\n    time.sleep(0.01)\n    return state\n", encoding="utf-8"
    )
    words = ["run", config, "--engines", "manual,./slow.py", "--audit", "off", "--json", tmp_path / "out.json"]
    words += ["--quiet"] if quiet else []
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(program(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert running.wait(timeout=60) == 1
    assert (b"computing with" in shown) == (not quiet)
    assert (b"left" in shown) == (not quiet)
    assert not quiet or shown == b""


@pytest.fixture
def no_mxnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that MXNet has no wheel for."""
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "mxnet" else find_spec(name))
    monkeypatch.setattr(registry.platform, "system", lambda: "Windows")
    monkeypatch.setattr(registry.platform, "machine", lambda: "AMD64")


def test_without_mxnet_a_config_that_names_no_reference_runs_by_another_one(
    rnnviz: Called, config: str, no_mxnet: None
) -> None:
    answer = rnnviz("run", config, "--json", "-")
    assert answer.code == 0
    assert reference_of(answer) == ("onnx", ["manual"])
    assert answer.err.startswith("rnnviz: onnx is the reference here: the engine gluon needs mxnet 1.9.1, which has no")


def test_a_program_without_a_console_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "open_window", lambda file: 0)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main([]) == 0
