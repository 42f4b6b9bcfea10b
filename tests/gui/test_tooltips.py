"""Lines of tooltips."""

from rnnviz.gui.tooltips import wrapped


def test_long_lines_are_wrapped_at_spaces() -> None:
    text = f"{'ab ' * 30}end\nkeeps-its-hyphen {'x' * 80} y"
    assert wrapped(text).split("\n") == [" ".join(["ab"] * 23), "ab " * 7 + "end", "keeps-its-hyphen", "x" * 80, "y"]
    assert wrapped("a b c\nd") == "a b c\nd"
