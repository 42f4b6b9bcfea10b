"""Standard streams that are closed, full, without a reader, or of a narrow encoding."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, WRONG_INPUT
from rnnviz.io.templates import write_starter
from tests.cli.calls import WRONG
from tests.cli.test_cli_program import ROOT, program

pytestmark = pytest.mark.slow

FULL = "rnnviz: Standard output cannot be written: No space left on device.\n"

# Unbuffered, an error would come while a command is still running; buffered, when Python ends.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

OTHER_TEXTS = (["config", "lstm"], ["doctor"], ["sweep", "--example"])

on_linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")


def in_shell(line: str, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program called by a line of the shell, in which "$@" is the call."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *program(*words)],
        cwd=ROOT,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        '"$@" | true; exit ${PIPESTATUS[0]}',
        pytest.param('"$@" | head -n 1; exit ${PIPESTATUS[0]}', marks=pytest.mark.slow),
        '"$@" >&- 2>&- <&-',
    ],
)
def test_closed_pipe_keeps_exit_code_and_files(config: str, tmp_path: Path, line: str) -> None:
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "json")}
    words = [word for kind, path in outputs.items() for word in (f"--{kind}", path)]
    done = in_shell(line, "run", config, "--engines", WRONG, *words)
    assert (done.returncode, done.stderr) == (DISAGREE, "")
    assert json.loads(outputs["json"].read_text(encoding="utf-8"))["verdict"] == "disagree"
    assert outputs["csv"].stat().st_size > 0


@on_linux
@pytest.mark.parametrize(("agree", "code"), [(False, DISAGREE), (True, WRONG_INPUT)])
def test_full_standard_output_is_reported(config: str, tmp_path: Path, agree: bool, code: int) -> None:
    write_starter("lstm", tmp_path / "mine.py")
    engines = f"manual,{tmp_path / 'mine.py'}" if agree else WRONG
    done = in_shell('"$@" > /dev/full', "run", config, "--engines", engines)
    assert (done.returncode, done.stderr) == (code, FULL)


@on_linux
@pytest.mark.parametrize(
    "words",
    [
        ["config"],
        ["--help"],
        *(pytest.param(words, marks=pytest.mark.slow) for words in OTHER_TEXTS),
    ],
)
def test_unprintable_text_is_reported(words: list[str]) -> None:
    done = in_shell('"$@" > /dev/full', *words)
    assert (done.returncode, done.stderr) == (WRONG_INPUT, FULL)


@on_linux
@pytest.mark.parametrize("line", ['"$@" 2> /dev/full', pytest.param('"$@" 2>&-', marks=pytest.mark.slow)])
def test_unprintable_error_keeps_the_exit_code(line: str) -> None:
    done = in_shell(line, "run", "missing.toml")
    assert (done.returncode, done.stdout, done.stderr) == (WRONG_INPUT, "", "")


@pytest.mark.parametrize("words", [["config"], pytest.param(["--version"], marks=pytest.mark.slow)])
def test_closed_standard_output(words: list[str]) -> None:
    done = in_shell('"$@" >&-', *words)
    assert (done.returncode, done.stdout, done.stderr) == (AGREE, "", "")


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [("ascii", r"\u2260 \u00d7 \udcff \ud83d\ude00"), ("cp1252", r"\u2260 × \udcff \ud83d\ude00")],
)
def test_unencodable_characters_are_escaped_in_json(
    monkeypatch: pytest.MonkeyPatch, encoding: str, printed: str
) -> None:
    text = "≠ × \udcff 😀"
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.prepare_streams()
    assert terminal.print_answer(AGREE, text) == AGREE
    written = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert written == printed
    assert json.loads(f'"{written}"') == text


def test_commands_run_under_any_encoding(config: str) -> None:
    words = ["explain", config, "--layer", "0", "--timestep", "1", "--unit", "1", "--engines", WRONG]
    done = in_shell('"$@"', *words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (AGREE, "")
    assert r"\u" in done.stdout


def test_undecodable_name_is_escaped() -> None:
    done = in_shell("\"$@\" $'missing\\xff.toml'", "run")
    assert (done.returncode, done.stderr) == (
        WRONG_INPUT,
        f"rnnviz: missing\\udcff.toml does not exist in {os.getcwd()}.\n",
    )


def test_deleted_working_directory_is_reported(config: str, tmp_path: Path) -> None:
    done = in_shell(
        f'mkdir "{tmp_path}/gone"; cd "{tmp_path}/gone"; rmdir "$PWD"; "$@"', "run", config, PYTHONPATH=str(ROOT)
    )
    assert done.returncode == WRONG_INPUT
    assert done.stderr.startswith("rnnviz: The working directory cannot be used")
    assert done.stderr.count("\n") == 1
