"""Desktop files and completion are valid by the system's tools, and match the program."""

import gzip
import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import metainfo
import program_icon
import pytest
from desktop_files import desktop_files
from manual_page import EXIT_STATUS, manual_page, options
from PySide6.QtGui import QImage

from rnnviz import __version__
from rnnviz.cli import command_parsers, terminal, window_parser
from rnnviz.core.model_formats import ENDINGS
from tests.needs import need
from tests.programs import ended, python

ROOT = Path(__file__).parents[2]
DAY = date(2026, 2, 3)
HOME = "https://example.org/someone/rnnviz"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The files that the script installs, with a home."""
    folder = tmp_path_factory.mktemp("usr")
    environment = os.environ | {"RNNVIZ_HOME_URL": HOME, "SOURCE_DATE_EPOCH": "1770076800"}
    script = ROOT / "packaging" / "linux" / "desktop_files.py"
    answer = python(script, folder, env=environment)
    assert answer.returncode == 0, answer.stderr
    assert sorted(answer.stdout.split()) == sorted(str(path) for path in folder.rglob("*") if path.is_file())
    return folder


def output_of(tool: str, *words: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """The output of a tool, which must succeed; skipped where it is not installed."""
    need(tool)
    answer = ended(tool, *words, env=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def keys(desktop: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in desktop.splitlines() if "=" in line)


@pytest.mark.slow
def test_the_script_installs_the_same_files_byte_for_byte(prefix):
    for name, content in desktop_files(DAY, HOME).items():
        assert (prefix / name).read_bytes() == content, name


@pytest.mark.slow
def test_the_desktop_entry_is_valid_and_names_a_command_and_an_icon_that_there_are(prefix):
    path = prefix / "share/applications/rnnviz.desktop"
    assert output_of("desktop-file-validate", path) == ""
    entry = keys(path.read_text(encoding="utf-8"))
    assert entry["Exec"] == "rnnviz %f"
    assert list(prefix.glob(f"share/icons/hicolor/*/apps/{entry['Icon']}.png"))


@pytest.mark.parametrize("home", [HOME, None], ids=["with-a-home", "without"])
def test_the_metainfo_is_valid(tmp_path, home):
    path = tmp_path / f"{metainfo.ID}.metainfo.xml"
    path.write_text(metainfo.metainfo(DAY, home), encoding="utf-8")
    if home is None:
        # All that is missed is the address that there is not.
        told = output_of("appstreamcli", "validate", "--no-net", "--override=url-homepage-missing=info", path)
        assert "url-homepage-missing" in told
        assert "screenshot" not in path.read_text(encoding="utf-8")
    else:
        output_of("appstreamcli", "validate", "--no-net", "--pedantic", path)


def test_the_pictures_of_the_software_centre_are_in_the_tree():
    images = [str(image.text) for image in ET.fromstring(metainfo.metainfo(DAY, HOME)).iter("image")]
    start = f"{HOME}/raw/v{__version__}/"
    assert len(images) >= 2
    for image in images:
        assert image.startswith(start)
        assert (ROOT / image.removeprefix(start)).is_file()


def test_releases_are_those_of_the_changelog_with_their_changes():
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing to come. More of it.\n\n"
        "## [0.2.0] - 2025-05-06\n\n### Fixed\n\n- `.npz` files of\n  two arrays. They were not read.\n- Another.\n\n"
        "## [0.1.0] - 2025-01-02\n\n- The first.\n"
    )
    found = ET.fromstring(metainfo.metainfo(DAY, HOME)).iter("release")
    assert __version__ in [release.get("version") for release in found]
    assert metainfo.releases(changelog, DAY) == [
        metainfo.Release(__version__, DAY, ("A thing to come.",), finished=False),
        metainfo.Release("0.2.0", date(2025, 5, 6), ("`.npz` files of two arrays.", "Another.")),
        metainfo.Release("0.1.0", date(2025, 1, 2), ("The first.",)),
    ]


def test_every_type_that_the_desktop_entry_opens_is_declared_and_belongs_to_an_ending_that_is_read(prefix):
    space = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    declared = {
        str(kind.get("type")): str(glob.get("pattern")).removeprefix("*")
        for kind in ET.parse(prefix / "share/mime/packages/rnnviz.xml").iterfind("m:mime-type", space)
        for glob in kind.iterfind("m:glob", space)
    }
    entry = keys((prefix / "share/applications/rnnviz.desktop").read_text(encoding="utf-8"))
    opened = [kind for kind in entry["MimeType"].split(";") if kind]
    assert set(opened) == set(declared)
    assert set(declared.values()) <= {".rnnviz", *ENDINGS}
    provided = ET.fromstring(metainfo.metainfo(DAY)).iterfind("provides/mediatype")
    assert [kind.text for kind in provided] == opened


def test_a_system_recognizes_the_files_by_their_endings(prefix, tmp_path):
    shutil.copytree(prefix / "share/mime", tmp_path / "mime")
    output_of("update-mime-database", tmp_path / "mime")
    globs = (tmp_path / "mime/globs2").read_text(encoding="utf-8").split()
    for line in ("50:application/x-rnnviz:*.rnnviz", "50:application/x-onnx:*.onnx"):
        assert line in globs


def test_icons_of_every_size_are_drawn_from_the_one_picture(prefix):
    assert {16, 32, 48, 128, 256, 512} <= set(program_icon.SIZES)
    large = QImage(str(prefix / "share/icons/hicolor/512x512/apps/rnnviz.png"))
    for size in program_icon.SIZES:
        image = QImage(str(prefix / f"share/icons/hicolor/{size}x{size}/apps/rnnviz.png"))
        assert (image.width(), image.height()) == (size, size)
        assert image.pixelColor(0, 0).alpha() == 0
        # The middle of a node of the network, which the picture colors.
        assert image.pixelColor(size * 24 // 64, size * 41 // 64).blue() > 150
        assert large.pixelColor(512 * 24 // 64, 512 * 41 // 64).blue() > 150
    assert (prefix / "share/icons/hicolor/scalable/apps/rnnviz.svg").read_bytes() == program_icon.SVG.read_bytes()


def test_the_manual_page_is_valid_and_documents_every_command_option_and_exit_code(prefix, tmp_path):
    page = gzip.decompress((prefix / "share/man/man1/rnnviz.1.gz").read_bytes()).decode()
    assert page == manual_page(DAY)
    plain = re.sub(r"\\f[BIR]", "", page).replace(r"\-", "-")
    for name, parser in {"": window_parser(), **command_parsers()}.items():
        _, _, section = plain.partition(f".SS rnnviz {name}\n" if name else ".SH DESCRIPTION\n")
        section, _, _ = section.partition("\n.S")
        for action in options(parser):
            for word in action.option_strings or [str(action.metavar or action.dest)]:
                assert re.search(rf"^\.TP\n(\S+, )?{re.escape(word)}\b", section, re.MULTILINE), (name, word)
    codes = {value for name, value in vars(terminal).items() if name.isupper() and isinstance(value, int)}
    assert set(EXIT_STATUS) == codes
    (tmp_path / "rnnviz.1").write_text(page, encoding="utf-8")
    assert output_of("mandoc", "-T", "lint", tmp_path / "rnnviz.1") == ""
