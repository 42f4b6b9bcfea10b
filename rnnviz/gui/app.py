"""Entry point of the window, and the check that Qt can start. Qt is imported only after it.

If a library is missing, Qt raises an import error that names no package, or ends the process. The check raises one
sentence that names the package to install. It imports only the standard library.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.core.extras import EXTRAS, missing
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass

if TYPE_CHECKING:
    from rnnviz.verify.result import RunResult


class PlatformError(RuntimeError):
    """Qt cannot open a window here. The message is one sentence."""


class PackageMissingError(PlatformError):
    """A Python package of the window is not installed."""


class LibraryMissingError(PlatformError):
    """System libraries that Qt needs are missing."""

    def __init__(self, missing: Iterable["Library"]) -> None:
        self.missing = tuple(missing)
        debian = " ".join(dict.fromkeys(library.debian for library in self.missing))
        fedora = " ".join(dict.fromkeys(library.fedora for library in self.missing))
        super().__init__(
            f"Qt cannot load {join_words(library.soname for library in self.missing)}: "
            f"install {debian} (Debian, Ubuntu) or {fedora} (Fedora)."
        )


class DisplayMissingError(PlatformError):
    """No display is available."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No display found: {reason}. Use xvfb-run for a virtual display (package xvfb on Debian and Ubuntu, "
            "xorg-x11-server-Xvfb on Fedora)."
        )


@dataclass(frozen=True)
class Library:
    """A system library, and the packages that contain it."""

    soname: str
    debian: str
    fedora: str


# Libraries that PySide6's Qt links to, except the C library and those that PySide6 contains. A test reads the same
# list from the library headers, so it stays up to date with Qt.
QT_LIBRARIES = (
    Library("libEGL.so.1", "libegl1", "libglvnd-egl"),
    Library("libGL.so.1", "libgl1", "libglvnd-glx"),
    Library("libX11.so.6", "libx11-6", "libX11"),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    Library("libfreetype.so.6", "libfreetype6", "freetype"),
    Library("libgcc_s.so.1", "libgcc-s1", "libgcc"),
    Library("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2"),
    Library("libstdc++.so.6", "libstdc++6", "libstdc++"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
    Library("libz.so.1", "zlib1g", "zlib"),
    Library("libzstd.so.1", "libzstd1", "libzstd"),
)
XCB_LIBRARIES = (
    Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb"),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    Library("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    Library("libxcb-render.so.0", "libxcb-render0", "libxcb"),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb"),
    Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    Library("libxcb-util.so.1", "libxcb-util1", "xcb-util"),
    Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    Library("libxcb.so.1", "libxcb1", "libxcb"),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
)
WAYLAND_LIBRARIES = (
    Library("libwayland-client.so.0", "libwayland-client0", "libwayland-client"),
    Library("libwayland-cursor.so.0", "libwayland-cursor0", "libwayland-cursor"),
)

Load = Callable[[str], object]
Connect = Callable[[str, Mapping[str, str]], bool]


def _load(soname: str) -> ctypes.CDLL:
    """Load a library as the dynamic linker does. Raises OSError if it is missing."""
    return ctypes.CDLL(soname)


def _connect(platform: str, environ: Mapping[str, str]) -> bool:
    if platform == "xcb":
        xcb = ctypes.CDLL("libxcb.so.1")
        xcb.xcb_connect.restype = ctypes.c_void_p
        xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
        xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
        connection = xcb.xcb_connect(environ.get("DISPLAY", "").encode(), None)
        answers = bool(xcb.xcb_connection_has_error(connection) == 0)
        xcb.xcb_disconnect(connection)
        return answers
    wayland = ctypes.CDLL("libwayland-client.so.0")
    wayland.wl_display_connect.restype = ctypes.c_void_p
    wayland.wl_display_connect.argtypes = [ctypes.c_char_p]
    wayland.wl_display_disconnect.argtypes = [ctypes.c_void_p]
    display = environ.get("WAYLAND_DISPLAY")
    connection = wayland.wl_display_connect(None if display is None else display.encode())
    if not connection:
        return False
    wayland.wl_display_disconnect(connection)
    return True


def check_platform(
    environ: Mapping[str, str] = os.environ,
    system: str = sys.platform,
    load: Load = _load,
    connect: Connect = _connect,
) -> None:
    """Raise PlatformError if Qt cannot start here."""
    lacking = missing(*EXTRAS["window"])
    if lacking is not None:
        raise PackageMissingError(f"The window {lacking}. Commands such as rnnviz run work without it.")
    if system != "linux":
        # On other systems the wheels link only to libraries that are always present.
        return
    _require(QT_LIBRARIES, load)
    candidates = _candidates(environ)
    if not candidates:
        raise DisplayMissingError("neither WAYLAND_DISPLAY nor DISPLAY is set")
    errors: list[PlatformError] = []
    for platform in candidates:
        try:
            _check_candidate(platform, environ, load, connect)
        except PlatformError as error:
            errors.append(error)
        else:
            return
    # A missing package can be installed; a display that does not answer is often a leftover variable.
    raise next((error for error in errors if isinstance(error, LibraryMissingError)), errors[0])


def _candidates(environ: Mapping[str, str]) -> list[str]:
    """The platform plugins that Qt would try, in its order, without options."""
    chosen = [name for name in environ.get("QT_QPA_PLATFORM", "").split(";") if name]
    if chosen:
        return [name.partition(":")[0].partition("-")[0] for name in chosen]
    candidates = []
    session = environ.get("XDG_SESSION_TYPE", "")
    if "WAYLAND_DISPLAY" in environ or session == "wayland":
        candidates.append("wayland")
    if "DISPLAY" in environ or session == "x11":
        candidates.append("xcb")
    if "gnome" in environ.get("XDG_CURRENT_DESKTOP", "").lower():
        candidates.reverse()
    return candidates


def _check_candidate(platform: str, environ: Mapping[str, str], load: Load, connect: Connect) -> None:
    libraries: tuple[Library, ...]
    if platform == "xcb":
        variable, libraries = "DISPLAY", XCB_LIBRARIES
    elif platform == "wayland":
        variable, libraries = "WAYLAND_DISPLAY", WAYLAND_LIBRARIES
    else:
        # Plugins such as offscreen need no display and no further library.
        return
    _require(libraries, load)
    if not connect(platform, environ):
        value = environ.get(variable)
        raise DisplayMissingError(f"{variable} is not set" if not value else f"no answer from {variable}={value}")


def _require(libraries: Iterable[Library], load: Load) -> None:
    missing = []
    for library in libraries:
        try:
            load(library.soname)
        except OSError:
            missing.append(library)
    if missing:
        raise LibraryMissingError(missing)


_WITHOUT_QT = (
    "engines.registry",
    "explain.report",
    "explain.value_sources",
    "execution.events",
    "io.export.paper",
    "io.templates",
    "lessons.index",
    "reading.arrays",
    "reading.units",
    "gui.regions",
    "results.columns",
    "text.verdict_text",
    "verify.mismatches",
)


def import_parts_without_qt() -> None:
    """Import what the window needs of the other parts. After Qt, each import statement takes three times as long."""
    for name in _WITHOUT_QT:
        import_module(f"rnnviz.{name}")


NO_WINDOW = 3
SWITCH_SECONDS = 0.001


def main(path: str | None) -> int:
    """Open the window on the file at `path`, if any, and return the exit code when it closes."""
    # A busy thread can hold the interpreter for this long while the window waits.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Imports create hundreds of thousands of live objects. Garbage collection would take a tenth of the start.
    searching = gc.isenabled()
    gc.disable()
    try:
        import_parts_without_qt()
        check_platform()
        from rnnviz.gui.application import run_window

        return run_window(None if path is None else Path(path))
    except PlatformError as error:
        print(f"rnnviz: {error}", file=sys.stderr)
        return NO_WINDOW
    finally:
        if searching:
            gc.enable()


def show(result: "RunResult") -> None:
    """Open a window on a finished run. Blocks until it closes, unless an event loop is already running.

    Raises PlatformError if no window can be opened. The message gives the reason.
    """
    check_platform()
    from rnnviz.gui.application import show_result

    show_result(result)
