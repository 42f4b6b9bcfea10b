"""The program: python -m rnnviz, and the command rnnviz."""

import os
import signal
import sys
import warnings

_BEFORE = {
    number: signal.getsignal(number)
    for number in (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
}
for _number in _BEFORE:
    # There is nothing to clean up yet, and importing the rest takes long enough for a Ctrl-C.
    signal.signal(_number, lambda number, _frame: os._exit(128 + number))


def main() -> int:
    """Do what the program's arguments ask for, and return the exit code."""
    if sys.argv[1:2] in (["run"], ["explain"]) and not {"-h", "--help", "--program"}.intersection(sys.argv):
        from rnnviz.execution.worker import start_early

        # It imports while this process imports, and takes about as long.
        start_early()
    from rnnviz.cli import main as answer
    from rnnviz.cli.terminal import exit_code_of, ignore_signals

    # A library's warning is of no use to users, and would end the program where PYTHONWARNINGS makes it an error.
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    try:
        for number, handler in _BEFORE.items():
            signal.signal(number, handler)
        return answer()
    except KeyboardInterrupt as interrupt:
        return exit_code_of(interrupt)
    finally:
        ignore_signals()


if __name__ == "__main__":
    import multiprocessing

    from rnnviz.engines.custom_code.parent import HOST_ARGUMENT
    from rnnviz.engines.port.guard import GUARD_ARGUMENT
    from rnnviz.engines.port.library_worker import WORKER_ARGUMENT

    # In a bundle the child process is this program once more, and this call is where it goes its own way.
    multiprocessing.freeze_support()
    if sys.argv[1:2] == [HOST_ARGUMENT]:
        from rnnviz.engines.custom_code.worker import main as run_recurrence

        # The interpreter's own end would wait for threads that the user's code may have left running.
        os._exit(run_recurrence(sys.argv[2:]))
    if sys.argv[1:2] == [GUARD_ARGUMENT]:
        from rnnviz.engines.port.guard import main as run_port

        run_port()
    if sys.argv[1:2] == [WORKER_ARGUMENT]:
        from rnnviz.engines.port.library_worker import main as call_library

        call_library(sys.argv[2:])
    sys.exit(main())
