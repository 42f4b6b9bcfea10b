"""Functions that the child process of these tests imports by name."""

import contextlib
import errno
import os
import signal
import time
from pathlib import Path
from threading import Thread

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.io.inputs import load_inputs


def refuse_input(config: Config) -> Inputs:
    raise InputError("The weather is wrong: it must be fair.")


def refuse_key(config: Config) -> Inputs:
    raise ConfigError("sequence.path", "sequence.path is wrong: it must be right.")


def fill_the_disk(config: Config) -> Inputs:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def use_all_memory(config: Config) -> Inputs:
    raise MemoryError


def map_too_much(config: Config) -> Inputs:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def blunder(config: Config) -> Inputs:
    raise ZeroDivisionError("nobody thought of this")


def die(config: Config) -> Inputs:
    os.kill(os.getpid(), signal.SIGKILL)
    return load_inputs(config)


def crash(config: Config) -> Inputs:
    os.kill(os.getpid(), signal.SIGSEGV)
    return load_inputs(config)


def leave(config: Config) -> Inputs:
    os._exit(7)


def hang(config: Config) -> Inputs:
    """Never come back, and hold the interpreter's main thread as a native call does."""
    while True:
        time.sleep(3600)


def fill_up(path: Path, seconds: float, config: Config) -> Inputs:
    """Fill the disk after some seconds."""

    def fill() -> None:
        time.sleep(seconds)
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    Thread(target=fill, daemon=True).start()
    if not seconds:
        time.sleep(0.1)
    return load_inputs(config)
