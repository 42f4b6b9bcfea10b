"""Long outputs of the command line: Ctrl-C leaves no file, and the output of an engine is printed."""

import json
import os
import re
import struct
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from rnnviz.cli import terminal
from rnnviz.cli.terminal import DISAGREE, INTERRUPTED, WRONG_INPUT
from rnnviz.gui.app import QT_LIBRARIES, LibraryMissingError
from rnnviz.io.templates import write_starter
from tests.cli.calls import WRONG, write
from tests.needs import needs

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.fixture
def config(tmp_path):
    return str(write(tmp_path, network={"cell": "gru"}))


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_ctrl_c_while_a_file_is_written_leaves_nothing_of_it(config, tmp_path, monkeypatch, rnnviz, kind, old):
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"out.{kind}"
    if old is not None:
        path.write_text(old, encoding="utf-8")
    at_work: list[list[str]] = []

    @contextmanager
    def interrupted(_quiet):
        def tell(stage, _fraction):
            if str(stage).startswith("writing"):
                at_work.append(os.listdir(folder))
                raise KeyboardInterrupt

        yield tell

    monkeypatch.setattr(terminal, "progress_bar", interrupted)
    answer = rnnviz("run", config, "--engines", WRONG, f"--{kind}", path)
    assert (answer.code, answer.err) == (INTERRUPTED, "")
    assert any(name.startswith(f".{path.name}.") for name in at_work[0])
    assert [entry.read_text(encoding="utf-8") for entry in folder.iterdir()] == ([] if old is None else [old])


@pytest.mark.slow
def test_prints_of_a_custom_step_are_reported_under_its_name(config, tmp_path, rnnviz):
    own = tmp_path / "talking.py"
    own.write_text(
        "import sys\nprint('imported')\n"
        "def step(x, state, p):\n"
        "    print('the input has shape', x.shape)\n    print('beware', file=sys.stderr)\n    return state\n",
        encoding="utf-8",
    )
    words = ["run", config, "--engines", f"manual,{own}"]
    answer = rnnviz(*words)
    before, _, after = answer.out.partition("talking.py printed:\n")
    assert (answer.code, answer.err) == (1, "")
    assert "the input has shape" not in before
    assert "the input has shape (16, 3)" in after
    quiet, figures = rnnviz(*words, "--quiet"), rnnviz(*words, "--json", "-")
    assert (quiet.out, quiet.err) == ("", "")
    assert "the input has shape" not in figures.out


def test_gates_follow_the_documented_columns_and_need_a_csv_file(config, tmp_path, rnnviz):
    path = tmp_path / "gates.csv"
    assert rnnviz("run", config, "--engines", WRONG, "--csv", path, "--gates", "--quiet").code == DISAGREE
    header = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
    assert header[7:10] == ["abs_error", "mismatch", "manual.recomputed.r"]
    assert header[-1] == "bug:no-h2h-bias.recomputed.pre_n"
    assert rnnviz.refused("run", config, "--engines", WRONG, "--gates") == "--gates needs --csv or --npz."


@pytest.mark.parametrize("option", ["--picture", "--report"])
def test_a_picture_is_refused_before_the_run_where_qt_cannot_be_loaded(option, config, tmp_path, rnnviz, monkeypatch):
    def check(environ):
        raise LibraryMissingError(QT_LIBRARIES[:1])

    monkeypatch.setattr("rnnviz.gui.app.check_platform", check)
    sentence = rnnviz.refused("run", config, "--engines", WRONG, option, tmp_path / "a.png")
    assert option in sentence
    assert QT_LIBRARIES[0].debian in sentence
    assert not (tmp_path / "a.png").exists()


@pytest.mark.slow
@needs("PySide6")
def test_a_report_and_a_notebook_are_written_and_the_report_has_a_picture_for_either_kind_of_page(
    config, tmp_path, rnnviz
):
    report, notebook = tmp_path / "run.html", tmp_path / "run.ipynb"
    words = ("--engines", WRONG, "--report", report, "--notebook", notebook, "--quiet")
    assert rnnviz("run", config, *words).code == DISAGREE
    text = report.read_text(encoding="utf-8")
    assert "bug:no-h2h-bias is wrong" in text
    pictures = [b64decode(word) for word in re.findall(r'"data:image/png;base64,([^"]+)"', text)]
    assert len(set(pictures)) == 2
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">I", picture[16:20])[0] > 1500
    cells = nbformat.read(notebook, as_version=nbformat.NO_CONVERT)
    nbformat.validate(cells)
    assert "bug:no-h2h-bias is wrong" in cells.cells[0].source


@pytest.mark.parametrize(
    ("option", "file", "begins"),
    [
        ("--report", "no/a", "no/a cannot be written: the folder "),
        ("--notebook", "n.ipynb", "A notebook of this run would contain "),
        ("--page", "p.html", "An interactive page has at most 5 MB, but this run needs "),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_engine_computes(
    config, tmp_path, rnnviz, monkeypatch, option, file, begins
):
    with Path(config).open("a", encoding="utf-8") as opened:
        opened.write("[sequence]\ntimesteps = 400000\n")
    monkeypatch.chdir(tmp_path)
    sentence = rnnviz.refused("run", config, "--engines", WRONG, "--quiet", option, file, "--json", "n.json")
    assert sentence.startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.slow
def test_a_file_that_cannot_be_written_takes_no_other_with_it_and_hides_no_disagreement(config, tmp_path, rnnviz):
    pipe, table, own = tmp_path / "pipe", tmp_path / "t.json", tmp_path / "mine.py"
    os.mkfifo(pipe)
    write_starter("gru", own)
    for engines, code, verdict in ((WRONG, DISAGREE, "disagree"), (f"manual,{own}", WRONG_INPUT, "agree")):
        answer = rnnviz("run", config, "--engines", engines, "--csv", pipe, "--json", table, "--quiet")
        assert answer.code == code
        assert answer.err.count(f"rnnviz: {pipe} cannot be written") == 1
        assert json.loads(table.read_text(encoding="utf-8"))["verdict"] == verdict
