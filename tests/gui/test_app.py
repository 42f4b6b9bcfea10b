"""The question whether Qt can start, by itself and against Qt's own answer."""

import importlib.util
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnviz.gui.app import (
    QT_LIBRARIES,
    WAYLAND_LIBRARIES,
    XCB_LIBRARIES,
    DisplayMissingError,
    LibraryMissingError,
    check_platform,
)
from tests.cases import cases
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs
from tests.programs import python

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Qt's system libraries are a matter of Linux")
needs_qt = needs(*(library.soname for library in QT_LIBRARIES))

OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen"}
X11 = {"DISPLAY": ":0"}
WAYLAND = {"WAYLAND_DISPLAY": "wayland-0"}


class Loader:
    """Stands for the dynamic loader of a system on which some libraries are missing."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing
        self.asked: list[str] = []

    def __call__(self, soname: str) -> object:
        self.asked.append(soname)
        if soname in self.missing:
            raise OSError(f"{soname}: cannot open shared object file: No such file or directory")
        return object()


def check(environ: dict[str, str], load: Loader, answering: tuple[str, ...] = ("xcb", "wayland")) -> None:
    check_platform(environ, "linux", load, lambda platform, environ: platform in answering)


@pytest.mark.parametrize(
    ("environ", "libraries"),
    [
        (OFFSCREEN, ()),
        (X11, XCB_LIBRARIES),
        (WAYLAND, WAYLAND_LIBRARIES),
        ({"QT_QPA_PLATFORM": "xcb", **X11}, XCB_LIBRARIES),
    ],
    ids=["offscreen", "x11", "wayland", "xcb-chosen"],
)
def test_every_qt_library_and_those_of_the_displays_plugin_are_tried(environ, libraries):
    load = Loader()
    check(environ, load)
    assert load.asked == [library.soname for library in (*QT_LIBRARIES, *libraries)]


@pytest.mark.parametrize("library", QT_LIBRARIES + XCB_LIBRARIES, ids=lambda library: library.soname)
def test_a_missing_library_is_named_with_the_packages_that_bring_it(library):
    with pytest.raises(LibraryMissingError) as caught:
        check(X11, Loader(library.soname))
    sentence = str(caught.value)
    assert caught.value.missing == (library,)
    assert sentence == (
        f"Qt cannot load {library.soname}: install {library.debian} (Debian, Ubuntu) or {library.fedora} (Fedora)."
    )


def test_all_missing_libraries_are_named_at_once_and_each_package_once():
    with pytest.raises(LibraryMissingError) as caught:
        check(OFFSCREEN, Loader("libEGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0"))
    assert str(caught.value) == (
        "Qt cannot load libEGL.so.1, libglib-2.0.so.0 and libgthread-2.0.so.0: "
        "install libegl1 libglib2.0-0 (Debian, Ubuntu) or libglvnd-egl glib2 (Fedora)."
    )


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "neither WAYLAND_DISPLAY nor DISPLAY is set"),
        ({"DISPLAY": ":77"}, "no answer from DISPLAY=:77"),
        ({"WAYLAND_DISPLAY": "wayland-7"}, "no answer from WAYLAND_DISPLAY=wayland-7"),
        ({"QT_QPA_PLATFORM": "xcb"}, "DISPLAY is not set"),
        ({"QT_QPA_PLATFORM": "wayland-egl"}, "WAYLAND_DISPLAY is not set"),
    ],
    ids=["none", "x11", "wayland", "xcb-chosen", "wayland-chosen"],
)
def test_a_missing_display_is_a_sentence(environ, reason):
    with pytest.raises(DisplayMissingError) as caught:
        check(environ, Loader(), answering=())
    assert str(caught.value).startswith(f"No display found: {reason}. ")


@pytest.mark.parametrize(
    ("environ", "answering"),
    [
        ({**X11, **WAYLAND}, ("xcb",)),
        ({**X11, **WAYLAND}, ("wayland",)),
        ({"QT_QPA_PLATFORM": "wayland;xcb", **X11}, ("xcb",)),
        ({"QT_QPA_PLATFORM": "xcb;offscreen"}, ()),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, ()),
    ],
    ids=["wayland-is-dead", "x11-is-dead", "second-choice", "offscreen-is-left", "options"],
)
def test_one_platform_that_starts_is_enough(environ, answering):
    check(environ, Loader(), answering)


def test_a_library_missing_for_one_of_two_displays_does_no_harm():
    check({**X11, **WAYLAND}, Loader("libxcb-cursor.so.0"))


def test_a_missing_library_is_reported_rather_than_a_dead_display():
    with pytest.raises(LibraryMissingError, match=r"libxcb-cursor\.so\.0"):
        check({**X11, **WAYLAND}, Loader("libxcb-cursor.so.0"), answering=())


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_asked_nothing(system):
    load = Loader(*[library.soname for library in QT_LIBRARIES])
    check_platform({}, system, load)
    assert load.asked == []


def needed(library: Path) -> Iterator[str]:
    """The dependencies listed in an ELF64 library."""
    data = library.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    (headers,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, headers + size * index) for index in range(count)]

    def offset_of(address: int) -> int:
        return next(o + address - v for kind, _, o, v, _, length in segments if kind == 1 and v <= address < v + length)

    dynamic, length = next((o, length) for kind, _, o, _, _, length in segments if kind == 2)
    entries = list(struct.iter_unpack("<QQ", data[dynamic : dynamic + length]))
    strings = offset_of(next(value for tag, value in entries if tag == 5))
    for tag, value in entries:
        if tag == 1:
            start = strings + value
            yield data[start : data.index(b"\0", start)].decode()


@linux_only
@pytest.mark.parametrize(
    ("roots", "libraries"),
    [
        (["lib/libQt6Widgets.so.6", "lib/libQt6Svg.so.6", "plugins/platforms/libqoffscreen.so"], QT_LIBRARIES),
        (["plugins/platforms/libqxcb.so"], XCB_LIBRARIES),
        (["plugins/platforms/libqwayland*.so"], WAYLAND_LIBRARIES),
    ],
    ids=["qt", "xcb", "wayland"],
)
def test_the_tables_list_the_libraries_that_qt_links_to(roots, libraries):
    spec = importlib.util.find_spec("PySide6")
    qt = Path(spec.origin).parent / "Qt"
    pending = [max(qt.glob(root)) for root in roots]
    seen, system = set(pending), set()
    while pending:
        for name in needed(pending.pop()):
            own = qt / "lib" / name
            if not own.exists():
                system.add(name)
            elif own not in seen:
                seen.add(own)
                pending.append(own)
    c_library = ("ld-linux", "libc.", "libdl.", "libm.", "libpthread.", "librt.")
    system = {name for name in system if not name.startswith(c_library)}
    expected = {library.soname for library in {*QT_LIBRARIES, *libraries}}
    assert "libQt6Core.so.6" in {path.name for path in seen}
    assert system | {library.soname for library in QT_LIBRARIES} == expected
    if libraries is QT_LIBRARIES:
        assert system == expected


PROBE = cases(__file__)["probe"]
START_QT = """
from PySide6.QtWidgets import QApplication
application = QApplication([])
print(application.platformName())
"""


def run(code: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP")
    environ = {name: value for name, value in os.environ.items() if name not in hidden} | environ
    return python("-c", code, env=environ)


NEEDS_XCB = needs(*(library.soname for library in XCB_LIBRARIES))
NO_EGL = "LibraryMissingError: Qt cannot load libEGL.so.1: install libegl1 (Debian, Ubuntu) or libglvnd-egl (Fedora).\n"


@linux_only
@needs_qt
@pytest.mark.parametrize(
    ("environ", "broken", "told"),
    [
        pytest.param({}, None, "DisplayMissingError: No display found: neither", marks=pytest.mark.slow),
        pytest.param({"DISPLAY": ":7777"}, None, "no answer from DISPLAY=:7777", marks=[pytest.mark.slow, NEEDS_XCB]),
        (OFFSCREEN, "libEGL.so.1", NO_EGL),
    ],
    ids=["no display", "dead display", "library"],
)
def test_a_process_raises_a_sentence_where_qt_fails(tmp_path, environ, broken, told):
    if broken:
        (tmp_path / broken).write_bytes(b"no library")
        environ = {**environ, "LD_LIBRARY_PATH": str(tmp_path)}
    probe, qt = run(PROBE, environ), run(START_QT, environ)
    assert probe.returncode == 1
    assert told in probe.stderr
    # It aborts, or cannot be imported.
    assert qt.returncode < 0 or (broken and re.search(rf"ImportError: .*{re.escape(broken)}", qt.stderr))


@pytest.mark.slow
@linux_only
@needs_qt
def test_a_process_that_can_start_qt_passes():
    assert run(PROBE, OFFSCREEN).stderr == ""
    assert run(START_QT, OFFSCREEN).stdout.split() == ["offscreen"]


@pytest.mark.slow
@linux_only
@needs_qt
@needs("Xvfb")
@NEEDS_XCB
def test_a_process_on_a_virtual_display_passes_and_misses_the_plugins_libraries(tmp_path):
    with virtual_screen("640x480x24") as display:
        environ = {"DISPLAY": display}
        assert run(PROBE, environ).stderr == ""
        assert run(START_QT, environ).stdout.split() == ["xcb"]
        (tmp_path / "libxcb-cursor.so.0").write_bytes(b"no library")
        environ["LD_LIBRARY_PATH"] = str(tmp_path)
        assert "install libxcb-cursor0 (Debian, Ubuntu) or xcb-util-cursor (Fedora)." in run(PROBE, environ).stderr
        assert run(START_QT, environ).returncode < 0
