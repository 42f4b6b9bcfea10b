"""Generate the desktop entry, icons, manual page, completion and metadata for Linux.

    python packaging/linux/desktop_files.py PREFIX

`desktop_files` returns the files by their paths below a prefix such as /usr; `install` writes them. RNNVIZ_HOME_URL
is the address of the public repository, for the links and screenshots in a software center. SOURCE_DATE_EPOCH is
the date of the files.
"""

import argparse
import gzip
import os
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import program_icon
from manual_page import manual_page
from metainfo import ID, metainfo
from shell_completion import completion

from rnnviz.core.model_formats import FORMATS

_HERE = Path(__file__).parent
_ICONS = "share/icons/hicolor"


def desktop_files(day: date, home: str | None = None) -> dict[str, bytes]:
    """The files by their paths below the prefix, as of `day`: the same day gives the same bytes."""
    svg = program_icon.SVG.read_bytes()
    return {
        "share/applications/rnnviz.desktop": _desktop_entry().encode(),
        f"share/metainfo/{ID}.metainfo.xml": metainfo(day, home).encode(),
        "share/mime/packages/rnnviz.xml": _media_types().encode(),
        f"{_ICONS}/scalable/apps/rnnviz.svg": svg,
        f"{_ICONS}/scalable/mimetypes/application-x-rnnviz.svg": svg,
        **{f"{_ICONS}/{size}x{size}/apps/rnnviz.png": program_icon.png(size) for size in program_icon.SIZES},
        "share/man/man1/rnnviz.1.gz": gzip.compress(manual_page(day).encode(), mtime=0),
        "share/bash-completion/completions/rnnviz": completion().encode(),
    }


def _desktop_entry() -> str:
    """The entry, with the media types of the model files that the program opens."""
    types = "".join(f"application/{known.media[0]};" for known in FORMATS if known.media is not None)
    return (_HERE / "rnnviz.desktop").read_text(encoding="utf-8").rstrip("\n") + types + "\n"


def _media_types() -> str:
    """The media types of sessions and model files."""
    tree = ET.parse(_HERE / "rnnviz-mime.xml", ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))
    space = "http://www.freedesktop.org/standards/shared-mime-info"
    ET.register_namespace("", space)
    for known in FORMATS:
        if known.media is None:
            continue
        name, title = known.media
        kind = ET.SubElement(tree.getroot(), f"{{{space}}}mime-type", type=f"application/{name}")
        ET.SubElement(kind, f"{{{space}}}comment").text = title
        if known.magic:
            magic = ET.SubElement(kind, f"{{{space}}}magic", priority="60")
            value = "".join(f"\\x{byte:02x}" for byte in known.magic)
            ET.SubElement(magic, f"{{{space}}}match", type="string", offset="0", value=value)
        for ending in known.endings:
            ET.SubElement(kind, f"{{{space}}}glob", pattern=f"*{ending}")
    ET.indent(tree)
    return ET.tostring(tree.getroot(), encoding="unicode", xml_declaration=True) + "\n"


def install(prefix: Path) -> list[Path]:
    """Write the files below the prefix and return their paths."""
    written = []
    for name, content in desktop_files(_day(), os.environ.get("RNNVIZ_HOME_URL")).items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
        written.append(path)
    return written


def _day() -> date:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    return now.date()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Install the desktop entry, icons, manual page and completion.")
    parser.add_argument("prefix", type=Path, help="install folder, such as /usr")
    for path in install(parser.parse_args().prefix):
        print(path)
