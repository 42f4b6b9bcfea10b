"""Commands without the packages of an extra: one sentence names it, and every other command works."""

from collections.abc import Callable

import pytest

from rnnviz.core.extras import EXTRAS, extra_of, install_command
from tests.cases import cases
from tests.hidden_packages import hide

# A worker that is warm has imported the packages.
pytestmark = pytest.mark.usefixtures("pid_of_runs")

Hide = Callable[..., None]


@pytest.fixture
def without(monkeypatch, tmp_path_factory):
    return lambda *packages: hide(monkeypatch, tmp_path_factory.mktemp("hidden"), *packages)


@pytest.fixture
def model(tmp_path):
    """An ONNX model, of which nothing is read."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(("package", "words", "code"), cases(__file__)["missing-extras"])
def test_a_missing_extra_is_named_with_its_command(rnnviz, config, model, without, package, words, code):
    without(package)
    sentence = rnnviz.refused(*({"CONFIG": config, "MODEL": model}.get(word, word) for word in words), code=code)
    extra = extra_of(package)
    assert extra is not None
    assert EXTRAS[extra][package] in sentence
    assert install_command(extra) in sentence
