"""python -m rnnviz."""

import multiprocessing
import sys

from rnnviz.cli import main

if __name__ == "__main__":
    # In a bundle the child process is this program once more, and this call is where it goes its own way.
    multiprocessing.freeze_support()
    sys.exit(main())
