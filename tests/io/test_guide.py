"""The guide: everything leads somewhere, can be typed, and is complete and true of the program."""

import inspect
import json
import re
import shlex
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rnnviz
from rnnviz.cells import CELLS
from rnnviz.cli import command_parsers, main
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.resources import resource_path
from rnnviz.core.schema import LARGEST_SEED, LARGEST_SIZE, FieldSpec, declarations
from rnnviz.engines.custom_code import parent
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui import document
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.export import picture
from rnnviz.gui.help.panel import KEYS
from rnnviz.gui.jobs import run_control
from rnnviz.gui.view_sync import VIEWS, view_class
from rnnviz.io.export.notebook import WRITTEN_OUT
from rnnviz.io.resources import anchor_of, find_in_guide, guide_groups, guide_pages
from rnnviz.sweeps import grid
from rnnviz.training.task import Problem, Training
from rnnviz.verify import audited, mismatches
from rnnviz.verify import diagnosis as bugs

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED_KEY = re.compile(r"\*\*([^*\n]+)\*\*")
ANY_KEY = re.compile(
    r"((Ctrl|Alt|Shift)\+)*([A-Z?.,<>\[\]+=-]|F\d{1,2}|Esc|Space|Enter|Tab|Home|End|PgUp|PgDown|Left|Right|Up|Down)"
)
CONTROLS_OWN = {"A", "Tab", "Shift+Tab", "Enter", "Shift+Enter", "F10"}
"""Keys that no command has: controls know them."""


def test_every_page_is_reached_from_the_index_and_no_file_is_left_over():
    files = {path.stem for path in resource_path("guide").glob("*.md")}
    assert set(guide_pages()) == files
    for page in guide_pages().values():
        assert page.title
        assert len(page.sections) >= 1


def test_every_part_of_the_window_has_its_page():
    sources = (path.read_text(encoding="utf-8") for path in Path(rnnviz.gui.__file__).parent.rglob("*.py"))
    places = {place for source in sources for place in re.findall(r'\bhelp_page = "(.+)"', source)}
    assert {view_class(name).help_page for name in VIEWS} <= places
    for place in places:
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
        _, *words = shlex.split(line.split(" > ")[0], comments=True)
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
    own = set(KEYS.values()) | in_page
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


pytestmark = pytest.mark.usefixtures("shared_worker")

ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
TYPES = {"int": "integer", "float": "number", "bool": "boolean", "choice": "string", "text": "string", "path": "path"}
TYPES |= dict.fromkeys(("names", "activations", "texts"), "list of strings")
TYPES |= {"counts": "list of integers", "indices": "list of integers", "paths": "list of paths"}
BOUNDS = {LARGEST_SIZE: "10⁹", LARGEST_SEED: "2⁶³ − 1"}
BIDIRECTIONAL = {"cell": "lstm", "input_size": 2, "hidden_size": 3, "num_layers": 2, "bidirectional": True}


def text_below(page: str, heading: str) -> str:
    pattern = rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)"
    found = re.search(pattern, guide_pages()[page].text, re.MULTILINE | re.DOTALL)
    assert found is not None, (page, heading)
    return found[1]


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of the tables below a heading, without their heads."""
    found = [row.split(" | ") for row in ROW.findall(text_below(page, heading))]
    return [row for row in found if row[0] not in ("bug", "key", "column", "array", "check")]


def config(candidates: list[str], **network: object) -> Config:
    return Config.from_mapping(
        {
            "network": BIDIRECTIONAL | network,
            "sequence": {"timesteps": 3, "batch_size": 2},
            "initial_state": {"source": "normal"},
            "compare": {"reference": "manual", "candidates": candidates},
        }
    )


def allowed(config_field: FieldSpec) -> str:
    match config_field.kind:
        case "choice":
            listed = ", ".join(f"`{choice}`" for choice in config_field.choices)
            return f"{listed}, or a `{config_field.suffix}` file" if config_field.suffix else listed
        case "bool":
            return "`true`, `false`"
        case "int":
            assert config_field.minimum is not None
            assert config_field.largest is not None
            largest = BOUNDS.get(int(config_field.largest), f"{int(config_field.largest):,}")
            return f"{int(config_field.minimum)} to {largest}"
        case "counts" if config_field.choices:
            return "1 to `timesteps` each, " + ", ".join(f"`{choice}`" for choice in config_field.choices)
        case "counts":
            return "1 to `timesteps` - 1, rising"
        case "indices":
            return f"{config_field.count} indices"
        case "float" if config_field.above is not None:
            most = "" if config_field.maximum is None else f", at most {config_field.maximum:,.12g}"
            return f"greater than {config_field.above:g}{most}"
        case "float" if config_field.maximum is not None:
            return f"{config_field.minimum:,.12g} to {config_field.maximum:,.12g}"
        case "float" if config_field.minimum is not None:
            return f"{config_field.minimum:g} or more"
        case "texts" | "paths":
            return "one or more"
        case "names":
            return "one or more engines, each once"
        case "activations":
            return "activations, one for each role"
    return "any"


@pytest.mark.parametrize(
    ("page", "section", "kind"),
    [
        *(("config-reference", name, kind) for name, kind in SECTIONS.items()),
        ("training", "problem", Problem),
        ("training", "training", Training),
    ],
)
def test_every_key_of_a_config_has_its_type_default_and_allowed_values(page, section, kind):
    expected = []
    keys = declarations(kind)
    for item in fields(kind):
        if item.name in keys:
            value = list(item.default) if isinstance(item.default, tuple) else item.default
            default = "required" if value is MISSING else "none" if value is None else f"`{json.dumps(value)}`"
            config_field = keys[item.name]
            expected.append([f"`{item.name}`", TYPES[config_field.kind], default, allowed(config_field)])
    assert [row[:4] for row in rows(page, f"[{section}]")] == expected
    assert all(len(row) == 5 and row[4] for row in rows(page, f"[{section}]"))


def test_every_key_of_a_sweep_is_listed():
    named = {CODE.findall(row[0])[0] for row in rows("config-reference", "Sweep files")}
    assert named == {"base", *grid.KEYS} - set(grid.SECTIONS)


def test_every_known_bug_has_a_section_with_its_cells_and_a_fix_in_each_framework():
    sections = {section.heading: section.text for section in guide_pages()["known-bugs"].sections[1:]}
    overview = [CODE.findall(row[0])[0] for row in rows("known-bugs", "Overview")]
    del sections["Overview"]
    assert overview == list(sections) == list(KNOWN_BUGS)
    assert f"{len(KNOWN_BUGS)} common" in " ".join(guide_pages()["known-bugs"].sections[0].text.split())
    for name, text in sections.items():
        cells = re.search(r"Cells?: ([^.]+)", " ".join(text.split()))
        assert cells is not None, name
        known = set(CELLS) if cells[1].startswith("all") else set(cells[1].casefold().split(", "))
        assert known == set(KNOWN_BUGS[name].variants), name
        phrases = {"bidirectional": "bidirectional networks", "backward": "networks with a backward direction"}
        phrases["forward"] = "networks with a forward direction"
        phrases["clip"] = "networks with a clip"
        found = [needs for needs, phrase in phrases.items() if phrase in " ".join(text.split())]
        assert found == [KNOWN_BUGS[name].needs] * bool(KNOWN_BUGS[name].needs), name
        body = text_below("known-bugs", name)
        assert [row.split(" | ")[0] for row in ROW.findall(body)][1:] == (
            ["PyTorch", "Keras", *(["ONNX"] * (not KNOWN_BUGS[name].of_gradients)), "NumPy"]
        ), name
        assert "**Typical cause.**" in body, name


@pytest.mark.slow
def test_every_consistency_check_is_listed(tmp_path):
    listed = [row[0].strip("`") for group in guide_pages()["consistency-checks"].sections[1:]
              for row in rows("consistency-checks", group.heading)]  # fmt: skip
    run = rnnviz.run(config(["onnx"]))
    np.savez(
        tmp_path / "golden.npz",
        hidden=run["manual"].hidden,
        output=run["manual"].output.swapaxes(0, 1),
        state=run["manual"].state_h,
        cell=run["manual"].cell,
        cell_state=run["manual"].state_c,
    )
    np.savez(tmp_path / "partial.npz", state=run["manual"].state_h, cell_state=run["manual"].state_c)
    recorded = [f"recording:{tmp_path / name}.npz" for name in ("golden", "partial")]
    met = {check.name for check in rnnviz.run(config(recorded)).checks}
    met |= {check.name for check in rnnviz.run(config(["onnx"], bidirectional=False)).checks}
    for padded in (config(recorded), config(["onnx"], bidirectional=False)):
        padded = replace(padded, sequence=replace(padded.sequence, lengths=(3, 1)))
        met |= {check.name for check in rnnviz.run(padded).checks}
    fused = {name for name in listed if name.startswith("the fused stack")}
    forms = {re.sub(r"^state\[\d\] is layer \d's", "state[k] is layer j's", name) for name in met}
    forms = {re.sub(r"that of \w+$", "that of ENGINE", form) for form in forms}
    one = "state[k] is layer j's last computed hidden state"
    assert {one if form == one.replace("layer j", "layer k") else form for form in listed} - fused == forms
    assert len(fused) == 6


def test_the_arrays_of_an_archive_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text('network = { cell = "lstm", input_size = 2, hidden_size = 3 }')
    assert main(["run", "net.toml", "--engines", "manual,onnx", "--gates", "--npz", "run.npz", "--csv", "run.csv"]) == 0
    with np.load(tmp_path / "run.npz") as archive:
        names = set(archive.files)
    text = text_below("file-formats", "NPZ archive")
    listed = {re.sub(r"NAME$", "", name) for name in CODE.findall(text)}
    for name in names:
        general = re.sub(r"^(manual|onnx)\.", "ENGINE.", name)
        general = re.sub(r"^(parameters\.|ENGINE\.recomputed\.).*", r"\1", general)
        assert general in listed, name
    columns = pl.read_csv(tmp_path / "run.csv").columns
    listed = set(CODE.findall(text_below("file-formats", "CSV table")))
    plain = [column for column in columns if not column.startswith(("manual", "onnx"))]
    assert set(plain) <= listed
    assert {"manual.recomputed.i", "manual.c", "manual.recomputed.pre_i"} <= set(columns) & listed


def test_the_columns_of_a_sweep_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(
        'engines = ["onnx"]\nnetwork = { cell = "gru", input_size = 2 }\ncompare = { reference = "manual" }\n'
        "[grid]\nnetwork.hidden_size = [2]\n"
    )
    assert main(["sweep", "grid.toml", "--csv", "rows.csv", "--quiet"]) == 0
    listed = set(CODE.findall(text_below("file-formats", "Sweep results")))
    for column in pl.read_csv("rows.csv").columns:
        general = re.sub(r"^seconds\..*", "seconds.ENGINE", column)
        if not general.startswith(("network.", "first_wrong.")):
            assert general in listed, column
    journal = json.loads(Path("grid.results.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"key", "values"} <= set(journal) & set(CODE.findall(text_below("file-formats", "Sweep journal")))


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
    return found


def test_the_keys_of_a_summary_are_those_of_its_schema():
    text = text_below("file-formats", "JSON summary")
    listed = {name for row in rows("file-formats", "JSON summary") for name in CODE.findall(row[0])}
    *kinds, of_files, of_chunks, of_sizes = schema()["oneOf"]
    assert listed == {key for kind in kinds for key in kind["properties"]}
    assert "summary.schema.json" in text
    for heading, kind in (("Two files", of_files), ("Chunks", of_chunks), ("Other sizes", of_sizes)):
        named = {name for row in rows("file-formats", heading) for name in CODE.findall(row[0])}
        assert named == {*kind["properties"]}, heading


def test_limits_are_those_of_the_program():
    text = guide_pages()["limits"].text
    layers = declarations(SECTIONS["network"])["num_layers"].maximum
    for number in (
        f"{int(layers or 0):,}",
        f"{run_control.AUTOMATIC_VALUES:,} numbers",
        f"{audited.FULL:,} hidden values",
        f"{bugs._MOST_VALUES:,} hidden values; pairs of bugs up to {bugs._MOST_VALUES_OF_PAIRS:,}",
        f"{mismatches.LARGEST:,}",
        f"{grid.MOST_ROWS:,}",
        f"{WRITTEN_OUT} numbers",
        f"{picture._LARGEST_SIDE:,} pixels",
        f"{parent.STEP_SECONDS:g} seconds",
        f"{parent.PRINTED_LIMIT:,} characters",
        f"{document._DEPTH} changes",
    ):
        assert f"| {number} |" in text, number


def test_the_index_has_eight_groups_and_each_page_is_in_one():
    titles = ["Start", "Check an implementation", "Look inside a model", "Learn and teach", "Work with runs"]
    assert [*guide_groups()] == [*titles, "Understand", "Reference", "Developers"]
    listed = [name for names in guide_groups().values() for name in names]
    assert sorted(listed) == sorted(set(guide_pages()) - {"index"})


def test_every_public_name_of_python_is_listed_with_its_parameters():
    code = [CODE.findall(row[0])[0] for row in rows("python", "Reference") if CODE.findall(row[0])]
    functions = dict(text.split("(", 1) for text in code if "(" in text)
    names = [name for row in rows("python", "Reference") for name in CODE.findall(row[0]) if "(" not in name]
    assert sorted({*functions, *names}) == sorted(set(rnnviz.__all__) - {"__version__"})
    for name, listed in functions.items():
        parameters = list(inspect.signature(getattr(rnnviz, name)).parameters)
        assert re.findall(r"(\w+)(?=[=,)])(?<!None)(?<!False)", re.sub(r"=[^,)]+", "", listed)) == [
            parameter for parameter in parameters if parameter != "check"
        ], name
    for row in rows("python", "Reference"):
        for kind in (name for name in CODE.findall(row[0]) if name in ("Config", "RunResult", "Trace", "Location")):
            fields = {*dir(getattr(rnnviz, kind)), *getattr(rnnviz, kind).__annotations__}
            listed = {name.partition("(")[0] for name in CODE.findall(row[1]) if "[" not in name}
            assert listed - fields <= {"Trace"}, kind
