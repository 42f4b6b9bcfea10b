"""The Python face: what its page in the guide says runs as written, and the types that it promises hold."""

import inspect
import os
import re
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pytest

import rnnviz
from rnnviz.core.resources import resource_path
from rnnviz.io.templates import starter
from rnnviz.lessons.index import find_lesson
from tests.cases import cases
from tests.factories import make_result
from tests.programs import python
from tests.shared_worker import WARM, commands_use

_CLOSE_THE_WINDOW = cases(__file__)["close-the-window"]


def examples() -> str:
    """The Python of the guide's page, as one script."""
    text = resource_path("guide", "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 9
    return "\n".join(blocks)


def parsed(html: str) -> Element:
    """The elements of valid HTML, none of which loads or runs anything."""
    body = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(html)
    assert not {element.tag for element in body.iter()} & {"script", "style", "img", "link"}
    return body


def text_of(html: str) -> str:
    return " ".join(parsed(html).itertext())


@pytest.mark.nightly
def test_the_guides_examples_run_as_written_and_show_waits_for_the_window(tmp_path):
    (tmp_path / "lstm.toml").write_text(find_lesson("lstm").path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mine.py").write_text(starter("gru"), encoding="utf-8")
    (tmp_path / "script.py").write_text(_CLOSE_THE_WINDOW + examples(), encoding="utf-8")
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    answer = python("script.py", cwd=tmp_path, env=environment)
    assert answer.returncode == 0, answer.stderr
    told = answer.stdout
    assert re.search(r"^✔ manual and \w+ agree", told, re.MULTILINE)
    assert re.search(r"^layer 0, forward, t = 0, sample 0, unit 0 \S+ \S+$", told, re.MULTILINE)
    assert "bug:no-h2h-bias wrong (('no-h2h-bias',)" in told
    assert "no-such-file.toml does not exist" in told
    # What follows the line that shows the window comes after it was closed.
    assert re.search(r"^window: agree\n\d\S*\n\Z", told, re.MULTILINE)


def test_code_that_a_config_names_runs_only_if_it_is_trusted(tmp_path):
    ran, mine = tmp_path / "ran", str(tmp_path / "mine.py")
    Path(mine).write_text(f"open({str(ran)!r}, 'w').close()\n{starter('gru')}", encoding="utf-8")
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    config = rnnviz.Config.from_mapping({"network": network}).with_engines(("manual", mine))
    for trusted in ((), {"other.py"}):
        with pytest.raises(rnnviz.InputError, match="which is Python code"):
            rnnviz.run(config, trusted)
    assert not ran.exists()
    with commands_use(WARM):
        assert rnnviz.run(config, {mine}).verdict == "agree"
    assert ran.exists()


def test_a_further_run_in_the_same_process_reads_changed_files_again(tmp_path):
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    config = rnnviz.Config.from_mapping({"network": network}).with_engines(("manual", str(tmp_path / "mine.py")))
    own, verdicts = Path(config.compare.candidates[0]), []
    recorded = config.with_engines(("manual", f"recording:{tmp_path / 'recorded.npz'}"))
    for factor in (1, 0):
        own.write_text(f"{starter('gru')}\nright = step\n", encoding="utf-8")
        with own.open("a", encoding="utf-8") as file:
            file.write(f"\ndef step(x, state, p):\n    return right({factor} * x, state, p)\n")
        run = rnnviz.run(config, {str(own)})
        np.savez(tmp_path / "recorded.npz", hidden=factor * np.array(run["manual"].hidden))
        verdicts.append((run.verdict, rnnviz.run(recorded).verdict))
    assert verdicts == [("agree", "agree"), ("disagree", "disagree")]


def test_every_name_is_there_and_every_function_fully_annotated():
    assert set(rnnviz.__all__) <= set(dir(rnnviz))
    for name in rnnviz.__all__:
        thing = getattr(rnnviz, name)
        if inspect.isfunction(thing):
            hints = set(thing.__annotations__)
            assert hints == {*inspect.signature(thing).parameters, "return"}, name
    with pytest.raises(AttributeError, match="no_such_name"):
        rnnviz.no_such_name  # noqa: B018 - the look is what fails


def test_a_run_is_shown_as_its_verdicts_and_a_table_with_the_first_mismatch():
    result = make_result(("manual", "gluon", "bug:no-h2h-bias"))
    seen = text_of(result._repr_html_())
    first = result.comparison("bug:no-h2h-bias").first_mismatch
    assert first is not None
    for words in ("manual and gluon agree", "bug:no-h2h-bias differs from manual", str(first.where)):
        assert words in seen
    for value in (first.reference, first.candidate):
        assert f"{value:.3f}" in seen.split()
    assert [line[0] for line in repr(result).splitlines()] == ["r", "✘", "✘", "✔"]
    assert repr(result["gluon"]) == "Trace of gluon: hidden (L, D, T, N, H) = (1, 1, 5, 2, 4), float32"


def test_a_comparison_is_shown_by_itself_and_names_that_look_like_html_are_escaped():
    comparison = make_result(("manual", "bug:no-h2h-bias")).comparisons[0]
    seen = text_of(comparison._repr_html_())
    assert repr(comparison) in seen
    assert f"{comparison.mismatched} of {comparison.elements} values exceed" in seen
    name = "./<img src=x onerror=alert(1)>.py"
    assert "<img src=x onerror=alert(1)>.py agrees with manual" in text_of(make_result(("manual", name))._repr_html_())


def test_the_html_inherits_the_colors_of_the_page():
    styles = "; ".join(element.get("style") or "" for element in parsed(make_result()._repr_html_()).iter())
    assert not re.search(r"(?<![-\w])color: (?!inherit)", styles)
    assert not re.search(r"background(-color)?: (?!none)", styles)


_TYPED = cases(__file__)["typed"]


@pytest.mark.nightly
def test_mypy_accepts_the_examples_and_finds_errors_of_users(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(examples() + _TYPED, encoding="utf-8")
    lines = script.read_text(encoding="utf-8").splitlines()
    answer = python("-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", script, cwd=tmp_path, seconds=280)
    told = [line for line in answer.stdout.splitlines() if ": error:" in line]
    assert len(told) == 2, answer.stdout
    assert re.search(rf":{lines.index('rnnviz.no_such_name') + 1}: .*no_such_name", told[0])
    assert "Config" in told[1]


@pytest.mark.slow
def test_in_jupyter_the_window_opens_while_the_notebook_continues(tmp_path):
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    (tmp_path / "lstm.toml").write_text(find_lesson("lstm").path.read_text(encoding="utf-8"), encoding="utf-8")
    windows = (
        "from PySide6.QtWidgets import QApplication, QMainWindow\n"
        "windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible()]\n"
        "[w.session.result is run for w in windows]"
    )
    # On a busy machine ipykernel 7 now and then misses that there is a message while Qt's events are handled: it looks
    # again whenever its loop is left.
    looks_again = (
        "from PySide6.QtCore import QTimer\n"
        "timer = QTimer(interval=100)\n"
        "timer.timeout.connect(lambda kernel=get_ipython().kernel: kernel.app.qt_event_loop.quit())\n"
        "timer.start()"
    )
    cells = [
        f"%gui qt\n{looks_again}",
        "import rnnviz\nrun = rnnviz.run(rnnviz.load_config('lstm.toml'))\nrun",
        "rnnviz.show(run)",
        windows,
        "import gc; gc.collect(); 6 * 7",
        windows,
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=environment)

    def shown(cell, kind="text/plain"):
        return next(o["data"][kind] for o in notebook.cells[cell].outputs if o.output_type == "execute_result")

    assert "agree" in text_of(shown(1, "text/html"))
    assert [shown(3), shown(4), shown(5)] == ["[True]", "42", "[True]"]


def test_a_run_gives_the_lengths_of_its_samples():
    assert make_result(lengths=(5, 2)).lengths == (5, 2)
    assert make_result().lengths == (5, 5)
