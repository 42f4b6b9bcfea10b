"""The guide as files: everything leads somewhere, and what it says to type can be typed."""

import re
import shlex

import pytest

from rnnviz.cli import command_parsers
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.help.commands import PAGES
from rnnviz.gui.help.window import KEYS
from rnnviz.io.resources import anchor_of, find_in_guide, guide_pages, resource_path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED_KEY = re.compile(r"\*\*([^*\n]+)\*\*")
ANY_KEY = re.compile(
    r"((Ctrl|Alt|Shift)\+)*([A-Z?.,<>\[\]+=-]|F\d{1,2}|Esc|Space|Enter|Tab|Home|End|PgUp|PgDown|Left|Right|Up|Down)"
)
CONTROLS_OWN = {"Tab", "Shift+Tab", "Enter", "Shift+Enter", "F10"}
"""Keys that no command has: controls know them."""


def words_of(line: str) -> list[str]:
    """The arguments that the shell passes to a program."""
    return shlex.split(line.split(" > ")[0], comments=True)


def test_every_page_is_reached_from_the_index_and_no_file_is_left_over():
    files = {path.stem for path in resource_path("guide").glob("*.md")}
    assert set(guide_pages()) == files
    for page in guide_pages().values():
        assert page.title
        assert len(page.sections) >= 1


def test_every_link_leads_to_a_page_and_a_heading():
    for page in guide_pages().values():
        for link in page.links:
            if link.startswith(("http://", "https://")):
                continue
            name, _, anchor = link.partition("#")
            target = guide_pages()[name.removesuffix(".md") or page.name]
            assert not anchor or anchor in {section.anchor for section in target.sections}, (page.name, link)


def test_every_part_of_the_window_has_its_page():
    for place in PAGES.values():
        name, _, anchor = place.partition("#")
        assert not anchor or anchor in {section.anchor for section in guide_pages()[name].sections}, place


def test_every_picture_is_there_in_both_themes_and_small():
    images = resource_path("guide", "images")
    used = set()
    for page in guide_pages().values():
        for image in page.images:
            assert image.startswith("images/")
            assert image.endswith("-light.png"), (page.name, image)
            for file in (image, image.replace("-light", "-dark")):
                name = file.removeprefix("images/")
                used.add(name)
                assert (images / name).stat().st_size < 200_000, name
    assert {path.name for path in images.glob("*.png")} == used


def test_every_command_line_parses():
    lines = []
    for page in guide_pages().values():
        blocks = [body for language, body in FENCE.findall(page.text) if language == "sh"]
        inline = re.findall(r"`(rnnviz [^`]+)`", FENCE.sub("", page.text))
        lines += [line for block in blocks for line in block.splitlines() if line.startswith("rnnviz")] + inline
    assert len(lines) > 25
    parsers = command_parsers()
    for line in lines:
        _, *words = words_of(line)
        if words[0] not in parsers:
            # `rnnviz FILE` opens the window.
            assert len(words) == 1, line
            assert "." in words[0], line
            continue
        if len(words) == 1 and words[0] in {"run", "explain", "figure", "inspect", "convert", "sweep"}:
            continue  # The command by its name, as in "option of `rnnviz run`".
        if "--program" not in words:  # It prints and exits.
            parsers[words[0]].parse_args(words[1:])


def test_every_key_that_is_named_is_bound_and_the_sheet_names_every_key():
    bound = {key for command in COMMANDS for key in command.keys}
    script = resource_path("page", "page.js").read_text(encoding="utf-8")
    in_page = {
        key for names in re.findall(r'^  \[\[.+?\], "(.+?)", "', script, re.MULTILINE) for key in names.split(", ")
    }
    own = {key for key, _ in KEYS.values()} | in_page
    for page in guide_pages().values():
        named = {word for word in NAMED_KEY.findall(FENCE.sub("", page.text)) if ANY_KEY.fullmatch(word)}
        assert named <= bound | own | CONTROLS_OWN, (page.name, named - bound - own - CONTROLS_OWN)
    sheet = guide_pages()["keys"].text
    assert set(NAMED_KEY.findall(sheet.partition("## In an interactive page")[2])) == in_page
    missing = bound - set(NAMED_KEY.findall(sheet))
    assert not missing, f"resources/guide/keys.md needs a row for each of {sorted(missing)}"


@pytest.mark.parametrize(
    ("query", "first"), [("exit code", "command-line"), ("STATE_DICT", "models"), ("nan outline", "window")]
)
def test_a_search_finds_all_words_in_a_section_whatever_their_case(query, first):
    pages = [hit.page.name for hit in find_in_guide(query)]
    assert first in pages
    for hit in find_in_guide(query):
        whole = f"{hit.page.title} {hit.section.heading} {hit.section.text}".casefold()
        assert all(word in whole for word in query.casefold().split())


def test_anchors_are_those_that_a_repository_shows():
    assert anchor_of("What `x` is: a tale") == "what-x-is-a-tale"
