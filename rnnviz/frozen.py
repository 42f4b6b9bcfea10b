"""Frozen dataclasses that are quick to define.

The standard library compiles six functions for each of them, which takes 0.5 ms: a tenth of the start of the window.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    from collections.abc import Callable
    from dataclasses import MISSING, FrozenInstanceError, fields
    from dataclasses import dataclass as standard_dataclass
    from operator import attrgetter
    from reprlib import recursive_repr
    from typing import Any

    def dataclass(*, frozen: bool, eq: bool = True, repr: bool = True) -> Callable[[type], type]:
        """`dataclasses.dataclass(frozen=True)`, which compiles `__init__` at the first instance and nothing else."""
        assert frozen, "for other classes the standard library compiles fewer functions"

        def make(cls: type) -> type:
            # Without a docstring, the standard library writes one, which takes as long as the rest.
            cls.__doc__ = cls.__doc__ or ""
            standard_dataclass(init=False, repr=False, eq=False)(cls)
            methods = {"__init__": _first_init(cls), "__setattr__": _refuse, "__delattr__": _refuse}
            if repr:
                methods["__repr__"] = _repr(cls)
            if eq:
                methods["__eq__"], methods["__hash__"] = _comparison(cls)
            for name, method in methods.items():
                # A class that defines its own equality has None as its hash.
                if vars(cls).get(name) is None:
                    setattr(cls, name, method)
            return cls

        return make

    def _first_init(cls: type) -> Callable[..., None]:
        def __init__(self: Any, /, *values: object, **named: object) -> None:
            cls.__init__ = _compiled_init(cls)
            cls.__init__(self, *values, **named)

        return __init__

    def _compiled_init(cls: type) -> Callable[..., None]:
        known: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": MISSING}
        parameters, lines = ["_self"], []
        for field in sorted(fields(cls), key=lambda field: field.kw_only):
            name = value = default = field.name
            if field.kw_only and "*" not in parameters:
                parameters.append("*")
            if field.default_factory is not MISSING:
                known[f"_make_{name}"], default = field.default_factory, f"{name}=_MISSING"
                value = f"_make_{name}() if {name} is _MISSING else {name}"
            elif field.default is not MISSING:
                known[f"_default_{name}"], default = field.default, f"{name}=_default_{name}"
            parameters.append(default)
            lines.append(f"_set(_self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append("_self.__post_init__()")
        source = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"])
        exec(source, known)  # noqa: S102 - of names of fields alone
        known["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
        return known["__init__"]

    def _repr(cls: type) -> Callable[[Any], str]:
        shown = [field.name for field in fields(cls) if field.repr]

        @recursive_repr()
        def __repr__(self: Any) -> str:
            return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        return __repr__

    def _comparison(cls: type) -> tuple[Callable[[Any, object], bool], Callable[[Any], int]]:
        names = [field.name for field in fields(cls) if field.compare]
        # The values are compared as tuples, in which the same value is equal even if it is NaN or an array.
        compared = attrgetter(*names) if len(names) > 1 else lambda self: tuple(getattr(self, name) for name in names)

        def __eq__(self: Any, other: object) -> bool:
            return compared(self) == compared(other) if type(other) is type(self) else NotImplemented

        def __hash__(self: Any) -> int:
            return hash(compared(self))

        return __eq__, __hash__

    def _refuse(_self: Any, name: str, *_value: object) -> None:
        raise FrozenInstanceError(f"cannot change field {name!r}")
