"""Packages that pip would install on systems without a wheel of MXNet."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cases import cases

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).parents[2]

_PIP_ELSEWHERE = cases(__file__)["pip-elsewhere"]

SYSTEMS = cases(__file__)["systems"]
CASES = [("windows", "3.14"), ("mac-arm64", "3.11")]
"""Each with one Python: what pip wants to know it reads out of whole wheels, 200 MB of them."""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--retries", "0"]
    answer = subprocess.run(
        [*pip, "--timeout", "20", "--dest", str(folder), "iniconfig"], capture_output=True, text=True, timeout=120
    )
    if answer.returncode != 0:
        pytest.skip(f"no package index can be reached: {(answer.stderr.splitlines() or ['pip failed'])[-1]}")


@pytest.fixture(scope="module")
def answers(index, wheel, tmp_path_factory):
    """The output of pip on each system with each Python, run in parallel, as it mostly waits for the index."""
    target = tmp_path_factory.mktemp("target")

    def ask(case):
        system, python = case
        tags, environment = SYSTEMS[system]
        environment = environment | {"python_version": python, "python_full_version": f"{python}.0"}
        words = ["--disable-pip-version-check", "--quiet", "install", "--dry-run", "--ignore-installed"]
        words += [word for tag in tags for word in ("--platform", tag)]
        words += ["--only-binary=:all:", "--python-version", python, "--target", str(target), "--report", "-"]
        command = [sys.executable, "-c", _PIP_ELSEWHERE, json.dumps(environment), *words, f"{wheel}[window,onnx,gluon]"]
        return subprocess.run(command, capture_output=True, text=True, timeout=400)

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(ask, CASES), strict=True))


@pytest.mark.parametrize(("system", "python"), CASES)
def test_the_wheel_installs_without_mxnet_where_there_is_none(answers, system, python):
    answer = answers[system, python]
    assert answer.returncode == 0, answer.stderr
    installed = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"]
        for item in json.loads(answer.stdout)["install"]
    }
    assert {"rnnviz", "numpy", "onnx", "onnxruntime", "pyside6-essentials", "orjson"} <= set(installed)
    assert int(installed["numpy"].partition(".")[0]) >= 2
    assert (installed["pyside6-essentials"] == "6.9.3") == (python == "3.11")
    assert not {"mxnet", "torch"} & set(installed)
