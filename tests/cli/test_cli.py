"""The command line: what it prints and writes of a run, and with which exit codes."""

import json
import os
import sys

import numpy as np
import pytest

from rnnviz import __version__, cli
from rnnviz.cli import main, terminal
from rnnviz.core.resources import resource_path
from rnnviz.engines.registry import ENGINES, engines_of
from rnnviz.execution.events import Cancelled, Failed
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.config_toml import load_config
from tests.cli.calls import WRONG, Answer, write
from tests.needs import needs
from tests.programs import python

pytestmark = pytest.mark.usefixtures("shared_worker")


def test_every_output_is_written_by_one_run(rnnviz, config, tmp_path):
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


def test_first_engine_is_the_default_reference(rnnviz, config):
    engines = "manual, bug:no-h2h-bias ,bug:no-i2h-bias"
    words = ("run", config, "--json", "-", "--engines", engines)
    assert reference_of(rnnviz(*words)) == ("manual", ["bug:no-h2h-bias", "bug:no-i2h-bias"])
    assert reference_of(rnnviz(*words, "--reference", "bug:no-i2h-bias")) == (
        "bug:no-i2h-bias",
        ["manual", "bug:no-h2h-bias"],
    )


def test_the_tolerances_can_be_set(rnnviz, config):
    words = ("run", config, "--engines", WRONG, "--json", "-", "--audit", "off")
    strict, wide = rnnviz(*words), rnnviz(*words, "--atol", "10", "--rtol", "0")
    assert (strict.code, wide.code) == (1, 0)
    figures = json.loads(wide.out)
    assert (figures["rtol"], figures["atol"], figures["verdict"]) == (0.0, 10.0, "agree")
    needed = json.loads(rnnviz(*words, "--rtol", "0").out)["smallest_passing_atol"]
    assert rnnviz(*words, "--rtol", "0", "--atol", repr(needed)).code == 0
    assert rnnviz(*words, "--rtol", "0", "--atol", repr(float(np.nextafter(needed, 0)))).code == 1


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"rnnviz {__version__}\n"


@pytest.mark.parametrize(
    ("last", "state", "code"), [(Cancelled(1), "available", 0), (Failed(1, "engine", "It failed."), "It failed.", 3)]
)
def test_doctor_prints_versions_and_what_became_of_the_engines(rnnviz, monkeypatch, last, state, code):
    monkeypatch.setattr(Supervisor, "events", lambda supervisor, request: iter([last]))
    answer = rnnviz("doctor")
    assert answer.code == code
    states = {name: entry.unavailable or state for name, entry in ENGINES.items()}
    for word in (__version__, np.__version__, *(f"{name}: {text}\n" for name, text in states.items())):
        assert word in answer.out


@pytest.mark.slow
@needs("mxnet")
def test_a_run_does_not_depend_on_options_of_python_or_of_libraries(tmp_path):
    hostile = {"OMP_NUM_THREADS": "abc", "MXNET_CPU_WORKER_NTHREADS": "abc", "PYTHONWARNINGS": "error"}
    words = ("-OO", "-m", "rnnviz", "run", write(tmp_path), "--engines", "manual,gluon")
    ended = python(*words, env={**os.environ, **hostile})
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_listed_lesson_prints_a_config(rnnviz):
    listed = rnnviz("config")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.split("\n\n")[0].splitlines()]
    files = {path.stem: path for path in resource_path("lessons").glob("*.toml")}
    assert set(names) == set(files)
    for name, path in files.items():
        printed = rnnviz("config", name)
        assert (printed.code, printed.out) == (0, path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_config_without_candidates_runs_with_an_installed_one(rnnviz, config):
    answer = rnnviz("run", config, "--json", "-")
    assert answer.code == 0
    assert reference_of(answer) == ("manual", [engines_of(load_config(config))[1]])


@pytest.mark.parametrize(("engines", "code", "verdict"), [("manual", 0, "agree"), (WRONG.split(",")[1], 1, "disagree")])
def test_one_engine_alone_is_audited(rnnviz, config, engines, code, verdict):
    answer = rnnviz("run", config, "--engines", engines, "--json", "-")
    figures = json.loads(answer.out)
    assert answer.code == code
    assert (figures["verdict"], figures["reference"], figures["candidate"]) == (verdict, engines, None)
    assert list(figures["audit"]) == [engines]


def test_program_without_a_console_exits(monkeypatch):
    monkeypatch.setattr(cli, "open_window", lambda file: 0)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with terminal._null() as null:
        assert main([]) == 0
        assert sys.stdout is sys.stderr is null
    terminal._null.cache_clear()
