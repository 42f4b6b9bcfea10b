"""python -m rnnviz."""

import multiprocessing
import os
import sys

from rnnviz.cli import main
from rnnviz.engines.own.engine import HOST_ARGUMENT

if __name__ == "__main__":
    # In a bundle the child process is this program once more, and this call is where it goes its own way.
    multiprocessing.freeze_support()
    if sys.argv[1:2] == [HOST_ARGUMENT]:
        from rnnviz.engines.own.host import main as run_recurrence

        # The interpreter's own end would wait for threads that the user's code may have left running.
        os._exit(run_recurrence(sys.argv[2:]))
    sys.exit(main())
