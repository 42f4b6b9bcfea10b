"""The documents of the repository: true links, paths and commands, and no retired words."""

import re
import shlex
from pathlib import Path

import pytest

from rnnviz.cli import command_parsers
from rnnviz.io.resources import anchor_of
from rnnviz.lessons.index import lesson_entries
from tests.wording import search

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "resources" / "guide").glob("*.md"))
DOCUMENTS = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")), *PAGES]
LINK = re.compile(r"(?<!`)\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^(`{3,})\w*\n.*?^\1", re.MULTILINE | re.DOTALL)
IN_REPOSITORY = re.compile(r"(tests|tools|packaging|resources|rnnviz|\.ci|\.github)/[\w./-]+")
PACKAGES = sorted(path.parent.name for path in (ROOT / "rnnviz").glob("*/__init__.py"))
IN_PACKAGE = re.compile(rf"({'|'.join(PACKAGES)})/[\w./]+\.py")


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(path):
    for link in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(anchor_of, headings), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_file_of_the_repository_that_is_named_exists(path):
    for code in CODE.findall(path.read_text(encoding="utf-8")):
        if "NAME" in code:
            continue  # of a file to be written
        if IN_REPOSITORY.fullmatch(code):
            assert (ROOT / code).exists(), code
        elif IN_PACKAGE.fullmatch(code):
            assert (ROOT / "rnnviz" / code).exists(), code


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_make_target_that_is_named_exists(path):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"^make ([\w-]+)|`make ([\w-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert {one or other for one, other in named} <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_retired_word_is_used(path):
    assert list(search(path)) == []


def test_the_map_lists_every_package():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/]+)` \|", text, re.MULTILINE)
    assert sorted(name for name in listed if "/" in name) == [f"rnnviz/{package}" for package in PACKAGES]
    assert {name for name in listed if "/" not in name} == {"resources", "packaging", "tests", "tools"}


def test_the_readme_is_short_and_its_commands_parse():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 800
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        *("Start", "Check a model of your own", "What you can do with it", "Where it runs", "Why MXNet?"),
        "Documentation",
    ]
    commands = re.findall(r"^\.venv/bin/rnnviz (.+)$", text, re.MULTILINE)
    assert len(commands) >= 3
    for line in commands:
        words = shlex.split(line.split(" > ")[0])
        command_parsers()[words[0]].parse_args(words[1:])


def test_the_course_of_two_hours_has_every_lesson_that_its_lessons_need():
    text = (ROOT / "resources" / "guide" / "teaching.md").read_text(encoding="utf-8")
    sentence = re.search(r"A course of two hours has (\d+)\s+minutes of lessons: ([^.]+)\.", text)
    assert sentence is not None
    course = {entry.short_name: entry for entry in lesson_entries()}
    names = CODE.findall(sentence[2])
    assert all(set(course[lesson].needs) <= set(names[:place]) for place, lesson in enumerate(names))
    assert sum(course[lesson].minutes for lesson in names) == int(sentence[1]) <= 120


def test_messages_that_troubleshooting_quotes_exist():
    text = (ROOT / "resources" / "guide" / "troubleshooting.md").read_text(encoding="utf-8")
    source = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rnnviz").rglob("*.py")))
    quoted = re.findall(r"^- \*([^*]+)\*:", text, re.MULTILINE)
    assert len(quoted) >= 2
    assert [message for message in quoted if message not in source] == []
