"""The Markdown of lessons as HTML: paragraphs, lists, tables, code, emphasis and links."""

import re
from html import escape
from itertools import groupby

from rnnviz.lessons.index import LINK_SCHEME

_FENCE = re.compile(r"^```[^\n]*\n?", re.MULTILINE)
_ITEM = re.compile(r"(?P<mark>[-*+]|\d+\.)\s+(?P<text>.*)")
_CODE = re.compile(r"(`[^`]+`)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_ITALIC = re.compile(r"\*(?=\S)([^*]+?)(?<=\S)\*")


def to_html(markdown: str) -> str:
    """Blocks of Markdown. Text is escaped; a link to a part of the window is its text."""
    html: list[str] = []
    for place, text in enumerate(_FENCE.split(markdown)):
        # The text in fences is code.
        if place % 2 and text:
            code = escape(text.removesuffix("\n"), quote=False)
            html.append(f"<pre>{code}</pre>")
        elif not place % 2:
            groups = groupby(text.splitlines(), lambda line: bool(line.strip()))
            html += [_block(list(lines)) for filled, lines in groups if filled]
    return "\n".join(html)


def inline_html(text: str) -> str:
    parts = _CODE.split(escape(text, quote=False))
    parts[1::2] = (f"<code>{code[1:-1]}</code>" for code in parts[1::2])
    parts[::2] = map(_emphasis, parts[::2])
    return "".join(parts)


def _block(lines: list[str]) -> str:
    if lines[0].startswith("|") and len(lines) > 1 and set(lines[1]) <= set("|-: "):
        return _table(lines)
    if _ITEM.match(lines[0].strip()):
        return _list(lines)
    return f"<p>{inline_html(' '.join(line.strip() for line in lines))}</p>"


def _table(lines: list[str]) -> str:
    head, _, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines)
    titles = "".join(f'<th scope="col">{inline_html(cell)}</th>' for cell in head)
    body = ("".join(f"<td>{inline_html(cell)}</td>" for cell in row) for row in rows)
    return "\n".join(("<table>", f"<tr>{titles}</tr>", *(f"<tr>{row}</tr>" for row in body), "</table>"))


def _list(lines: list[str]) -> str:
    items: list[str] = []
    kind = "ul"
    for line in map(str.strip, lines):
        found = _ITEM.match(line)
        if found is None:
            items[-1] += f" {line}"
        else:
            kind = "ol" if found["mark"][0].isdigit() else "ul"
            items.append(found["text"])
    return "\n".join((f"<{kind}>", *(f"<li>{inline_html(item)}</li>" for item in items), f"</{kind}>"))


def _emphasis(text: str) -> str:
    text = _LINK.sub(lambda link: link[1] if link[2].startswith(f"{LINK_SCHEME}:") else _anchor(*link.groups()), text)
    return _ITALIC.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", text))


def _anchor(text: str, target: str) -> str:
    if not target.startswith("https://"):
        return text
    quoted = target.replace('"', "%22")
    return f'<a href="{quoted}">{text}</a>'
