"""What goes into a bundle: the program, what it imports, and nothing that it does not use."""

import sys
from fnmatch import fnmatch
from pathlib import PurePath

from rnnviz.gui.app import QT_LIBRARIES

EXCLUDED_MODULES = [
    # Extras, which are installed with pip or not at all, and what else a developer's environment may hold.
    *("torch", "distributed", "dask", "anywidget", "IPython", "pytest", "hypothesis", "nbformat", "nbclient"),
    # Tests, build tools and debuggers that libraries import beside what they are used for.
    *("numpy.f2py", "numpy.distutils", "numpy.tests", "onnx.reference", "onnx.backend", "onnx.test"),
    *("pyqtgraph.examples", "pyqtgraph.opengl", "pyqtgraph.jupyter", "pyqtgraph.console", "pyqtgraph.flowchart"),
    *("onnxruntime.tools", "onnxruntime.transformers", "onnxruntime.quantization"),
    *("onnxruntime.backend", "h5py.tests", "pkg_resources"),
    *("tkinter", "sqlite3", "readline", "curses", "lib2to3", "test", "idlelib", "ensurepip"),
    # MXNet imports requests, which does without them; the program uses no network, and hashes with Python's own code.
    *("ssl", "_ssl", "_hashlib"),
    # Of Qt the widgets, and pictures from SVG files. QtOpenGL stays,
    # because pyqtgraph imports it whether or not it is asked to draw with it.
    *("PySide6.QtNetwork", "PySide6.QtTest", "PySide6.QtDBus"),
    # Python 3.12 lost distutils, which MXNet imports; setuptools brings it back there.
    *(("setuptools",) if sys.version_info < (3, 12) else ()),
]

_UNUSED = (
    # The program and Qt's dialogs speak English.
    "PySide6/Qt/translations/*",
    "PySide6/translations/*",
    # Screens without a desktop, input devices without one, and the network.
    "*/plugins/egldeviceintegrations/*",
    "*/plugins/generic/*",
    "*/plugins/networkinformation/*",
    "*/plugins/tls/*",
    "*/plugins/platforms/*eglfs*",
    "*/plugins/platforms/*linuxfb*",
    "*/plugins/platforms/*minimal*",
    "*/plugins/platforms/*vkkhrdisplay*",
    "*/plugins/platforms/*vnc*",
    "*/plugins/wayland-graphics-integration-client/*vulkan*",
    # The program reads and writes PNG, which needs no plugin, and SVG.
    *(f"*/plugins/imageformats/*q{kind}.*" for kind in ("gif", "icns", "ico", "jpeg", "tga", "tiff", "wbmp", "webp")),
    *(f"*Qt6{module}.*" for module in ("Network", "Test", "EglFSDeviceIntegration", "EglFsKmsSupport")),
    # Qt's own drawing of OpenGL, of which the program shows none.
    "*opengl32sw.dll",
    # Headers, stubs and sources, which nothing includes or reads at run time.
    "*.h",
    "*.hpp",
    "*.pyi",
    "*.pxd",
    "*.pyx",
    "onnx/*.proto",
    # The list of an installation that is none.
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
)

_BROUGHT = ("libffi.so.*", "libbz2.so.*", "libgomp.so.*", "libquadmath.so.*", "libgfortran.so.*", "libpython3*")
"""Libraries of the building system that others may lack or have under another name."""

_SYSTEM_FOLDERS = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")


def of_system(source: str) -> bool:
    """Whether a library is one of the building system's own, and not Python's or a package's."""
    inside = ("site-packages", "dist-packages", "lib-dynload")
    return source.startswith(_SYSTEM_FOLDERS) and not any(folder in source for folder in inside)


def belongs(name: str, source: str) -> bool:
    """Whether a file that PyInstaller found, by its path in the bundle and where it is, goes into it.

    Libraries of a Linux system stay out: a package names them as what it depends on, so that they get their updates,
    and a driver that is loaded beside them finds the ones that it was made for.
    """
    path = PurePath(name)
    if any(fnmatch(path.as_posix(), pattern) for pattern in _UNUSED):
        return False
    if any(path.name.startswith(library.soname) for library in QT_LIBRARIES):
        return False
    return not of_system(source) or any(fnmatch(path.name, pattern) for pattern in _BROUGHT)
