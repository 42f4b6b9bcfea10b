"""Use the window at random and see that nothing breaks: python -m tools.monkey ACTIONS [--seed N] [--checks N]

Ends with 1 and a sentence for every exception, warning, frozen frame and wrong verdict.
"""

import argparse
import sys

from tools.apart import INSIDE, run_apart


def main() -> int:
    """Act in a separate process with its own home and temporary files, and check what it leaves behind."""
    parser = argparse.ArgumentParser(prog="python -m tools.monkey", description="See that nothing breaks.")
    parser.add_argument("actions", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checks", type=int, default=1_000_000, help="configs to repeat by the command line, at most")
    parser.add_argument("--frozen", type=float, default=0.2, metavar="SECONDS", help="the longest frame that may be")
    parser.add_argument("--aloud", action="store_true", help="say each action before it is done")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.inside:
        from tools.monkey.session import Monkey

        monkey = Monkey(wanted.actions, wanted.seed, wanted.checks, wanted.frozen, aloud=wanted.aloud)
        wrong = monkey.run()
        print(monkey.figures())
        print("\n".join(wrong) or "Nothing broke.", flush=True)
        return 1 if wrong else 0
    return run_apart("tools.monkey", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
