"""Figures for papers: sizes, formats, contents, and one sentence for each option that is not valid."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QImage

import rnnviz
from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.masks import Mask
from rnnviz.core.trace_index import Location
from rnnviz.gui.export.paper import Layout, content_of, lanes_svg, write_figure
from rnnviz.io.export.paper import MM, PAPERS, VIEWS, PaperFigure
from rnnviz.lessons.index import find_lesson
from rnnviz.verify.result import RunResult
from tests.cases import cases
from tests.factories import make_result
from tests.golden.runs import BOTH, EXACT, edited, judged
from tests.shared_worker import run_shared

__all__ = ["run_shared"]

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(scope="module")
def result():
    """Two layers in both directions with gradients, two samples of different lengths, and a wrong engine."""
    made = make_result(
        BOTH, bidirectional=True, num_layers=2, gradients=BOTH, lengths=(2, 5), edits={"manual": edited(9.0)}
    )
    return judged(made)


def texts(result: RunResult, path: Path, **options: object) -> list[str]:
    rnnviz.figure(result, path, **options)
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_axes_without_words_of_the_window(result, tmp_path, view):
    found = texts(result, tmp_path / "figure.svg", view=view, title="A title")
    assert found[0] == "A title"
    label = "error ratio: difference / tolerance" if view == "histogram" else "time step"
    assert label in found
    assert not [text for text in found if "Show" in text or "agree" in text or "differ " in text]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("h", ["hidden state h of gluon", "input x"]),
        ("pre_h", ["pre-activation of h of gluon"]),
        ("norm", ["norm of h of gluon"]),
        ("grad.h", ["gradient of h of gluon", "gradient of the input x"]),
        ("difference", ["difference manual − gluon"]),
        ("error_ratio", ["error ratio (1 is the limit)"]),
    ],
)
def test_the_scale_of_lanes_has_its_quantity(result, tmp_path, quantity, words):
    found = texts(result, tmp_path / "lanes.svg", quantity=quantity, width="170mm")
    lanes = [text for text in found if text.startswith("layer")]
    assert [lane.partition(",")[0] for lane in lanes] == ["layer 1", "layer 1", "layer 0", "layer 0"]
    assert [word for word in [*words, "padding"] if word not in found] == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height", "size"), [("85mm", "90mm", (85.0, 90.0)), ("3in", None, (76.2, None))])
def test_a_file_has_the_size_in_millimeters(result, tmp_path, width, height, size):
    paths = [tmp_path / f"figure.{ending}" for ending in ("svg", "pdf", "png")]
    for path in paths:
        rnnviz.figure(result, path, width=width, height=height, resolution=254)
    svg = re.search(r'width="([\d.]+)mm" height="([\d.]+)mm"', paths[0].read_text(encoding="utf-8"))
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paths[1].read_bytes())
    image = QImage(str(paths[2]))
    found = [tuple(map(float, svg.groups())), tuple(float(side) / 72 * 25.4 for side in box.groups())]
    found += [(image.width() / 10, image.height() / 10)]
    for across, down in found:
        assert across == pytest.approx(size[0], abs=0.3)
        assert down == pytest.approx(found[0][1] if size[1] is None else size[1], abs=0.3)


def test_values_are_drawn_in_their_places(tmp_path):
    pictures = []
    for value in (0.0, -0.5):

        def edit(trace, value=value):
            trace.hidden[:] = 0.0
            trace.hidden[0, 0, 0, 0, 0] = 0.5
            trace.hidden[0, 0, 4, 0, 3] = value

        run = make_result(edits={"gluon": edit, "manual": edit})
        write_figure(run, tmp_path / "one.png", PaperFigure(width=110 * MM))
        image = QImage(str(tmp_path / "one.png"))
        pictures.append(
            np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)[:, : image.width()].copy()
        )
    rows, columns = np.nonzero(pictures[0] != pictures[1])
    height, width = pictures[0].shape
    # The last of five time steps; the last of four units of the only lane, which is above the input.
    assert columns.min() > 0.75 * width
    assert columns.max() - columns.min() == pytest.approx(width / 5, rel=0.2)
    assert (rows.max() - rows.min()) * 4 < height / 2


@pytest.mark.parametrize("theme", PAPERS)
def test_the_ground_is_that_of_the_theme(result, tmp_path, theme):
    rnnviz.figure(result, tmp_path / "units.png", view="units", theme=theme, width="400px", resolution=96)
    image = QImage(str(tmp_path / "units.png"))
    assert image.size().width() == QSize(400, 1).width()
    assert (image.pixelColor(399, 0).lightness() < 128) == (theme == "dark")


@pytest.mark.parametrize(("options", "parts"), cases(__file__)["refused-options"])
def test_an_option_that_is_not_valid_is_one_sentence(result, tmp_path, options, parts):
    with pytest.raises(InputError) as caught:
        rnnviz.figure(result, tmp_path / "figure.pdf", **options)
    sentence = str(caught.value)
    assert [part for part in parts if part not in sentence] == [], sentence
    assert sentence.endswith((".", "?"))
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_and_missing_libraries_are_one_sentence(result, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"path must end in .pdf, .svg or .png"):
        rnnviz.figure(result, tmp_path / "figure.jpg")
    monkeypatch.setattr("rnnviz.io.export.paper.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install \"rnnviz\[window\]\""):
        rnnviz.figure(result, tmp_path / "figure.pdf")


def test_gradients_and_audits_that_a_run_lacks_are_one_sentence(tmp_path):
    bare = make_result(edits={"manual": edited(9.0, Location())}, compare_with=EXACT)
    for options, part in (
        ({"view": "gradient-flow"}, "backward.enabled"),
        ({"view": "error", "quantity": "audit"}, "audit"),
    ):
        with pytest.raises(InputError, match=part):
            rnnviz.figure(replace(bare), tmp_path / "figure.pdf", **options)


def test_gradient_flow_has_the_norms_of_both_ends_and_the_shown_steps_alone(result):
    figure = PaperFigure(view="gradient-flow", engine="gluon", times=range(1, 4), where=Location(sample=1))
    svg = Layout.of(figure, content_of(result, figure)).encoded(".svg").decode()
    norms = np.linalg.norm(result["gluon"]["grad.h"][0, 0, :, 1], axis=-1)
    assert f"layer 0, forward: {number_format.error(norms[1])} … {number_format.error(norms[3])}<" in svg
    lines = [np.fromstring(points.replace(",", " "), sep=" ") for points in re.findall(r'points="([^"]+)"', svg)]
    assert all((points[::2] >= 0.0).all() and (points[::2] <= figure.width).all() for points in lines)


@pytest.mark.parametrize("view", ["units", "error", "gradient-flow", "lanes"])
def test_a_caption_names_quantity_network_and_time_steps(result, view):
    caption = content_of(result, PaperFigure(view=view, engine="manual")).caption()
    assert caption.count("an RNN tanh, 2 layers of 4 units, in both directions, over 5 time steps") == 1


def test_a_number_that_a_lesson_asks_for_is_called_so(result):
    words = {}
    for masks in ((), (Mask("h"),), (Mask("f"),)):
        svg = lanes_svg(result, PaperFigure(), masks).decode()
        words[masks] = [word for word in ("no value", "asked") if f">{word}<" in svg]
    assert list(words.values()) == [[], ["asked"], []]


def test_the_legend_of_lanes_explains_what_is_in_them_alone():
    def edit(trace):
        trace.hidden[0, 0, 3, 0, 1] = special

    words = {}
    for special in (0.5, 1e6, np.nan, -np.inf):
        run = make_result(edits={"gluon": edit}, timesteps=900)
        svg = lanes_svg(run, PaperFigure(engine="gluon"), ()).decode()
        words[str(special)] = [word for word in ("beyond the scale", "NaN", "-infinity") if f">{word}<" in svg]
    assert words == {"0.5": [], "1000000.0": ["beyond the scale"], "nan": ["NaN"], "-inf": ["-infinity"]}


@pytest.mark.slow
def test_characters_on_the_time_axis_end_with_their_sample(run_shared):
    result = run_shared(find_lesson("padding").config)
    shortest = min(range(result.shape[3]), key=result.inputs.length)
    drawn = lanes_svg(result, PaperFigure(where=Location(sample=shortest)), ())
    assert drawn.startswith(b"<?xml")
