"""A file's cell as text, or one sentence with the line, read in the calling process."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from rnnviz.core.cell_json import cell_from_json, cell_to_json
from rnnviz.engines.custom_code.custom_step import CustomCodeError, read_cell
from tests.cells.layers import EXAMPLES, ROOT
from tests.engines.custom_code.files import written

STEP = "def step(u, v, state, p):\n    return Step(h=tanh(u.h + v.h))\n"


class Watch:
    """A watchdog that records entry and exit."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> None:
        self.seen.append("in")

    def __exit__(self, *_: object) -> None:
        self.seen.append("out")


def test_the_file_is_read_under_watch() -> None:
    watch = Watch()
    assert read_cell(ROOT / "resources" / "cells" / "mgu.py", watch).cell == cell_to_json(EXAMPLES["mgu"])
    assert watch.seen == ["in", "out"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("gates = 'h'\n1 / 0\n", ", line 2: ZeroDivisionError: division by zero."),
        (STEP, ': The file defines no gates, such as gates = "f n".'),
        ("gates = 'h'\nraise BaseException('no')\n", ": BaseException: no."),
    ],
)
def test_a_file_that_declares_no_cell_is_refused(code: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, code)
    with pytest.raises(CustomCodeError) as caught:
        read_cell(path, nullcontext())
    assert str(caught.value) == f"{path}{sentence}"
    assert caught.value.__cause__ is not None


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CustomCodeError, match=r"none\.py does not exist in .*\.$"):
        read_cell(tmp_path / "none.py", nullcontext())
    with pytest.raises(CustomCodeError, match=str(tmp_path)):
        read_cell(tmp_path, nullcontext())


def test_a_file_has_its_own_name_and_path(tmp_path: Path) -> None:
    path = written(tmp_path, f"gates = 'h'\ntitle = f'{{__name__}} in {{__file__}}'\n{STEP}")
    assert cell_from_json(read_cell(path, nullcontext()).cell).title == f"mine in {path}"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"\xef\xbb\xbf" + f"gates = 'h'\ntitle = 'µ'\n{STEP}".encode())
    assert cell_from_json(read_cell(path, nullcontext()).cell).title == "µ"


@pytest.mark.parametrize("length", [1, 100, 101])
def test_a_title_has_up_to_a_hundred_characters(length: int, tmp_path: Path) -> None:
    path = written(tmp_path, f"gates = 'h'\ntitle = 'x' * {length}\n{STEP}")
    if length <= 100:
        assert cell_from_json(read_cell(path, nullcontext()).cell).title == "x" * length
        return
    with pytest.raises(CustomCodeError, match="100 characters"):
        read_cell(path, nullcontext())
