"""A section is made of the fields that declare what they may hold."""

from dataclasses import dataclass

import pytest

from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import FieldSpec, config_field, declarations, section_from_mapping


def test_a_section_has_the_keys_that_it_declares_and_their_defaults() -> None:
    @dataclass(frozen=True)
    class Part:
        size: int = config_field("int", "How many.", minimum=2, maximum=5)
        name: str | None = config_field("text", "What it is called.", None)
        share: float = config_field("float", "How much.", 0.5, above=0.0)
        made: int = 7

    assert declarations(Part) == {
        "size": FieldSpec("int", "How many.", minimum=2, maximum=5),
        "name": FieldSpec("text", "What it is called.", optional=True),
        "share": FieldSpec("float", "How much.", above=0.0),
    }
    assert section_from_mapping(Part, "part", {"size": 3}) == Part(3, None, 0.5, 7)
    assert section_from_mapping(Part, "part", {"name": "a", "share": 1}, size=9) == Part(9, "a", 1.0, 7)
    for values, key, sentence in (
        ({}, "part.size", "part.size is missing and has no default: it must be an integer from 2 to 5."),
        ({"made": 8}, "part.made", "part.made = 8 is not a known key: [part] may hold size, name, share."),
        ({"size": 6}, "part.size", "part.size = 6 is not allowed: it must be an integer from 2 to 5."),
    ):
        with pytest.raises(ConfigError) as caught:
            section_from_mapping(Part, "part", values)
        assert (caught.value.key, caught.value.sentence) == (key, sentence)
