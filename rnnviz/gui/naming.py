"""Names of parameters, outputs and states in views: those of Gluon, or those of PyTorch."""

import re

from PySide6.QtWidgets import QApplication

_CHOICE = "rnnviz-names"

_BIAS_OR_WEIGHT = re.compile(r"\b([lr])(\d+)_(i2h|h2h|h2r)_(weight|bias)\b")
_SYMBOL = re.compile(r"\b([Wb])_(i2h|h2h)\b")
_STATE = re.compile(r"\bstate\[([01])\]")
_OUT = re.compile(r"\bout\b")
_WORDS = {
    "NTC, batch first": "batch_first=True",
    "TNC, time first": "batch_first=False",
    "[h, c]": "(h_n, c_n)",
}
_TORCH = {"i2h": "ih", "h2h": "hh", "h2r": "hr"}


def use_names(choice: str) -> None:
    """Apply one of the NAMES_CHOICES of the settings. Views that are shown must be refreshed."""
    application = QApplication.instance()
    assert application is not None
    application.setProperty(_CHOICE, choice)


def named(text: str) -> str:
    """A text with Gluon's names, in the names of the user's choice.

    PyTorch's are `weight_ih_l0` and `bias_hh_l0_reverse` for parameters, `output`, `h_n`, `c_n` and `batch_first`.
    """
    application = QApplication.instance()
    if application is None or application.property(_CHOICE) != "pytorch":
        return text
    for words, of_torch in _WORDS.items():
        text = text.replace(words, of_torch)
    text = _BIAS_OR_WEIGHT.sub(_parameter, text)
    text = _SYMBOL.sub(lambda found: f"{found[1]}_{_TORCH[found[2]]}", text)
    text = _STATE.sub(lambda found: ("h_n", "c_n")[int(found[1])], text)
    return _OUT.sub("output", text)


def _parameter(found: re.Match[str]) -> str:
    reverse = "_reverse" if found[1] == "r" else ""
    return f"{found[4]}_{_TORCH[found[3]]}_l{found[2]}{reverse}"
