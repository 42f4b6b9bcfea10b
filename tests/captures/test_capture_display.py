"""The display of a capture in a notebook: each sequence with the verdict on it."""

from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pytest

import rnnviz
from rnnviz.captures import rnn_capture
from rnnviz.captures.rnn_capture import Call, Capture, CapturedSequence, Network, joined
from rnnviz.text.verdict_text import verdicts
from tests.factories import make_result, setting
from tests.io.export.report.reading import text_of


def sequence(name: str = "lstm") -> CapturedSequence:
    draw = np.random.default_rng(0).normal
    parameters = {
        f"l0_{kind}_{part}": draw(size=(4, n) if part == "weight" else 4).astype("f4")
        for kind, n in (("i2h", 3), ("h2h", 4))
        for part in ("weight", "bias")
    }
    output = draw(size=(5, 2, 4)).astype("f4")
    state = {"h": np.zeros((1, 2, 4), "f4")}
    x = draw(size=(5, 2, 3)).astype("f4")
    call = Call(Network("rnn_tanh", 3, 4), parameters, x, state, output, state)
    (found,) = joined([(name, call)])
    return found


@pytest.fixture
def runs(monkeypatch):
    """The configs that were run; each run is of two engines that disagree."""
    seen: list[Any] = []

    def run(config):
        seen.append(config)
        return make_result(edits={"manual": setting((0, 0, 3, 1, 2), 0.5)})

    monkeypatch.setattr(rnnviz, "run", run)
    monkeypatch.setattr(rnnviz, "load_config", lambda path: path)
    return seen


def cells(shown: Any) -> list[list[str]]:
    document: Element = html5lib.parseFragment(shown._repr_html_(), namespaceHTMLElements=False)
    return [[text_of(cell) for cell in row] for row in document.iter("tr")]


def test_a_small_sequence_is_run_once_for_its_verdict(runs):
    own = sequence()
    head, row = cells(own)
    assert head == ["Layer", "Network", "Sequence", "Verdict"]
    assert row[0] == "lstm"
    assert row[3] == "".join(map(str, verdicts(make_result(edits={"manual": setting((0, 0, 3, 1, 2), 0.5)}))))
    assert cells(own)[1] == row
    assert len(runs) == 1
    assert "#dc4c4c" in own._repr_html_()


def test_a_large_sequence_is_run_by_the_user_only(runs, monkeypatch):
    monkeypatch.setattr(rnn_capture, "_PRODUCTS", 1)
    own = sequence()
    assert cells(own)[1][3] == "run() compares it"
    assert runs == []
    own.run()
    assert "differs" in cells(own)[1][3]


def test_a_run_that_fails_is_a_sentence(monkeypatch):
    def refuse(config):
        raise rnnviz.EngineError("<manual> failed.")

    monkeypatch.setattr(rnnviz, "run", refuse)
    assert cells(sequence())[1][3] == "<manual> failed."


def test_a_capture_lists_its_sequences_and_what_is_missing(runs):
    captured = Capture.__new__(Capture)
    captured._title, captured._sequences = "Model", [*(sequence("<a>") for _ in range(9)), sequence("b")]
    captured.skipped = {"c": "it was not called"}
    rows = cells(captured)[1:]
    assert [row[0].replace("\xa0", " ") for row in rows] == [*(f"[{k}] <a>" for k in range(8)), "[9] b"]
    text = text_of(html5lib.parseFragment(captured._repr_html_(), namespaceHTMLElements=False))
    for line in ("Capture of Model: 10 sequences", "and 1 more of <a>", "not recorded: c: it was not called"):
        assert line in text
        assert line in repr(captured)
    assert len(runs) == 9


def test_without_rnnviz_there_is_no_verdict(monkeypatch):
    monkeypatch.setattr(rnn_capture, "find_spec", lambda name: None)
    assert cells(sequence())[0] == ["Layer", "Network", "Sequence"]
