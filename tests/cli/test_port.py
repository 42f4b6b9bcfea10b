"""rnnviz port and vectors: exit codes, the files of a failure, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.engines.port import test_command

pytestmark = pytest.mark.usefixtures("shared_worker", "no_subprocess")

PORT = f"{sys.executable} {test_command.PORT}"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gru.toml").write_text(
        'network = { cell = "gru", input_size = 3, hidden_size = 4, num_layers = 2 }\n'
        "sequence = { batch_size = 2, timesteps = 6 }\n"
        'parameters = { initializer = "uniform", scale = 0.6 }\n'
    )
    return "gru.toml"


def test_a_right_port_ends_with_0(rnnviz, config):
    code, out, _ = vars(rnnviz("port", config, "--run", f"{PORT} -", "--json", "-")).values()
    assert code == 0
    found = json.loads(out)
    assert found["verdict"] == "agree"
    assert found["port"]["deterministic"]
    assert found["port"]["reads_weights"]
    assert found["smallest"] is None
    assert not Path("port-failure").exists()


@pytest.mark.slow
def test_a_wrong_port_is_named_and_shrunk(rnnviz, config):
    code, out, _ = vars(
        rnnviz("port", config, "--run", f"{PORT} no-bias", "--json", "-", "--junit", "port.xml")
    ).values()
    assert code == 1
    found = json.loads(out)
    (cause,) = found["diagnosis"]
    assert (cause["name"], cause["where"]["layers"], cause["where"]["gates"]) == ("no-h2h-bias", [1], ["n"])
    sizes = found["smallest"]["sizes"]
    assert (sizes["T"], sizes["N"]) == (1, 1)
    assert sizes["H"] <= 2
    assert found["smallest"]["runs"] <= 30
    assert Path(found["smallest"]["test"]).read_text().startswith("/*")
    assert Path("port-failure/rnnport.h").is_file()
    again, _, _ = vars(rnnviz("run", "port-failure/smallest/config.toml", "--quiet")).values()
    assert again == 1
    cases = {case.get("name"): case for case in ElementTree.parse("port.xml").iter("testcase")}
    assert cases["every-step"].find("failure") is not None
    assert cases["runs"].find("error") is None


def test_a_program_that_fails_ends_with_3(rnnviz, config):
    code, _, err = vars(rnnviz("port", config, "--run", "./none", "--junit", "port.xml")).values()
    assert code == 3
    assert "could not be started" in err
    (case,) = ElementTree.parse("port.xml").iter("testcase")
    assert case.find("error") is not None


@pytest.mark.parametrize("options", [("--run", "./port", "--out", "OUT"), (), ("--run", "'")])
def test_wrong_options_end_with_2(rnnviz, config, options):
    code, _, err = vars(rnnviz("port", config, *options)).values()
    assert code == 2
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_folder_that_a_board_wrote_is_compared(rnnviz, config):
    code, out, _ = vars(rnnviz("port", config, "--export", "board")).values()
    assert (code, Path("board/IN/weights/weight_hh_l1.bin").is_file()) == (0, True)
    Path("board/OUT").mkdir()
    subprocess.run([*PORT.split(), "-", "board/IN", "board/OUT"], check=True)
    code, out, _ = vars(rnnviz("port", config, "--out", "board/OUT", "--json", "-")).values()
    assert (code, json.loads(out)["verdict"]) == (0, "agree")


def test_the_header_is_printed(rnnviz):
    code, out, _ = vars(rnnviz("port", "--header")).values()
    assert code == 0
    assert out.startswith("/* rnnport.h")
    assert len(out.splitlines()) <= 300


@pytest.mark.parametrize("options", [("gru.toml",), ("--grade", "none"), ("gru.toml", "--grade", ".")])
def test_vectors_need_a_config_and_a_folder_or_a_suite(rnnviz, config, options):
    code, _, err = vars(rnnviz("vectors", *options)).values()
    assert code == 2
    assert err.count("\n") == 1
