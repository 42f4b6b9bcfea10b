"""Where the files are that come with the program."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = "resources"


def resource_path(*parts: str) -> Path:
    """The path of a file or folder among the resources, such as `resource_path("lessons")`.

    A wheel and a bundle hold the resources inside the package; a source tree holds them next to it. Raises a
    FileNotFoundError if it is not there, which means that the installation is damaged.
    """
    for root in (_PACKAGE / _INSTALLED, _PACKAGE.parent / _INSTALLED):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{'/'.join((_INSTALLED, *parts))} is missing from the installation in {_PACKAGE}: install rnnviz again."
    )
