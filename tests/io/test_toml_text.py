"""TOML that would take long to parse is refused at once; what a config may hold is not."""

import tomllib
from time import process_time

import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import parse_toml
from tests.profiles import nightly_except

REFUSED = {
    "dots": "a." * 100_000 + "a = 1",
    "quoted": '"a".' * 100_000 + "a = 1",
    "header": "[" + "a . " * 100_000 + "a]",
    "arrays": "a = " + "[" * 100_000,
    "tables": "a = " + "{a = " * 100_000,
    "values": "a = [" + "1," * 5_000_000 + "]",
    "lines": "\n" * 10_000_000,
    "headers": "".join("[" + "a." * 15 + f"b{number}]\n" for number in range(100_000)),
    "escapes": 't = "' + r"\n" * 5_000_000 + '"',
    "open strings": '"""' + '\\"""\n' * 2_000_000,
    "hexadecimal": "a = 0x" + "f" * 10_000_000,
    "decimal": "a = " + "9" * 10_000_000,
    "key": "a" * 10_000_000 + " = 1",
}

TAKEN = {
    "text": 't = """' + "a.b.c. [[[ {{{ = , # " * 20_000 + '"""',
    "quotes": 'a = """x""""\n' + "b = '''x'''''\n" + 'c = "\\""\n' + "d = '\\'  # it's [[[",
    "comment": "#" + "a." * 100_000 + "\na = 1",
    "seeds": "seeds = [" + "1, " * 50_000 + "]",
    "numbers": "a = [1.5, 2.5e-3, 1979-05-27T07:32:00.999999]\nb.c.d.e = 1",
}


@pytest.mark.parametrize("name", nightly_except(REFUSED, *list(REFUSED)[:2]))
def test_slow_toml_is_refused_at_once(name: str) -> None:
    began = process_time()
    with pytest.raises(InputError, match=r"^x\.toml is not a valid TOML file"):
        parse_toml(REFUSED[name], "x.toml")
    # The parser itself takes minutes for most of them.
    assert process_time() - began < 5


@pytest.mark.parametrize("name", TAKEN)
def test_valid_toml_is_parsed_as_by_python(name: str) -> None:
    assert parse_toml(TAKEN[name], "x.toml") == tomllib.loads(TAKEN[name])


def test_the_line_of_a_value_that_is_too_large_is_named() -> None:
    with pytest.raises(InputError, match="line 3 has a key of more than 16 dots"):
        parse_toml("a = 1\n\n" + "a." * 17 + "a = 1", "x.toml")
