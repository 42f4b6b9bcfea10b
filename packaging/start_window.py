"""Starts the window on a model file, waits for its first result and takes a picture:

    python packaging/start_window.py MODEL PICTURE

It imports the installed program, and ends with 1 if no result comes; the picture shows why.
"""

import sys
from pathlib import Path

from PySide6.QtCore import QTimer

from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.settings import Settings

_GIVE_UP_MS = 90_000
_SETTLED_MS = 1_000


def main(model: Path, picture: Path) -> int:
    """Open, wait, and save the picture; 0 if there is a result in it."""
    application = make_application()
    window = make_window(Settings())
    window.resize(1440, 900)

    results: list[object] = []

    def shoot() -> None:
        window.grab().save(str(picture))
        window.leave()

    window.usable.connect(lambda: window.begin(model))
    window.runner.finished.connect(lambda result, _: results.append(result))
    for ended in (window.runner.finished, window.runner.failed):
        ended.connect(lambda *_: QTimer.singleShot(_SETTLED_MS, shoot))
    window.closed.connect(application.quit)
    QTimer.singleShot(_GIVE_UP_MS, window, shoot)
    window.show()
    application.exec()
    window.shut_down()
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
