"""rnnviz [FILE]: open the window."""

import os

from rnnviz.core.errors import InputError
from rnnviz.core.regular_file import check_regular


def open_window(file: str | None) -> int:
    if file is not None and not os.path.isfile(file):
        check_regular(file)
        raise InputError(f"{file} cannot be opened: the file does not exist.")
    from rnnviz.gui.app import main as open_app

    code: int = open_app(file)
    return code
