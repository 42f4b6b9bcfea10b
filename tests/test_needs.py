"""Skipped tests: which reasons are accepted where every skip has to be justified."""

import pytest

from tests.needs import missing, must_not_skip, needs


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("Skipped: needs no_such_package", False),
        ("needs libno_such.so.1 libno_such_either.so", False),
        ("Skipped: could not import 'a.b': No module named 'no_such_package'", False),
        ("Skipped: no case: onnx has no projections", False),
        ("Skipped: a small disk cannot be mounted: permission denied", False),
        ("needs pytest", True),
        ("Skipped: needs pytest numpy", True),
        ("Skipped: could not import 'a.b': No module named 'numpy.no_such_module'", True),
        ("numpy is not installed", True),
        ("unconditional skip", True),
    ],
)
def test_a_skip_is_refused_unless_what_it_names_is_missing(reason, refused):
    assert must_not_skip(reason) is refused


def test_what_is_missing_is_named_and_skips_a_test():
    assert missing("no_such_package") == ("no_such_package",)
    assert missing("libno_such.so.1") == ("libno_such.so.1",)
    assert missing("numpy") == ()
    assert needs("numpy").mark.args == (False,)
    mark = needs("numpy", "no_such_package").mark
    assert (mark.args, mark.kwargs) == ((True,), {"reason": "needs no_such_package"})
