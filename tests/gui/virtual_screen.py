"""A screen for windows where there is none."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep


@contextmanager
def virtual_screen(size: str) -> Iterator[str]:
    """The name of the display of an X server of our own, once it takes connections.

    The number is made of this process's: servers that look for a free one take each other's where two begin at once,
    as they do when the tests are shared out. A server that resets after its last client refuses the next one meanwhile.
    """
    command = ["Xvfb", f":{1000 + os.getpid() % 50_000}", "-displayfd", "1", "-screen", "0", size, "-noreset"]
    command += ["-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        number = server.stdout.readline().strip()
        assert number.isdigit(), "Xvfb did not start"
        try:
            _connect(number, server)
            yield f":{number}"
        finally:
            server.terminate()


def _connect(number: str, server: subprocess.Popen[str]) -> None:
    for _ in range(500):
        assert server.poll() is None, "Xvfb ended"
        with socket.socket(socket.AF_UNIX) as client:
            if client.connect_ex(f"/tmp/.X11-unix/X{number}") == 0:
                return
        sleep(0.01)
    raise AssertionError(f"Xvfb takes no connection to display {number}")
