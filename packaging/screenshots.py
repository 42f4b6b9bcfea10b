"""Takes the pictures of the program that its documents show, from the program itself: python packaging/screenshots.py.

Those of the README are written to resources/screenshots, those of the guide to resources/guide/images, one for each
scene and theme; names of the guide's scenes as arguments narrow it to these.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from guide_scenes import SCENES as GUIDE_SCENES
from guide_scenes import WINDOW, take_scene, with_few_colors
from PySide6.QtCore import QSettings, QTimer

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.io.config_toml import parse_config

TARGET = Path(__file__).parent.parent / "resources" / "screenshots"
GUIDE = Path(__file__).parent.parent / "resources" / "guide" / "images"
SIZE = 1440, 900
_GIVE_UP_MS = 60_000
_SETTLED_MS = 400
"""Views that were drawn once may still make room for longer labels."""


@dataclass(frozen=True)
class Scene:
    """The content of a screenshot: a config and the selected value."""

    name: str
    config: str
    where: Location

    def parsed(self) -> Config:
        """The config."""
        return parse_config(self.config, Path.cwd(), self.name)


SCENES = (Scene("window", WINDOW, Location(1, 0, 4, 0, 2)),)


def take(scene: Scene, theme: str, settings: Settings, path: Path) -> bool:
    """Open the window on a scene, wait for its result, and write what is seen; False if no result came."""
    settings.theme = theme
    window: MainWindow = make_window(settings)
    window.resize(*SIZE)
    taken = []

    def point() -> None:
        window.session.set_location(scene.where)
        QTimer.singleShot(_SETTLED_MS, shoot)

    def shoot() -> None:
        taken.append(with_few_colors(window.grab().toImage()).save(str(path)))
        window.close()

    def begin() -> None:
        window.document.take(scene.parsed(), scene.name)
        window.warm_up()
        window.control.run()

    window.runner.finished.connect(lambda *_: QTimer.singleShot(_SETTLED_MS, point))
    window.first_painted.connect(begin)
    window.closed.connect(application.quit)
    QTimer.singleShot(_GIVE_UP_MS, window, window.close)
    window.show()
    application.exec()
    window.shut_down()
    return bool(taken and taken[0])


if __name__ == "__main__":
    application = make_application()
    narrowed = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat))
        for target in (TARGET, GUIDE):
            target.mkdir(exist_ok=True)
        done = [
            take(scene, theme, settings, TARGET / f"{scene.name}-{theme}.png")
            for scene in SCENES
            for theme in ("light", "dark")
            if not narrowed
        ]
        done += [
            take_scene(name, theme, Path(folder), GUIDE / f"{name}-{theme}.png")
            for name in narrowed or GUIDE_SCENES
            for theme in ("light", "dark")
        ]
    sys.exit(0 if all(done) else 1)
