"""A screen for windows where there is none."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def virtual_screen(size: str) -> Iterator[str]:
    """The name of the display of an X server of our own.

    The number is made of this process's: servers that look for a free one take each other's where two begin at once,
    as they do when the tests are shared out.
    """
    command = ["Xvfb", f":{1000 + os.getpid() % 50_000}", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        number = server.stdout.readline().strip()
        assert number.isdigit(), "Xvfb did not start"
        try:
            yield f":{number}"
        finally:
            server.terminate()
