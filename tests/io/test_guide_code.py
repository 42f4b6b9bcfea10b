"""The programs of the guide: commands, configs and Python of a page run as written, in the order of the page."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from rnnviz.cli import COMMANDS, main
from rnnviz.core.resources import resource_path
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.io.resources import guide_pages
from tests.captures.test_onnx_capture import Model, layer, value, weights
from tests.cases import cases
from tests.cli.calls import Called
from tests.needs import need
from tests.shared_worker import WarmWorker, commands_use

pytestmark = pytest.mark.usefixtures("own_worker")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KERAS = re.compile(r"^import keras", re.MULTILINE)
FILE = re.compile(r"# (\S+\.toml)\n")
SAMPLE = str(resource_path("models", "sample-lstm.safetensors"))
ENVIRONMENT = {"KERAS_BACKEND": "torch", "ORT_DISABLE_TELEMETRY": "1"}


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level."""
    return re.split(r"^## ", guide_pages()[page].text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]


def run_python(body: str, folder: Path) -> None:
    """Run a program, in a separate process if it imports Keras, which reads its backend once."""
    if KERAS.search(body) is None:
        exec(compile(body, "guide", "exec"), {})
        return
    environment = os.environ | ENVIRONMENT
    command = [sys.executable, "-c", body]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def perform(
    text: str,
    folder: Path,
    capsys,
    other: Callable[[list[str]], None] | None = None,
    printed: dict[str, str] | None = None,
) -> list[int]:
    """Write the configs of a page and run its Python and commands; returns the exit codes of `rnnviz run`.

    A block of `toml` that begins with its name is a file. `other` runs commands of other programs, and `printed` gets
    the output of each line.
    """
    codes, outputs = [], {} if printed is None else printed
    for language, body in BLOCK.findall(text):
        name = FILE.match(body)
        if language == "toml" and name is not None:
            (folder / name[1]).write_text(body, encoding="utf-8")
        elif language == "python":
            run_python(body, folder)
        elif language == "sh":
            for line in body.splitlines():
                words, _, target = line.partition(" > ")
                program, *arguments = shlex.split(words)
                if program != "rnnviz":
                    assert other is not None, line
                    other(arguments)
                    continue
                if arguments[0] not in COMMANDS:
                    continue  # It opens the window.
                capsys.readouterr()
                code = main(arguments)
                outputs[line], errors = capsys.readouterr()
                assert code in (0, 1), (line, errors)
                if target:
                    (folder / target).write_text(outputs[line], encoding="utf-8")
                if arguments[0] == "run":
                    codes.append(code)
    return codes


@pytest.fixture(scope="module")
def working_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guide")


@pytest.fixture(scope="module")
def own_worker():
    """A worker of the module, which keeps the working folder of its first run."""
    worker = WarmWorker()
    with commands_use(worker):
        yield
    worker.really_close()


@pytest.fixture
def folder(working_folder, monkeypatch):
    """An empty working folder: the same path for every test, since the worker keeps that of its first one."""
    monkeypatch.chdir(working_folder)
    yield working_folder
    for path in working_folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heading", "packages"),
    [
        ("PyTorch", ("torch",)),
        pytest.param("Keras", ("keras", "torch"), marks=pytest.mark.slow),
        pytest.param("ONNX", ("onnxruntime",), marks=pytest.mark.slow),
        pytest.param("MXNet", ("mxnet",), marks=pytest.mark.slow),
    ],
)
def test_recorded_outputs_of_each_framework_agree_with_its_weights(heading, packages, folder, capsys):
    need(*packages)
    if heading == "ONNX":
        assert main(["convert", SAMPLE, "lstm.onnx", "--quiet"]) == 0
    text = section("weights-and-outputs", heading)
    assert [language for language, _ in BLOCK.findall(text)] == ["python", "toml"]
    perform(text, folder, capsys)
    assert main(["run", "check.toml", "--quiet", "--json", "result.json"]) == 0
    result = json.loads(Path("result.json").read_text(encoding="utf-8"))
    assert (result["verdict"], result["candidate"]) == ("agree", f"recording:{folder / 'golden.npz'}")
    assert result["coverage"] > 0.5


PROGRAM = """#!{python}
import sys
from pathlib import Path
import numpy as np
from rnnviz.engines.registry import load_engine
from rnnviz.core.trace import trace_in_memory
from rnnviz.engines.port.protocol import read_inputs

inputs = read_inputs(Path(sys.argv[-2]))
trace = trace_in_memory("port", inputs.network, inputs.places, inputs.network.kind.state_symbols)
load_engine("{engine}").run(inputs, trace, lambda _: None)
trace.hidden.astype("<f4").tofile(Path(sys.argv[-1], "h.bin"))
"""
"""A program that computes a network as an engine does."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a script with an interpreter in its first line")
@pytest.mark.parametrize(("engine", "code"), [("manual", 0), ("bug:gates-i-f-o-g", 1)])
def test_a_port_is_checked_as_in_its_page(engine, code, folder, capsys):
    call = Called(capsys)
    shutil.copy(SAMPLE, folder / "lstm.safetensors")
    write_program(folder / "port", engine)
    lines = [
        line
        for language, body in BLOCK.findall(guide_pages()["check-a-port"].text)
        if language == "sh"
        for line in body.splitlines()
    ]
    check, header, export, compare, vectors = map(shlex.split, lines)
    assert call(*check[1:]).code == code
    assert Path("port-failure/test_port.c").exists() == bool(code)
    assert call(*header[1 : header.index(">")]).out.startswith("/* rnnport.h")
    assert call(*export[1:]).code == 0
    Path("board/OUT").mkdir()
    subprocess.run(["./port", "board/IN", "board/OUT"], check=True)
    assert call(*compare[1:]).code == code
    assert vectors[1] == "vectors"


def write_program(path: Path, engine: str) -> None:
    path.write_text(PROGRAM.format(python=sys.executable, engine=engine), encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.slow
def test_keras_is_compared_with_onnx_runtime_as_in_its_page(folder, capsys):
    need("keras", "torch", "onnxruntime")
    # The user's own export, which reads (N, T, I).
    swapped = onnx.helper.make_node("Transpose", ["x"], ["s"], perm=[1, 0, 2])
    model = Model(folder, [swapped, layer("LSTM", "s")], [value("x", ["N", "T", 8])], ["Y"])
    model.save(weights("LSTM", features=8))
    assert perform(guide_pages()["keras-and-onnx"].text, folder, capsys) == [0]


@pytest.mark.parametrize(
    ("page", "code", "files"),
    [
        ("find-a-difference", 1, ()),
        pytest.param("hidden-states", 0, ("text.csv", "text.npz", "text.png"), marks=pytest.mark.slow),
    ],
)
def test_a_page_is_performed_as_written(page, code, files, folder, capsys):
    assert perform(guide_pages()[page].text, folder, capsys) == [code]
    assert all((folder / name).stat().st_size > 0 for name in files)


@pytest.mark.slow
def test_a_summary_is_read_as_in_the_page_on_ci(folder, capsys):
    (folder / "check.toml").write_text(
        'network = { cell = "gru", input_size = 2, hidden_size = 3 }\ninitial_state = { source = "normal" }'
    )
    assert main(["run", "check.toml", "--npz", "golden.npz", "--engines", "manual,onnx"]) == 0
    text = guide_pages()["ci"].text.replace("recording:golden.npz", "recording:golden.npz#onnx")
    assert perform(text, folder, capsys) == [0]


_GATES = "i, f, {}, {} = np.split(x @ p.i2h_weight.T + p.i2h_bias + h @ p.h2h_weight.T + p.h2h_bias, 4, axis=-1)"
PORT = cases(__file__)["port"]


@pytest.mark.slow
def test_a_script_loops_until_a_port_is_correct_as_in_its_page(folder):
    text = guide_pages()["scripts-and-agents"].text
    blocks = dict(BLOCK.findall(text))
    (folder / "check.toml").write_text(blocks["toml"], encoding="utf-8")
    (folder / "check_port.py").write_text(blocks["python"], encoding="utf-8")
    port, path = folder / "port.py", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    # The next version of the port at each call: what an agent does with the advice.
    (folder / "change-port").write_text(
        f"#!{sys.executable}\nimport sys, shutil, os\nversions = sorted(os.listdir('todo'))\n"
        "shutil.copy(sys.argv[1], f'advice{len(versions)}.txt')\nshutil.move('todo/' + versions[0], 'port.py')\n",
        encoding="utf-8",
    )
    (folder / "change-port").chmod(0o755)
    (folder / "todo").mkdir()
    versions = "raise SystemError", _GATES.format("o", "g"), _GATES.format("g", "o")
    for number, gates in enumerate(versions):
        (folder / "todo" / str(number)).write_text(PORT.replace("GATES", gates), encoding="utf-8")
    port.write_text("def step(:", encoding="utf-8")
    command = ["bash", "-c", blocks["bash"]]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, timeout=120, capture_output=True)
    assert (done.returncode, done.stderr, os.listdir(folder / "todo")) == (0, b"", [])
    failed, raised, wrong = ((folder / f"advice{left}.txt").read_text(encoding="utf-8") for left in (3, 2, 1))
    assert failed.startswith("rnnviz: ")
    assert raised.startswith("rnnviz: ")
    cause, fix, following = wrong.splitlines()
    assert "i, f, o, g" in cause
    assert fix == f"Fix: {KNOWN_BUGS['gates-i-f-o-g'].fix}"
    assert following.startswith("Next: rnnviz explain check.toml --engines manual,./port.py --layer 0 --timestep 0")
    assert (folder / "advice.txt").read_text(encoding="utf-8") == ""


@pytest.mark.slow
def test_the_readme_is_performed_from_a_checkout(folder, capsys):
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    text = text.replace(".venv/bin/rnnviz", "rnnviz").replace("resources/models/sample-lstm.safetensors", SAMPLE)
    asked: list[list[str]] = []
    printed: dict[str, str] = {}
    assert perform(text, folder, capsys, asked.append, printed) == [0, 1]
    assert [words[0] for words in asked] == ["run", "test"]
    shown = re.findall(r"^```sh\n([^`]*)^```\n\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    for commands, output in shown:
        # Where PyTorch is installed, it is the default candidate. The last digits differ between processors.
        found = printed[commands.splitlines()[-1]].replace("manual and torch", "manual and gluon")
        assert re.sub(r"[\d.,e+-]+", "#", found) == re.sub(r"[\d.,e+-]+", "#", output)
