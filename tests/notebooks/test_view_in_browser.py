"""The widget's JavaScript in a browser, with a model as a notebook has one: selection and colors go both ways."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.notebooks.display import view_html
from tests.browser import BROWSER, Browser, page
from tests.factories import make_result
from tests.needs import needs

__all__ = ["page"]

pytestmark = [pytest.mark.slow, needs(*BROWSER)]

NOTEBOOK = Path(__file__).with_name("notebook.html").read_text(encoding="utf-8")
THEME = "return document.documentElement.dataset.theme;"
PLACE = "return [state.at.layer, state.at.direction, state.at.time, run.samples[state.at.sample], state.at.unit];"


@pytest.fixture
def notebook(page, tmp_path):
    result = make_result(num_layers=2, bidirectional=True, lengths=[5, 4])
    values = {"_html": view_html(result, Location(1, 0, 2, 1, 3)), "selection": [1, 0, 2, 1, 3]}
    script = b64encode(resource_path("page", "view.js").read_bytes()).decode()
    path = tmp_path / "notebook.html"
    path.write_text(NOTEBOOK % {"values": json.dumps(values).replace("<", "\\u003c"), "script": script}, "utf-8")
    page.show_as(1000)
    page.open(path)
    until(page, "return window.loaded === 1;", True)
    return page


def until(page: Browser, script: str, expected: Any) -> None:
    """Wait, as messages between documents arrive later, until a script returns a value."""
    wait = f"""const end = Date.now() + 30000, done = arguments[arguments.length - 1], expected = arguments[0];
    const look = () => {{
      const found = JSON.stringify((() => {{ {script} }})());
      if (found === expected || Date.now() > end) done(found); else setTimeout(look, 10);
    }};
    look();"""
    assert page.run_later(wait, json.dumps(expected, separators=(",", ":"))) == json.dumps(
        expected, separators=(",", ":")
    )


def in_frame(page: Browser, script: str, *arguments: Any) -> Any:
    page.enter_frame(0)
    try:
        return page.run(script, *arguments)
    finally:
        page.enter_frame(None)


def until_in_frame(page: Browser, script: str, expected: Any) -> None:
    page.enter_frame(0)
    try:
        until(page, script, expected)
    finally:
        page.enter_frame(None)


def test_a_value_chosen_in_the_page_is_the_selection_of_the_model(notebook):
    until_in_frame(notebook, PLACE, [1, 0, 2, 1, 3])
    assert notebook.run("return window.saved;") == []
    left, top = notebook.run("const r = document.querySelector('iframe').getBoundingClientRect(); return [r.x, r.y];")
    x, y = in_frame(
        notebook,
        """const lane = layout.lanes.find((own) => own.layer === 0 && own.direction === 1);
        const box = canvas.getBoundingClientRect();
        return [box.x + xOf(1.5), box.y + lane.top + 2.5 * layout.row];""",
    )
    notebook.click(round(left + x), round(top + y))
    until(notebook, "return model.get('selection');", [0, 1, 1, 1, 2])
    in_frame(notebook, "select({ sample: 0 }); select({ sample: 0 });")
    until(notebook, "return window.saved;", [[0, 1, 1, 1, 2], [0, 1, 1, 0, 2]])


def test_a_selection_of_the_model_is_shown_in_the_page(notebook):
    notebook.run("model.set('selection', [0, 1, 4, 0, 1]);")
    until_in_frame(notebook, PLACE, [0, 1, 4, 0, 1])
    assert in_frame(notebook, "return byId('place').textContent;") == "Layer 0, backward, t = 4, sample 0, unit 1"


def test_the_page_is_not_sent_its_own_choice_when_it_may_have_a_later_one(notebook):
    in_frame(notebook, "window.got = []; window.addEventListener('message', ({ data }) => got.push(data));")
    in_frame(notebook, "select({ time: 3 }); select({ time: 0 }); select({ time: 1 });")
    until(notebook, "return model.get('selection');", [1, 0, 1, 1, 3])
    notebook.run("model.set('selection', [1, 0, 2, 0, 3]);")
    until_in_frame(notebook, "return got.at(-1).selection;", [1, 0, 2, 0, 3])
    assert in_frame(notebook, "return got.length;") == 1


def test_the_page_takes_the_selection_again_when_the_notebook_loads_it_again(notebook):
    notebook.run("model.set('selection', [0, 0, 3, 0, 1]);")
    notebook.run("const cell = document.getElementById('output'); cell.remove(); document.body.append(cell);")
    until(notebook, "return window.loaded;", 2)
    until_in_frame(notebook, PLACE, [0, 0, 3, 0, 1])
    notebook.run("window.remove(); model.set('selection', [1, 1, 1, 1, 1]);")
    in_frame(notebook, "select({ time: 4 });")
    assert in_frame(notebook, PLACE) == [0, 0, 4, 0, 1]
    assert notebook.run("return model.get('selection');") == [1, 1, 1, 1, 1]


def test_the_page_has_the_colors_of_the_notebook_and_leaves_it_focus_and_wheel(notebook):
    until_in_frame(notebook, THEME, "dark")
    notebook.run("document.body.className = '';")
    until_in_frame(notebook, THEME, "light")
    assert notebook.run("return document.activeElement.id;") == "cell"
    wheel = """const event = new WheelEvent('wheel', { deltaY: -300, ctrlKey: arguments[0], cancelable: true });
    canvas.dispatchEvent(event);
    return [event.defaultPrevented, state.span < run.timesteps];"""
    assert in_frame(notebook, wheel, False) == [False, False]
    assert in_frame(notebook, wheel, True) == [True, True]
    assert notebook.messages() == []


def test_messages_that_are_not_for_the_page_change_nothing(notebook):
    until_in_frame(notebook, THEME, "dark")
    send = "document.querySelector('iframe').contentWindow.postMessage(arguments[0], '*');"
    for message in (None, 3, "dark", {"selection": [0]}, {"selection": [0, 0, "1", 0, 0]}, {"selection": 1}):
        notebook.run(send, message)
    notebook.run("window.postMessage({ selection: [0, 0, 0, 0, 0] }, '*');")
    # Messages arrive in their order.
    notebook.run(send, {"dark": False})
    until_in_frame(notebook, THEME, "light")
    assert in_frame(notebook, PLACE) == [1, 0, 2, 1, 3]
    assert notebook.run("return window.saved;") == []
    assert notebook.messages() == []
