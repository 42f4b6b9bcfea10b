"""Frozen dataclasses behave like those of the standard library."""

import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import rnnviz.frozen


def classes(dataclass: Callable[..., Any]) -> tuple[Any, Any]:
    @dataclass(frozen=True)
    class Base:
        a: int
        b: Any = 2
        c: list[int] = field(default_factory=list)
        hidden: str = field(default="x", compare=False, repr=False, kw_only=True)

    @dataclass(frozen=True)
    class Derived(Base):
        d: float = 0.5

        def __post_init__(self) -> None:
            object.__setattr__(self, "d", self.d * 2)

        def __repr__(self) -> str:
            return "derived"

    return Base, Derived


@rnnviz.frozen.dataclass(frozen=True)
class Pickled:
    a: int
    b: tuple["Pickled", ...] = ()


@pytest.fixture(params=[dataclasses.dataclass, rnnviz.frozen.dataclass], ids=["standard", "own"])
def made(request):
    return classes(request.param)


def test_a_class_has_the_fields_values_and_texts_of_the_standard_library(made):
    base, derived = made
    assert [f.name for f in fields(derived)] == ["a", "b", "c", "hidden", "d"]
    assert is_dataclass(base)
    x, y = base(1, c=[3]), derived(1, 2, [3], 0.25, hidden="y")
    assert repr(x).endswith("Base(a=1, b=2, c=[3])")
    assert repr(y) == "derived"
    assert (x.hidden, y.hidden, y.d) == ("x", "y", 0.5)
    assert asdict(replace(x, b=5)) == {"a": 1, "b": 5, "c": [3], "hidden": "x"}
    assert astuple(x) == (1, 2, [3], "x")
    assert base(1).c is not base(1).c
    assert list(inspect.signature(base).parameters) == ["a", "b", "c", "hidden"]
    match x:
        case base(a, b):
            assert (a, b) == (1, 2)


def test_equality_and_hash_are_those_of_the_compared_fields(made):
    base, derived = made
    assert base(1, hidden="p") == base(1, hidden="q")
    assert base(1) != base(2)
    assert base(1) != derived(1)
    assert base(1) != (1, 2, [])
    assert hash(base(1, 2, ())) == hash(base(1, 2, (), hidden="q")) != hash(base(1, 3, ()))


def test_fields_that_are_one_object_are_equal():
    base, _ = classes(rnnviz.frozen.dataclass)
    array = np.zeros(2)
    assert base(1, array) == base(1, array)
    assert base(1, np.nan) == base(1, np.nan)


@pytest.mark.parametrize("values", [((), {}), ((1, 2, [], "x"), {}), ((1,), {"a": 1}), ((1,), {"e": 1})])
def test_other_arguments_and_changes_are_refused(made, values):
    base, _ = made
    with pytest.raises(TypeError, match=r"Base\.__init__\(\)"):
        base(*values[0], **values[1])
    with pytest.raises(FrozenInstanceError):
        base(1).a = 2
    with pytest.raises(FrozenInstanceError):
        del base(1).a


def test_a_pickled_instance_is_equal_before_any_was_made():
    one = Pickled(1, (Pickled(2),))
    assert pickle.loads(pickle.dumps(one)) == one
