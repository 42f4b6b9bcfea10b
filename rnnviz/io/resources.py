"""Where the files that come with the program are: icons, lessons, styles."""

from importlib.resources import files
from pathlib import Path

_INSTALLED = "resources"


def resource_path(*parts: str) -> Path:
    """The path of a file or folder among the resources, such as `resource_path("lessons")`.

    A wheel and a bundle hold the resources inside the package; a source tree holds them beside it.

    Raises
    ------
    FileNotFoundError
        If it is not there, which means that the installation is damaged.
    """
    package = Path(str(files("rnnviz")))
    for root in (package / _INSTALLED, package.parent / _INSTALLED):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{'/'.join((_INSTALLED, *parts))} is missing from the installation in {package}: install rnnviz again."
    )
