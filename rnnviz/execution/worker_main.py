"""Entry point of the worker process, which ends if an import fails.

Nothing heavy is imported with this module, as the process unpickles a function of it before anything can be caught.
"""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import print_exc


def main(connection: Connection, warm: tuple[str, ...], storage: Path) -> None:
    """Serve as `child.main` does.

    A process that cannot even begin ends at once, with the code 1: where memory is missing, what numpy's libraries do
    at a regular end may wait for ever for threads that never got theirs.
    """
    try:
        from rnnviz.execution import worker

        worker.begin()
    except BaseException:  # noqa: BLE001 - whatever it is, nothing can be done but to notify it and end
        print_exc()
        sys.stderr.flush()
        os._exit(1)
    worker.main(connection, warm, storage)
