"""Names of parameters, outputs and states in views, as in the model file's framework or in the user's choice."""

from PySide6.QtWidgets import QApplication

from rnnviz.core import naming

_CHOICE, _OF_FILE = "rnnviz-names", "rnnviz-names-of-file"


def use_names(choice: str) -> None:
    """Apply one of the NAMES_CHOICES of the settings. Views that are shown must be refreshed."""
    _application().setProperty(_CHOICE, choice)


def use_file(path: str | None) -> bool:
    """Take the names of a model file where the user chose none; returns whether views must be refreshed."""
    application, names = _application(), naming.names_of_file(path)
    changed = (application.property(_OF_FILE) or "gluon") != names
    application.setProperty(_OF_FILE, names)
    return changed


def named(text: str) -> str:
    """A text with Gluon's names, in the present names of the window."""
    application = QApplication.instance()
    if application is None:
        return text
    choice = application.property(_CHOICE)
    return naming.named(text, application.property(_OF_FILE) if choice in (None, "file") else choice)


def _application() -> QApplication:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    return application
