"""The document of tables has a place for each, and its command."""

import re
from pathlib import Path

import pytest

from tests.report_tables import Rows
from tests.tables import README, ROOT, TABLES, main, with_table


def test_the_document_has_every_table_with_the_command_that_renews_it():
    document = README.read_text(encoding="utf-8")
    assert re.findall(r"<!-- table: (.*) -->", document) == list(TABLES)
    assert re.findall(r"^`python -m tests.tables (\S+)`", document, re.MULTILINE) == list(TABLES)
    assert all((ROOT / command[-1]).is_file() for command in TABLES.values() if command[0] == "pytest")


def test_a_table_replaces_the_previous_one():
    rows = Rows()
    rows.add("one", cases=3, **{"anything else": 0})
    rows.add("two", cases=4)
    table = "|  | cases | anything else |\n| --- | ---: | ---: |\n| one | 3 | 0 |\n| two | 4 |  |\n"
    assert rows.markdown() == table
    document = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\n<!-- end -->\n"
    assert with_table(document, "x", table) == document.replace("old", f"\n{table}")
    with pytest.raises(ValueError, match="0 places for the table z"):
        with_table(document, "z", table)


def test_a_name_that_is_not_a_table_is_refused(capsys):
    assert main(["x"]) == 2
    assert Path(capsys.readouterr().err.split()[0]).name == "x"
