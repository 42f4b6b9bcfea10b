"""The interactive page in a browser: its numbers are those of the window, and keys and screen readers reach them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from rnnviz.core import number_format
from rnnviz.core.config import Compare, Config
from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.places import Place
from rnnviz.core.sequence import timestep_in_words
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.explain.explanation import explain
from rnnviz.explain.lines import format_distinct, format_short
from rnnviz.explain.terms import term_table
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.colormap import ColorScale, color_table, error_ratio_scale
from rnnviz.io.export.interactive_page import write_page
from rnnviz.lessons.content import read_lesson
from rnnviz.lessons.index import lesson_entries
from rnnviz.reading.lane_reader import LaneReader
from rnnviz.steps.inputs import followed
from rnnviz.text.verdict_text import verdicts
from rnnviz.verify.metrics import abs_error, tolerance
from rnnviz.verify.result import RunResult
from tests.browser import BROWSER, Browser, page
from tests.explain.arithmetics import explain_at
from tests.explain.test_backward import NETWORKS as CELLS
from tests.explain.test_backward import case_of
from tests.explain.test_every_cell import NETWORKS as EVERY_CELL
from tests.factories import make_result, result_of, with_judgment
from tests.needs import needs
from tests.profiles import nightly_except
from tests.shared_worker import run_shared

__all__ = ["page", "run_shared"]

pytestmark = [pytest.mark.slow, needs(*BROWSER)]

LESSONS = {entry.path.stem: entry.path for entry in lesson_entries()}
WIDTHS = (400, 1280, 2560)
QUESTIONS = Path(__file__).with_name("questions.js").read_text(encoding="utf-8")


def asked(function: str) -> str:
    """The script that calls a function of the questions with the arguments of a test."""
    return f"{QUESTIONS}\nreturn {function}(...arguments);"


@pytest.fixture
def open_page(page, tmp_path):
    def open_result(result, start=None):
        path = tmp_path / "page.html"
        assert write_page(result, path, start) <= 5_000_000
        page.open(path)
        return path

    page.show_as(1280)
    return open_result


def number(value: Any) -> float:
    return (
        float("nan") if value is None else float(value.replace("infinity", "inf")) if isinstance(value, str) else value
    )


def check_lanes(page: Browser, result: RunResult, samples: range) -> None:
    """Every value and mark of every quantity, engine and lane."""
    layers, directions, timesteps, _, units = result.shape
    traces = list(result.traces)
    every = slice(0, timesteps), slice(0, units)
    for name in page.run("return quantityNames();"):
        for engine, own in enumerate(traces):
            candidate = traces[engine or 1]
            if not page.run("return Boolean(engines[arguments[0]].arrays[arguments[1]]);", engine, name) and (
                name not in ("error_ratio", "difference")
            ):
                continue
            reader_name = "value" if name == "h" else name
            for layer, direction, sample in np.ndindex(layers, directions, len(samples)):
                lane = Lane(layer, direction)
                reader = LaneReader(result, own, candidate, samples[sample], reader_name)
                expected = reader.cells(lane, *every)
                values, marks = page.run(asked("laneAnswer"), name, engine, engine, layer, direction, sample)
                found = np.array([number(value) for value in values]).reshape(timesteps, units).T
                recorded = reader.recorded(lane)
                times = slice(recorded.start, min(recorded.stop, reader.length))
                assert np.array_equal(found[:, times], expected.values[:, times], equal_nan=True), (name, own, lane)
                marked = np.zeros(found.shape, bool) if expected.marks is None else expected.marks
                assert np.array_equal(np.reshape(marks, (timesteps, units)).T, marked), (name, own, lane)


def check_arithmetic(page: Browser, result: RunResult, where: Location) -> None:
    """Every line, term, sum and text of the arithmetic of a value."""
    explanation = explain_at(result, where)
    for name, own in explanation.breakdowns.items():
        if name in explanation.unread:
            continue
        lines, outcomes = page.run(asked("stepAnswer"), list(result.traces).index(name), *where.index)
        cell = own.by_name.get("c")
        exact = cell is None or cell.own is not None
        assert [line[0] for line in lines] == [line.name for line in own.lines]
        for line, (_, value, text, rows) in zip(own.lines, lines, strict=True):
            table = term_table([line], top=10**6).rows
            assert text == line.equation.numbers
            assert [row[:2] for row in rows] == [[row.kind, row.name] for row in table]
            figures = [[f.factor, f.input, f.product, f.added, f.stop] for f in (row.figures[0] for row in table)]
            for row, numbers in zip(rows, figures, strict=True):
                compare_row(row[2:], numbers, row[0], exact=exact)
            same(number(value), line.value, exact=exact)
        assert [outcome[0] for outcome in outcomes] == [outcome.symbol for outcome in own.outcomes]
        if name != result.reference.engine and not explanation.unread:
            pair = explain_at(result, where, candidates=[name])
            found = page.run(asked("sentencesAnswer"), list(result.traces).index(name), *where.index)
            # The page has no arithmetic with a likely cause, which it names.
            assert found == [text.partition(" With it the equations give ")[0] for text in pair.sentences]
        for (_, stored, computed), outcome in zip(outcomes, own.outcomes, strict=True):
            same(number(stored), outcome.stored, exact=True)
            same(number(computed), outcome.computed, exact=exact)


SHOWN = {"term": range(5), "bias": (2, 3, 4), "part": (2,), "total": (4,)}
"""Of weight, input, product, addend and sum those that a row of a kind has."""


def compare_row(found: list[Any], expected: list[float | None], kind: str, *, exact: bool) -> None:
    for own, value in ((found[k], expected[k]) for k in SHOWN[kind] if expected[k] is not None):
        assert own is not None or kind == "term"
        if own is not None:
            same(number(own), value, exact=exact)


def same(found: float, expected: float, *, exact: bool) -> None:
    """Cell states that an engine does not give are found anew for each look, and may differ in the last digits."""
    if exact or not np.isfinite(expected):
        assert np.array_equal(found, expected, equal_nan=True)
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert format_short(found) == format_short(expected)


def drawn_places(result: RunResult, samples: range, count: int) -> Iterator[Location]:
    """Places with an arithmetic, among them the first mismatch."""
    draw = Random(0)
    for comparison in result.comparisons:
        if comparison.first_mismatch is not None and comparison.first_mismatch.where.sample in samples:
            yield comparison.first_mismatch.where
    layers, directions, _, _, units = result.shape
    reverse = result.config.network.reverse
    for _ in range(count):
        layer, direction, sample = draw.randrange(layers), draw.randrange(directions), draw.choice(samples)
        times = [followed(result.inputs, trace, layer, direction) for trace in result.traces.values()]
        stop = min(result.inputs.length(sample), *(own.stop for own in times))
        start = max(own.start for own in times)
        if start < stop:
            yield Location(
                layer, direction, draw.randrange(start, stop), sample, draw.randrange(units), reverse=reverse
            )


@pytest.mark.parametrize("name", nightly_except(LESSONS, "05-lstm"))
def test_the_page_of_a_lesson_has_the_numbers_of_the_window(name, page, open_page, run_shared):
    step = read_lesson(LESSONS[name]).steps[-1]
    result = run_shared(step.config)
    path = open_page(result, step.location(Location()))
    assert page.messages() == []
    assert page.requests() == [path.as_uri()]
    samples = range(len(page.run("return run.samples;")))
    check_lanes(page, result, samples)
    for where in drawn_places(result, samples, 6):
        check_arithmetic(page, result, where)
        if page.run("return engines.some((engine) => engine.backward);"):
            check_gradients(page, result, where)
    found = page.run("return [...document.querySelectorAll('.verdict > p')].map((own) => own.textContent);")
    assert found == [str(words) for words in verdicts(result)]
    array = result.inputs.sequence
    for engine, trace in enumerate(result.traces.values()):
        if OF_INPUT in trace:
            gradient = page.run("return Array.from(engines[arguments[0]].arrays['grad.input'].values);", engine)
            assert np.array_equal(gradient, trace[OF_INPUT][:, samples].ravel())
    assert np.array_equal(page.run("return Array.from(run.x.values);"), array[:, samples].ravel())
    for width in WIDTHS:
        page.show_as(width)
        assert page.run("return document.documentElement.scrollWidth <= window.innerWidth;"), width
    assert page.messages() == []


NETWORKS = EVERY_CELL | {
    "float64": {"cell": "gru", "dtype": "float64"},
    "reverse": {"cell": "rnn_relu", "reverse": True, "bidirectional": False},
}


@pytest.mark.parametrize("name", nightly_except(NETWORKS, "peephole", "reverse"))
def test_the_arithmetic_of_every_cell(name, page, open_page):
    network = {"num_layers": 2, "bidirectional": True, **NETWORKS[name]}
    result = make_result(("manual", "bug:no-h2h-bias"), lengths=[5, 3], **network)
    open_page(result)
    assert page.messages() == []
    check_lanes(page, result, range(2))
    for where in drawn_places(result, range(2), 8):
        check_arithmetic(page, result, where)
    if name == "projection":
        check_units_behind(page, result, Location(1, 1, 2, 1, 0))


def check_units_behind(page: Browser, result: RunResult, where: Location) -> None:
    """The table of the units that a projection reads has the values that the window leads to."""
    arithmetics = explain_at(result, where).breakdowns.values()
    rows = page.run(
        """const [layer, direction, time, sample, unit] = arguments;
        state.engine = 1;
        select({ layer, direction, time, sample, unit });
        return [...document.querySelectorAll("details[data-line=units] tbody tr")].map((row) =>
        [...row.querySelectorAll("td")].map((cell) => Number(cell.title.replace("\u2212", "-"))));""",
        *where.index,
    )
    names = page.run("return cell.behind.map(([name]) => name);")
    assert names == ["i", "f", "g", "o", "c", "m"]
    expected = np.column_stack([own.across[name] for own in arithmetics for name in names])
    np.testing.assert_allclose(rows, expected, rtol=1e-12)


def check_gradients(page: Browser, result: RunResult, where: Location) -> None:
    """Every part, term and sum of the gradients of a step."""
    for name, own in explain(result, Place.at("grad.h", where)).breakdowns.items():
        found = page.run(asked("gradientsAnswer"), list(result.traces).index(name), *where.index)
        assert [line[0] for line in found] == [line.name for line in own.lines]
        largest = max(1e-300, *(abs(line.value) for line in own.lines))
        for (_, value, stored, parts, summed), line in zip(found, own.lines, strict=True):
            assert [text for text, _ in parts] == [part.text for part in line.parts]
            for (_, terms), part in zip(parts, line.parts, strict=True):
                assert [term[0] for term in terms] == [part.name(k) for k in range(len(part.factors))]
                np.testing.assert_allclose([term[1] for term in terms], part.factors, rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose([term[2] for term in terms], part.values, rtol=1e-9, atol=1e-12 * largest)
            assert number(value) == pytest.approx(line.value, rel=1e-9, abs=1e-12 * largest)
            assert number(summed) == pytest.approx(line.value, rel=1e-9, abs=1e-12 * largest)
            assert format_short(number(value)) == format_short(line.value)
            assert (stored is None) == (line.own is None)
            assert line.own is None or stored == line.own.stored


LOSSES: dict[str, dict[str, Any]] = {
    "every": {},
    "truncated": {"backward": {"truncate": 2}, "sequence": {"timesteps": 5, "batch_size": 2, "lengths": [5, 3]}},
    "one value": {"backward": {"loss": "value", "value": [0, 0, 2, 1, 1], "final_state": "zeros"}},
}


@pytest.mark.parametrize(
    ("name", "loss"),
    nightly_except(
        [
            *product(CELLS, ("every",)),
            *product((name for name in CELLS if name != "odd"), ("truncated",)),
            *product(("lstm", "gru"), ("one value",)),
        ],
        *(("lstm", "every"), ("gru", "truncated"), ("lstm", "one value")),
    ),
)
def test_the_terms_of_every_gradient(name, loss, page, open_page):
    inputs, trace, gradients = case_of(bidirectional=True, **LOSSES[loss], **CELLS[name])
    alone = {key: array for key, array in trace.items() if not key.startswith("grad.")}
    # Another engine gives fewer gradients, so that the others are carried from later steps.
    alone |= {key: array + 0.1 for key, array in gradients.items() if key == "grad.h"}
    names = "gluon", "manual"
    traces = [Trace(own, arrays, inputs.places) for own, arrays in zip(names, (trace, alone), strict=True)]
    compare = Compare("gluon", ("manual",))
    inputs = replace(inputs, config=replace(inputs.config, compare=compare))
    result = result_of(inputs, dict(zip(names, traces, strict=True)))
    open_page(result)
    assert page.messages() == []
    for where in drawn_places(result, range(2), 8):
        check_gradients(page, result, where)


def drawn_numbers() -> list[float]:
    draw = Random(1)
    ties = [0.0625, 0.1875, 2.5, 0.5, 1.0005, 0.0005, 0.125, 1234500.0, 1235500.0, 0.25]
    ends = [1e16, 1e15, 1e-4, 9.5e-5, 16777216.0, 0.0, 1e-310, 9999.5, 9950.0, 9.995e-4, 0.00995, 999999.9996]
    numbers = [*ties, *ends]
    numbers += [draw.uniform(-1, 1) * 10.0 ** draw.randint(-12, 12) for _ in range(600)]
    numbers += [draw.randint(-2000, 2000) / 2.0 ** draw.randint(0, 12) for _ in range(600)]
    return [*numbers, *(-value for value in numbers[:40])]


def test_numbers_are_written_as_in_the_window(page, open_page):
    open_page(make_result())
    numbers = drawn_numbers()
    single = [float(np.float32(value)) for value in numbers]
    for function, written in (
        ("short", number_format.short),
        ("twoDigits", number_format.error),
        ("brief", format_short),
        ("full", number_format.full),
    ):
        found = page.run(f"return arguments[0].map((v) => {function}(v));", numbers)
        assert dict(zip(numbers, found, strict=True)) == {value: written(value) for value in numbers}
    found = page.run("return arguments[0].map((v) => full(v, true));", single)
    assert dict(zip(single, found, strict=True)) == {v: number_format.full(np.float32(v)) for v in single}
    found = page.run("return ['NaN', 'Infinity', '-Infinity'].map((v) => short(Number(v)));")
    assert found == ["NaN", "infinity", "-infinity"]
    pairs = [pair for pair in pairwise(sorted(numbers)) if pair[0] != pair[1]]
    found = page.run("return arguments[0].map(([a, b]) => distinct(a, b));", pairs)
    assert [tuple(own) for own in found] == [format_distinct(*pair) for pair in pairs]


DISAGREEING = Config.from_mapping(
    {
        "network": {"cell": "lstm", "input_size": 4, "hidden_size": 8, "num_layers": 2, "bidirectional": True},
        "sequence": {"timesteps": 12, "batch_size": 2, "lengths": [12, 7]},
        "compare": {"reference": "gluon", "candidates": ["manual", "bug:gates-i-f-o-g"]},
        "backward": {"enabled": True},
    }
)


@pytest.fixture(scope="module")
def disagreeing(run_shared):
    return run_shared(DISAGREEING)


def mismatches(reference: np.ndarray, candidate: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    return ~(abs_error(reference, candidate) <= tolerance(reference, rtol, atol))


AT = "return [state.at.layer, state.at.direction, state.at.time, state.at.sample, state.at.unit];"


def test_keys_reach_everything(page, open_page, disagreeing):
    result = disagreeing
    open_page(result)
    first = result.comparison("bug:gates-i-f-o-g").first_mismatch
    assert first is not None
    assert page.run(AT) == list(first.where.index)
    assert page.run("return engines[state.engine].title;") == "bug:gates-i-f-o-g"
    assert page.run("return document.activeElement.id;") == "lanes"
    moves = {
        "Right Right Left Down Down Up PgUp PgUp PgDown": [0, 1, 1, 0, 1],
        "End ]": [0, 1, 6, 1, 1],
        "Home [ Left PgDown PgDown": [0, 0, 0, 0, 1],
    }
    for keys, place in moves.items():
        page.press(*keys.split())
        assert page.run(AT) == place
    comparison, other = result.comparison(first_engine := "bug:gates-i-f-o-g"), result[first_engine]
    places = np.argwhere(mismatches(result.reference.hidden, other.hidden, comparison.rtol, comparison.atol)).tolist()
    places.sort(key=lambda place: Location(*place).order)
    assert page.run("return mismatches().map((at) => [at.layer, at.direction, at.time, at.sample, at.unit]);") == places
    begun = places.index([0, 0, 0, 0, 1])
    quantities = page.run("return quantityNames();")
    for keys, script, expected in (
        (("n", "n"), AT, places[begun + 2]),
        (("p", "Shift+N", "p"), AT, places[begun - 1]),
        (("+",), "return state.span;", 8),
        (("-", "-"), "return state.span;", 12),
        (("+", "f"), "return state.span;", 12),
        (("q", "q"), "return state.quantity;", quantities[2]),
        (("Shift+Q", "Shift+Q", "x"), "return [state.quantity, state.exact];", ["h", True]),
        ((" ",), "return byId('play').textContent;", "Pause"),
        ((" ",), "return byId('play').textContent;", "Play"),
        ((">", ">", "<"), "return player.factor;", 2),
        (("?",), "return [byId('keys').open, document.activeElement.tagName];", [True, "SUMMARY"]),
    ):
        page.press(*keys)
        assert page.run(script) == expected, keys
    assert page.run("return document.querySelector('#arithmetic td').textContent;")
    assert page.messages() == []


def test_playback_moves_in_the_order_of_computation_and_ends(page, open_page):
    result = make_result(("manual", "gluon"), bidirectional=True, timesteps=4)
    open_page(result, Location(direction=1, timestep=2))
    script = """const done = []; const before = select; setFactor(16);
    return new Promise((resolve) => { play(1); const watch = setInterval(() => {
      done.push(state.at.time); if (!player.direction) { clearInterval(watch); resolve(done); } }, 5); });"""
    times = page.run(script)
    assert times[-1] == 0
    assert sorted(times, reverse=True) == times


def test_a_click_selects_and_the_wheel_zooms_at_the_pointer(page, open_page):
    open_page(make_result(("manual", "gluon"), cell="lstm", timesteps=40))
    place = page.run(
        """const box = canvas.getBoundingClientRect(); const lane = layout.lanes[0];
        return [box.left + xOf(20.5), box.top + lane.top + 2.5 * layout.row];"""
    )
    page.click(*map(round, place))
    assert page.run(AT) == [0, 0, 20, 0, 2]
    zoomed = """canvas.dispatchEvent(new WheelEvent("wheel",
        { deltaY: -400, clientX: arguments[0], clientY: arguments[1], cancelable: true, bubbles: true }));
        return [state.span, xOf(20.5) + canvas.getBoundingClientRect().left];"""
    span, x = page.run(zoomed, *place)
    assert span < 40
    assert x == pytest.approx(place[0], abs=1)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_are_readable_in_either_theme(dark, page, open_page, disagreeing):
    page.show_as(1280, dark=dark)
    open_page(disagreeing)
    page.show_as(1280, dark=dark)
    assert page.run("return document.documentElement.dataset.theme;") == ("dark" if dark else "light")
    assert page.run(asked("contrastsAnswer")) == []
    inks = """return run.quantities.map(({ name }) => scaleOf(name)).flatMap((scale) =>
        colorTable(scale).map((ground) => contrast(rgb(ink(ground)), ground)));"""
    assert min(page.run(inks)) >= 4.5
    page.run("byId('theme').click();")
    assert page.run("return document.documentElement.dataset.theme;") == ("light" if dark else "dark")
    assert page.run(asked("contrastsAnswer")) == []


SCALES = {
    "values": ColorScale(-0.7, 0.7),
    "gate": ColorScale(0.0, 1.0, sequential=True),
    "error ratio": error_ratio_scale(420.0),
}


@pytest.mark.parametrize("dark", [False, True])
def test_a_value_has_the_color_of_the_window(dark, page, open_page):
    page.show_as(1280, dark=dark)
    open_page(make_result())
    page.run("setTheme(arguments[0]);", dark)
    for scale in SCALES.values():
        wanted = {"low": scale.low, "high": scale.high, "ratio": scale.error_ratio, "sequential": scale.sequential}
        found = np.array(page.run("return colorTable(arguments[0]);", wanted))
        table = color_table(THEMES["dark" if dark else "light"], scale)[: len(found)]
        expected = np.stack([(table >> shift) & 0xFF for shift in (16, 8, 0)], axis=1)
        assert np.abs(found - expected).max() <= 1
        values = np.linspace(scale.low, scale.high, 57)
        places = page.run("return arguments[1].map((v) => colorOf(arguments[0], v));", wanted, values.tolist())
        assert np.abs(np.array(places) - expected[scale.indices(values)]).max() <= 3


def test_screen_readers_hear_the_selected_value(page, open_page, disagreeing):
    open_page(disagreeing)
    unnamed = page.run(
        """return [...document.querySelectorAll("button, select, input, section, table, [role]")]
        .filter((own) => !own.labels?.length && !own.ariaLabel && !own.caption && !own.textContent.trim() &&
            !own.getAttribute("aria-labelledby") && own.id !== "live").map((own) => own.outerHTML.slice(0, 80));"""
    )
    assert unnamed == []
    page.press("Right")
    page.run("return new Promise((resolve) => setTimeout(resolve, 250));")
    live = page.run("return byId('live').textContent;")
    value = disagreeing["bug:gates-i-f-o-g"].hidden[0, 0, 1, 0, 0]
    assert live.startswith("Layer 0, forward, t = 1, sample 0, unit 0: h of bug:gates-i-f-o-g = ")
    assert number_format.true_minus(number_format.short(value)) in live
    assert page.run("return byId('time').getAttribute('aria-valuetext');") == "t = 1"
    rows = page.run("return [...document.querySelectorAll('#step tbody tr')].map((row) => row.cells[1].textContent);")
    shown = [number_format.true_minus(number_format.short(v)) for v in disagreeing.reference.hidden[0, 0, 1, 0]]
    assert rows[: len(shown)] == shown
    assert page.run("return document.querySelector('#step [aria-current]').rowIndex;") == 1
    assert page.run("byId('play').focus(); return getComputedStyle(byId('play')).outlineStyle;") != "none"


def test_names_of_time_steps_and_padding_are_shown(page, open_page, run_shared):
    lesson = read_lesson(LESSONS["11-padding"]).steps[-1]
    result = run_shared(lesson.config)
    open_page(result, Location())
    names = result.inputs.names.of_sample(0)
    assert timestep_in_words(names, 0) in page.run("return byId('place').textContent;")
    page.press("End")
    assert page.run("return state.at.time;") == result.inputs.length(0) - 1
    assert "padding" in page.run("return byId('legend').textContent;")


def test_missing_values_of_a_recording_have_no_arithmetic(page, open_page):
    result = with_judgment(make_result(("manual", "gluon"), num_layers=2, timesteps=4))
    trace = replace(result["gluon"], missing=frozenset({"h"}))
    open_page(replace(result, traces={"manual": result["manual"], "gluon": trace}))
    assert page.messages() == []
    starts = page.run("return engines[1].followed;")
    layers = [followed(result.inputs, trace, layer, 0) for layer in range(2)]
    assert starts == [[own.start, own.stop] for own in layers]
    page.run("setEngine(1);")
    assert page.messages() == []
