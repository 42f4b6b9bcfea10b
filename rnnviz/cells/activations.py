"""The named activations of a cell: their values, slopes and notation.

The definitions come from ONNX's RNN, GRU and LSTM operators, which have `alpha` and `beta`, and from Keras; where the
two differ, both are here.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.frozen import dataclass

FloatArray: TypeAlias = NDArray[np.floating[Any]]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_GELU_MINIMUM, _SWISH_MINIMUM = -0.7517915246935645, -1.2784645427610738
"""The arguments at which gelu and swish are least, and on whose two sides they fall and rise."""

_SWISH_BEND = 2.3993572805154676
"""The argument at which swish is steepest."""


@dataclass(frozen=True)
class _Rule:
    """The definition of one activation.

    `code` is NumPy source of f({x}), {X} being x with the brackets of an operand; `slope` is source of f', a factor of
    a product, in which {y} is f(x). {alpha} and {beta} may occur in both. At a kink the slope equals PyTorch's and
    MXNet's. `low` and `high` limit f, which turns from falling to rising, or back, at `turns`. `rounding` is how far a
    correct f(x) may be off: not at all ("exact"), by eps ("absolute"), by eps · (1 + |f|) ("relative"), or by eps · (1
    + |x|) ("argument"), where a small result is x times what is left of 1 - 1.
    """

    code: str
    slope: str
    low: float = -math.inf
    high: float = math.inf
    rounding: str = "relative"
    turns: tuple[float, ...] = ()


@dataclass(frozen=True)
class Activation:
    """A named function of every element: `sigmoid(x)`; some have the constants `alpha` and `beta`."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def __call__(self, x: Any) -> Any:
        return x.activated(self)

    def with_constants(self, alpha: float | None = None, beta: float | None = None) -> "Activation":
        return replace(self, alpha=self.alpha if alpha is None else alpha, beta=self.beta if beta is None else beta)

    def in_float32(self) -> "Activation":
        return self.with_constants(*(float(np.float32(constant)) for constant in (self.alpha, self.beta)))

    def values(self, x: FloatArray) -> FloatArray:
        """f(x), of the shape and type of x."""
        return np.asarray(_functions(self.name, self.alpha, self.beta)[0](x), x.dtype)

    def slopes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """f'(x), of the shape of x; y is f(x)."""
        slopes = np.asarray(_functions(self.name, self.alpha, self.beta)[1](x, y), x.dtype)
        return slopes if slopes.shape == x.shape else np.full_like(x, slopes)

    @property
    def slope_reads_value(self) -> bool:
        """Whether f'(x) follows from f(x) alone."""
        return self.name in ("sigmoid", "tanh")

    def code(self, x: str) -> str:
        """NumPy source of f(x); `sigmoid` and `erf` in it are functions of the notebook's own."""
        operand = x if x.isidentifier() else f"({x})"
        return _RULES[self.name].code.format(x=x, X=operand, alpha=repr(self.alpha), beta=repr(self.beta))

    def slope_code(self, x: str, y: str) -> str:
        """NumPy source of f'(x) as a factor of a product; y is f(x), and both have brackets where they need some."""
        return _RULES[self.name].slope.format(x=x, y=y, alpha=repr(self.alpha), beta=repr(self.beta))

    @property
    def constants(self) -> int:
        """The number of its constants: 0, 1 (alpha) or 2 (alpha and beta)."""
        return sum(constant in _RULES[self.name].code for constant in ("{alpha}", "{beta}"))

    @property
    def text(self) -> str:
        """The name with its constants: "leaky_relu[0.01]"."""
        count = self.constants
        return self.name + (f"[{', '.join(f'{c:g}' for c in (self.alpha, self.beta)[:count])}]" if count else "")

    @property
    def key(self) -> str:
        """The name that a config gives to it, with its constants where the name does not give them."""
        known = next((name for name, activation in ACTIVATIONS.items() if activation == self), None)
        constants = ", ".join(map(repr, (self.alpha, self.beta)[: self.constants]))
        return known or f"{self.name}({constants})"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and largest value that f can have; infinite where there is no limit."""
        rule = _RULES[self.name]
        if self.name == "scaled_tanh":
            return -abs(self.alpha), abs(self.alpha)
        if self.name == "clip":
            return -self.alpha, self.alpha
        if self.name == "elu":
            return min(-self.alpha, 0.0), math.inf
        return rule.low, rule.high

    @property
    def bounded(self) -> bool:
        """Whether f has a least and a largest value."""
        return all(map(math.isfinite, self.limits))

    @property
    def rounding(self) -> str:
        """How far a correct f(x) may be off: "exact", "absolute", "relative" or "argument"; see `_Rule`."""
        return _RULES[self.name].rounding

    @property
    def turns(self) -> tuple[float, ...]:
        """The arguments at which f turns from falling to rising, or back."""
        if self.name in ("leaky_relu", "elu") and self.alpha < 0.0:
            return (0.0,)
        return _RULES[self.name].turns

    @property
    def bends(self) -> tuple[float, ...]:
        """The arguments at which the slope jumps, or turns from falling to rising, or back."""
        match self.name:
            case "thresholded_relu":
                return (self.alpha,)
            case "clip":
                return -self.alpha, self.alpha
            case "hard_tanh":
                return -1.0, 1.0
            case "hard_sigmoid":
                return (-self.beta / self.alpha, (1.0 - self.beta) / self.alpha) if self.alpha else ()
            case "gelu":
                return -math.sqrt(2.0), math.sqrt(2.0)
            case "swish":
                return -_SWISH_BEND, _SWISH_BEND
            case "linear" | "affine" | "exponential" | "softplus":
                return ()
        return (0.0,)


@dataclass(frozen=True)
class Composition:
    """One activation after another: outer(inner(x))."""

    inner: Activation
    outer: "Activation | Composition"

    def __call__(self, x: Any) -> Any:
        return self.outer(self.inner(x))

    @property
    def text(self) -> str:
        """Both names: "tanh(clip[3])"."""
        return f"{self.outer.text}({self.inner.text})"


Function: TypeAlias = Activation | Composition
"""An activation in a role of a cell, such as its `gate`."""


def without_clip(function: Function) -> Activation:
    """`function` without what its argument is cut to."""
    return function if isinstance(function, Activation) else without_clip(function.outer)


def clipped(function: Function, limit: float) -> Function:
    """`function` of its argument cut to [-limit, limit], as ONNX's attribute `clip` has it."""
    return Composition(clip.with_constants(limit), function)


def _sigmoid(x: FloatArray) -> FloatArray:
    """(1 + tanh(x / 2)) / 2, which does not overflow."""
    y: FloatArray = np.asarray(x * 0.5)
    np.tanh(y, out=y)
    y += 1.0
    y *= 0.5
    return y


def _softplus(x: FloatArray) -> FloatArray:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: FloatArray) -> FloatArray:
    """The error function; NumPy has none."""
    return np.asarray(_erf(x), np.asarray(x).dtype)


def _gelu_slopes(x: FloatArray, y: FloatArray) -> FloatArray:
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return np.asarray(0.5 * (1.0 + erf(x / math.sqrt(2.0))) + x * density)


_RULES: dict[str, _Rule] = {
    "sigmoid": _Rule("sigmoid({x})", "{y} * (1 - {y})", 0.0, 1.0, "absolute"),
    "tanh": _Rule("np.tanh({x})", "(1 - {y} ** 2)", -1.0, 1.0, "absolute"),
    # A NaN stays a NaN.
    "relu": _Rule("np.maximum({x}, 0)", "({x} > 0)", low=0.0, rounding="exact"),
    "linear": _Rule("{x}", "1", rounding="exact"),
    "affine": _Rule("({alpha} * {X} + {beta})", "{alpha}"),
    "leaky_relu": _Rule("np.where({X} > 0, {x}, {alpha} * {X})", "np.where({x} > 0, 1, {alpha})"),
    # Written with "less than", so that a NaN stays a NaN.
    "thresholded_relu": _Rule("np.where({X} < {alpha}, 0, {x})", "({x} >= {alpha})", low=0.0, rounding="exact"),
    "scaled_tanh": _Rule("({alpha} * np.tanh({beta} * {X}))", "{alpha} * {beta} * (1 - np.tanh({beta} * {x}) ** 2)"),
    "hard_sigmoid": _Rule(
        "np.clip({alpha} * {X} + {beta}, 0, 1)",
        "{alpha} * (({alpha} * {x} + {beta} > 0) & ({alpha} * {x} + {beta} < 1))",
        0.0,
        1.0,
        "absolute",
    ),
    "elu": _Rule(
        "np.where({X} > 0, {x}, {alpha} * np.expm1(np.minimum({x}, 0)))",
        "np.where({x} > 0, 1, {alpha} * np.exp(np.minimum({x}, 0)))",
    ),
    "selu": _Rule(
        f"({_SELU_SCALE} * np.where({{X}} > 0, {{x}}, {_SELU_ALPHA} * np.expm1(np.minimum({{x}}, 0))))",
        f"{_SELU_SCALE} * np.where({{x}} > 0, 1, {_SELU_ALPHA} * np.exp(np.minimum({{x}}, 0)))",
        low=-_SELU_SCALE * _SELU_ALPHA,
    ),
    "softsign": _Rule("({X} / (1 + np.abs({x})))", "1 / (1 + np.abs({x})) ** 2", -1.0, 1.0, "absolute"),
    "softplus": _Rule("np.logaddexp({x}, 0)", "sigmoid({x})", low=0.0),
    "gelu": _Rule(
        "(0.5 * {X} * (1 + erf({X} / 2**0.5)))",
        "(0.5 * (1 + erf({x} / 2**0.5)) + {x} * np.exp(-0.5 * {x} ** 2) / (2 * np.pi) ** 0.5)",
        low=-0.17,
        rounding="argument",
        turns=(_GELU_MINIMUM,),
    ),
    "swish": _Rule(
        "({X} * sigmoid({x}))",
        "(sigmoid({x}) + {y} * (1 - sigmoid({x})))",
        low=-0.2785,
        rounding="argument",
        turns=(_SWISH_MINIMUM,),
    ),
    "exponential": _Rule("np.exp({x})", "{y}", low=0.0),
    "hard_tanh": _Rule("np.clip({x}, -1, 1)", "(np.abs({x}) < 1)", -1.0, 1.0, "exact"),
    "clip": _Rule("np.clip({x}, -{alpha}, {alpha})", "(np.abs({x}) <= {alpha})", rounding="exact"),
}

_NAMES = {"np": np, "sigmoid": _sigmoid, "erf": erf, "inf": math.inf}
"""The names in the source of the activations."""


@lru_cache(maxsize=256)
def _functions(name: str, alpha: float, beta: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """f(x) and f'(x, y), compiled from their source, but where other operations round better or keep a sign."""
    activation = Activation(name, alpha, beta)
    # The source is the program's own, with the constants of the activation.
    values, slopes = (
        eval(f"lambda {arguments}: {source}", _NAMES)  # noqa: S307
        for arguments, source in (("x", activation.code("x")), ("x, y", activation.slope_code("x", "y")))
    )
    match name:
        case "softplus":
            values = _softplus
        case "gelu":
            slopes = _gelu_slopes
        case "hard_sigmoid" if alpha < 0.0:
            # Where the slope is 0 it has no sign.
            return values, lambda x, y: slopes(x, y) + 0.0
    return values, slopes


sigmoid = Activation("sigmoid")
tanh = Activation("tanh")
relu = Activation("relu")
linear = Activation("linear")
affine = Activation("affine", 1.0, 0.0)
leaky_relu = Activation("leaky_relu", 0.01)
thresholded_relu = Activation("thresholded_relu", 1.0)
scaled_tanh = Activation("scaled_tanh", 1.0, 1.0)
hard_sigmoid = Activation("hard_sigmoid", 0.2, 0.5)
"""ONNX's, and Keras's before version 3: 0.2 x + 0.5, cut to [0, 1]."""
elu = Activation("elu", 1.0)
selu = Activation("selu")
softsign = Activation("softsign")
softplus = Activation("softplus")
gelu = Activation("gelu")
swish = Activation("swish")
exponential = Activation("exponential")
hard_tanh = Activation("hard_tanh")
keras_hard_sigmoid = Activation("hard_sigmoid", 1.0 / 6.0, 0.5)
"""That of Keras 3 and PyTorch: x / 6 + 0.5, cut to [0, 1]."""
silu = swish
clip = Activation("clip", math.inf)

ACTIVATIONS = {name: value for name, value in list(vars().items()) if isinstance(value, Activation) and name != "clip"}
"""Every activation that a role of a cell can have, by the name that a config gives to it."""
