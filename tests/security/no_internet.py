"""Run a command of which each process is killed as soon as it makes a socket of the internet.

python -m tests.security.no_internet COMMAND...: a filter of system calls, which its children inherit and which
cannot be removed. It sees what libraries do below Python as well. Sockets between processes of one machine are
allowed. One of IPv6 is refused as on a machine that has none: MXNet imports urllib3, which makes one to learn whether
there is IPv6, and closes it again.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}
"""The number of the system call that makes a socket."""
_AF_INET, _AF_INET6 = 2, 10

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def supported() -> bool:
    """Whether this system has such filters, and we know its numbers."""
    return sys.platform == "linux" and platform.machine() in _SOCKET


def forbid_internet() -> None:
    """Forbid sockets of the internet to this process and all that it starts. Raises an OSError if it cannot."""
    code = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUAL, 0, 5, _SOCKET[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 1, 0, _AF_INET),
        (_EQUAL, 1, 2, _AF_INET6),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _REFUSE | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    packed = b"".join(struct.pack("HBBI", *line) for line in code)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code), packed)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "the system allows no filter")


if __name__ == "__main__":
    forbid_internet()
    os.execvp(sys.argv[1], sys.argv[1:])
