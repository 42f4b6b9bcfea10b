"""Long outputs of the command line: Ctrl-C leaves no file, and the output of an engine is printed."""

import json
import os
import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rnnviz.cli import main, run
from rnnviz.cli.terminal import DISAGREE, INTERRUPTED, WRONG_INPUT
from rnnviz.gui.app import QT_LIBRARIES, LibraryMissingError
from rnnviz.io.templates import write_starter
from tests.needs import needs

pytestmark = pytest.mark.usefixtures("shared_worker")

ENGINES = "manual,bug:no-h2h-bias"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text('[network]\ncell = "gru"\ninput_size = 3\nhidden_size = 4\n', encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_ctrl_c_while_a_file_is_written_leaves_nothing_of_it(
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    old: str | None,
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"out.{kind}"
    if old is not None:
        path.write_text(old, encoding="utf-8")
    at_work: list[list[str]] = []

    @contextmanager
    def interrupted(_quiet: bool) -> Iterator[Any]:
        def tell(stage: object, _fraction: float) -> None:
            if str(stage).startswith("writing"):
                at_work.append(os.listdir(folder))
                raise KeyboardInterrupt

        yield tell

    monkeypatch.setattr(run, "progress_bar", interrupted)
    code = main(["run", config, "--engines", ENGINES, f"--{kind}", str(path)])
    assert (code, capsys.readouterr().err) == (INTERRUPTED, "")
    assert any(name.startswith(f".{path.name}.") for name in at_work[0])
    assert [entry.read_text(encoding="utf-8") for entry in folder.iterdir()] == ([] if old is None else [old])


@pytest.mark.slow
def test_prints_of_a_custom_step_are_reported_under_its_name(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "talking.py"
    own.write_text(
        "import sys\nprint('imported')\n"
        "def step(x, state, p):\n"
        "    print('the input has shape', x.shape)\n    print('beware', file=sys.stderr)\n    return state\n",
        encoding="utf-8",
    )
    words = ["run", config, "--engines", f"manual,{own}"]
    assert main(words) == 1
    said = capsys.readouterr()
    before, _, after = said.out.partition("talking.py printed:\n")
    assert "the input has shape" not in before
    assert "the input has shape (16, 3)" in after
    assert said.err == ""
    assert main([*words, "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")
    assert main([*words, "--json", "-"]) == 1
    assert "the input has shape" not in capsys.readouterr().out


def test_gates_follow_the_documented_columns_and_need_a_csv_file(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gates.csv"
    assert main(["run", config, "--engines", ENGINES, "--csv", str(path), "--gates", "--quiet"]) == DISAGREE
    header = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
    assert header[7:10] == ["abs_error", "mismatch", "manual.recomputed.r"]
    assert header[-1] == "bug:no-h2h-bias.recomputed.pre_n"
    capsys.readouterr()
    assert main(["run", config, "--engines", ENGINES, "--gates", "--quiet"]) == WRONG_INPUT
    assert capsys.readouterr().err == ("rnnviz: --gates needs --csv or --npz.\n")


@pytest.mark.parametrize("option", ["--png", "--report"])
def test_a_picture_is_refused_before_the_run_where_qt_cannot_be_loaded(
    option: str, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(environ: dict[str, str]) -> None:
        raise LibraryMissingError(QT_LIBRARIES[:1])

    monkeypatch.setattr("rnnviz.gui.app.check_platform", check)
    assert main(["run", config, "--engines", ENGINES, option, str(tmp_path / "a.png")]) == WRONG_INPUT
    said = capsys.readouterr().err
    assert (said.count("\n"), option in said, QT_LIBRARIES[0].debian in said) == (1, True, True)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.slow
@needs("PySide6")
def test_a_report_and_a_notebook_are_written_and_the_report_has_a_picture_for_either_kind_of_page(
    config: str, tmp_path: Path
) -> None:
    report, notebook = tmp_path / "run.html", tmp_path / "run.ipynb"
    words = ["run", config, "--engines", ENGINES, "--report", str(report), "--notebook", str(notebook), "--quiet"]
    assert main(words) == DISAGREE
    text = report.read_text(encoding="utf-8")
    assert "bug:no-h2h-bias is wrong" in text
    pictures = [b64decode(word) for word in re.findall(r'"data:image/png;base64,([^"]+)"', text)]
    assert len(set(pictures)) == 2
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", picture[16:24]) == (1600, 1000)
    cells = nbformat.read(notebook, as_version=nbformat.NO_CONVERT)
    nbformat.validate(cells)
    assert "bug:no-h2h-bias is wrong" in cells.cells[0].source


@pytest.mark.parametrize("kind", ["report", "page", "notebook"])
def test_a_missing_folder_is_reported_before_the_run(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = tmp_path / "no" / "a"
    assert main(["run", config, "--engines", ENGINES, f"--{kind}", str(path)]) == WRONG_INPUT
    assert capsys.readouterr().err == (f"rnnviz: {path} cannot be written: the folder {path.parent} does not exist.\n")


@pytest.mark.parametrize(
    ("option", "file", "begins"),
    [
        ("--notebook", "n.ipynb", "rnnviz: A notebook of this run would contain "),
        ("--page", "p.html", "rnnviz: An interactive page has at most 5 MB, but this run needs "),
    ],
)
def test_a_run_too_large_for_an_output_is_refused_before_any_engine_computes(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, file: str, begins: str
) -> None:
    with Path(config).open("a", encoding="utf-8") as opened:
        opened.write("[sequence]\ntimesteps = 400000\n")
    outputs = (option, str(tmp_path / file), "--json", str(tmp_path / "n.json"))
    assert main(["run", config, "--engines", ENGINES, "--quiet", *outputs]) == WRONG_INPUT
    assert capsys.readouterr().err.startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.slow
def test_a_file_that_cannot_be_written_takes_no_other_with_it_and_hides_no_disagreement(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, table = tmp_path / "pipe", tmp_path / "t.json"
    os.mkfifo(pipe)
    words = ["run", config, "--engines", ENGINES, "--csv", str(pipe), "--json", str(table), "--quiet"]
    assert main(words) == DISAGREE
    assert capsys.readouterr().err.count(f"rnnviz: {pipe} cannot be written") == 1
    assert json.loads(table.read_text(encoding="utf-8"))["verdict"] == "disagree"
    write_starter("gru", tmp_path / "mine.py")
    words[3] = f"manual,{tmp_path / 'mine.py'}"
    assert main(words) == WRONG_INPUT
    assert json.loads(table.read_text(encoding="utf-8"))["verdict"] == "agree"
