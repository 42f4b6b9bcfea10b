"""The program behind lib:FILE: it reads IN, calls the library step by step or as a whole, and writes OUT.

Each array lies at the end of a page that is followed by one without access, so that a read or write behind it ends the
process and gives no wrong number. The step that is being called is noted in a file next to OUT.
"""

import ctypes
import mmap
import os
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.port.protocol import REFUSED, STEP_NOTE

WORKER_ARGUMENT = "--port-library"
"""In a bundle there is no Python to be called with -m: the program is called with this instead."""

_ABI = 1
_READ_WRITE, _NONE, _PRIVATE_ANONYMOUS = 3, 0, 0x22


class _Parameter(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
    )


class _Net(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("size", "abi", "real_size")),
        *((name, ctypes.c_int32) for name in ("T", "N", "I", "H", "P", "L", "D", "reverse", "params")),
        ("cell", ctypes.c_char_p),
        ("param", ctypes.POINTER(_Parameter)),
    )


def main(arguments: list[str]) -> NoReturn:
    """Compute IN with a library and write OUT; the arguments are the library, IN and OUT."""
    path, folder, out = arguments
    code = 1
    try:
        code = _Port(Path(folder), Path(out)).compute(ctypes.CDLL(os.path.abspath(path)))
    except OSError as error:
        print(f"the library cannot be loaded: {error}", file=sys.stderr)
    except AttributeError:
        print("the library exports neither rnnport_step nor rnnport_forward", file=sys.stderr)
    sys.stderr.flush()
    # The library may have left threads.
    os._exit(code)


class _Port:
    """The network in IN, with its arrays as C reads them."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._out = out
        sizes = dict(line.split(" ", 1) for line in (folder / "sizes.txt").read_text("utf-8").splitlines())
        self._cell = sizes["cell"]
        self._kind = np.dtype(sizes["dtype"])
        self._t, self._n, self._i, self._h, self._p, self._l, self._d = (int(sizes[key]) for key in "TNIHPLD")
        self._reverse, self._u = int(sizes["reverse"]), int(sizes["P"]) or int(sizes["H"])
        self._x = self._read(folder / "input.bin", self._t, self._n, self._i)
        lanes = self._l * self._d, self._n
        self._start = {"h": self._read(folder / "h0.bin", *lanes, self._u)}
        if (folder / "c0.bin").exists():
            self._start["c"] = self._read(folder / "c0.bin", *lanes, self._h)
        self._lengths = np.full(self._n, self._t, np.int32)
        if (folder / "lengths.bin").exists():
            self._lengths = np.fromfile(folder / "lengths.bin", "<i4").astype(np.int32)
        files = sorted((folder / "weights").iterdir())
        self._weights = {
            path.stem: _guarded(np.fromfile(path, self._kind.newbyteorder("<")).astype(self._kind)) for path in files
        }
        rows = [_Parameter(n.encode(), a.ctypes.data, *self._shape(n, a.size)) for n, a in self._weights.items()]
        self._rows = (_Parameter * len(rows))(*rows)
        numbers = self._t, self._n, self._i, self._h, self._p, self._l, self._d, self._reverse
        head = ctypes.sizeof(_Net), _ABI, self._kind.itemsize
        self._net = _Net(*head, *numbers, len(rows), self._cell.encode(), self._rows)
        note = (out.parent / STEP_NOTE).open("w+b")
        note.truncate(4 * 8)
        self._at = np.frombuffer(mmap.mmap(note.fileno(), 4 * 8), np.int64)

    def _read(self, path: Path, *shape: int) -> FloatArray:
        read: FloatArray = np.fromfile(path, self._kind.newbyteorder("<")).astype(self._kind).reshape(shape)
        return read

    def _shape(self, name: str, size: int) -> tuple[int, int]:
        """Rows and columns: of W_ih its layer's inputs, of W_hh and the projection their units."""
        kind, _, place = name.rpartition("_l")
        first = place.partition("_")[0] == "0"
        columns = {
            "weight_ih": self._i if first else self._d * self._u,
            "weight_hh": self._u,
            "weight_hr": self._h,
        }.get(kind, 1)
        return size // columns, columns

    def compute(self, library: Any) -> int:
        """Call the library, write what it gives, and return the exit code."""
        with suppress(AttributeError):
            return self._steps(library.rnnport_step)
        return self._whole(library.rnnport_forward)

    def _steps(self, step: Any) -> int:
        gates = CELLS[self._cell].gate_symbols if self._cell in CELLS else ()
        lanes = self._l, self._d, self._t, self._n
        values = {"h": np.zeros((*lanes, self._u), self._kind)}
        if "c" in self._start:
            values["c"] = np.zeros((*lanes, self._h), self._kind)
        own = {symbol: _guarded(np.zeros(array.shape[-1], self._kind)) for symbol, array in values.items()}
        written = np.zeros((len(gates), *lanes, self._h), self._kind)
        g = _guarded(np.zeros((max(1, len(gates)), self._h), self._kind))
        for layer, d, n in product(range(self._l), range(self._d), range(self._n)):
            x = _guarded(np.zeros(self._i if layer == 0 else self._d * self._u, self._kind))
            for symbol, array in own.items():
                array[...] = self._start[symbol][layer * self._d + d, n]
            length = int(self._lengths[n])
            for s in range(length):
                t = length - 1 - s if d or self._reverse else s
                x[...] = self._x[t, n] if layer == 0 else values["h"][layer - 1, :, t, n].ravel()
                g[...] = np.nan
                self._at[...] = layer, d, t, n
                c = own["c"].ctypes.data if "c" in own else None
                code = step(
                    ctypes.byref(self._net),
                    *(ctypes.c_int32(layer), ctypes.c_int32(d)),
                    *map(ctypes.c_void_p, (x.ctypes.data, own["h"].ctypes.data, c, g.ctypes.data)),
                )
                if code:
                    print(f"rnnport_step returned {code} {self.place(layer, d, t, n)}", file=sys.stderr)
                    return REFUSED if code == REFUSED else 1
                for symbol, array in own.items():
                    values[symbol][layer, d, t, n] = array
                written[:, layer, d, t, n] = g[: len(gates)]
        values |= {gate: written[k] for k, gate in enumerate(gates) if gate != "h" and not np.isnan(written[k]).all()}
        self._write(values)
        return 0

    def place(self, layer: int, direction: int, t: int, n: int) -> str:
        backward = direction or self._reverse
        return f"in layer {layer}, {'backward' if backward else 'forward'}, t = {t}, sample {n}"

    def _whole(self, forward: Any) -> int:
        lanes = self._l, self._d, self._t, self._n
        shapes = {
            "h": (*lanes, self._u),
            "c": (*lanes, self._h),
            "out": (self._t, self._n, self._d * self._u),
            "state": (self._l * self._d, self._n, self._u),
            "cell_state": (self._l * self._d, self._n, self._h),
        }
        values = {name: _guarded(np.full(shape, np.nan, self._kind)) for name, shape in shapes.items()}
        read = [_guarded(self._x), _guarded(self._start["h"])]
        c = _guarded(self._start["c"]) if "c" in self._start else None
        lengths = _guarded(self._lengths) if (self._lengths < self._t).any() else None
        pointers = [None if array is None else array.ctypes.data for array in (*read, c, lengths, *values.values())]
        code = forward(ctypes.byref(self._net), *map(ctypes.c_void_p, pointers))
        if code:
            print(f"rnnport_forward returned {code}", file=sys.stderr)
            return REFUSED if code == REFUSED else 1
        self._write({name: array for name, array in values.items() if not np.isnan(array).all()})
        return 0

    def _write(self, values: dict[str, FloatArray]) -> None:
        for name, array in values.items():
            (self._out / f"{name}.bin").write_bytes(array.astype(self._kind.newbyteorder("<")).tobytes())


def _guarded(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that ends where memory without access begins; elsewhere than on Linux and macOS a plain copy."""
    if sys.platform == "win32" or not array.nbytes:
        return np.array(array)
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    flags = _PRIVATE_ANONYMOUS if sys.platform == "linux" else 0x1002
    base = libc.mmap(None, size + page, _READ_WRITE, flags, -1, 0)
    libc.mprotect(base + size, page, _NONE)
    memory = (ctypes.c_char * array.nbytes).from_address(base + size - array.nbytes)
    made: NDArray[Any] = np.frombuffer(memoryview(memory), array.dtype).reshape(array.shape)
    made[...] = array
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
