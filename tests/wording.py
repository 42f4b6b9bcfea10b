"""Search of the project's texts for retired words: `python -m tests.wording`.

The texts are string literals and docstrings of `rnnviz`, and the documents. Code in them is not searched. The command
prints each finding, and fails if there is one.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")
ENDINGS = (".md", ".toml", ".html", ".xml", ".desktop", ".txt", ".json")
RETIRED = [
    (re.compile(entry["pattern"], re.IGNORECASE), entry["use"])
    for entry in tomllib.loads(Path(__file__).with_name("retired_words.toml").read_text(encoding="utf-8"))["retired"]
]
_CODE = re.compile(r"^(`{3,})\w*\n.*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A retired word in a text."""

    path: Path
    line: int
    words: str
    use: str


def search(path: Path) -> Iterator[Finding]:
    """Find the retired words in a Python module's strings, or in a document."""
    text = path.read_text(encoding="utf-8")
    for line, part in _strings(text) if path.suffix == ".py" else [(1, text)]:
        prose = _CODE.sub(lambda code: "`" + "\n" * code[0].count("\n") + "`", part)
        for pattern, use in RETIRED:
            for match in pattern.finditer(prose):
                words = match[0].split("\n")[0][:60]
                yield Finding(path, line + prose.count("\n", 0, match.start()), words, use)


def texts() -> Iterator[Path]:
    yield from (ROOT / name for name in DOCUMENTS)
    yield from sorted((ROOT / "rnnviz").rglob("*.py"))
    yield from (path for path in sorted((ROOT / "resources").rglob("*")) if path.suffix in ENDINGS)


def _strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string of a module, but for those that are identifiers."""
    tree = ast.parse(source)
    inner = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            text = "".join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            text = node.value
        else:
            continue
        if re.search(r"\s", text) or text[:1].isupper():
            yield node.lineno, text


def main() -> int:
    """Print the findings; 1 if there is one."""
    found = [finding for path in texts() for finding in search(path)]
    for finding in found:
        place = f"{finding.path.relative_to(ROOT)}:{finding.line}"
        print(f"{place}: {finding.words!r} is retired; use: {finding.use}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
