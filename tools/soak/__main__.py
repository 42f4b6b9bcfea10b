"""Use the window for a while and see that nothing grows: python -m tools.soak use 10, runs 2000, or playing 12

That is ten minutes of random use, two thousand runs, or twelve hours of playing. Prints what every quantity grew
by, and ends with 1 and a sentence for everything that grew, was left behind, or went wrong.
"""

import argparse
import sys

from tools.apart import INSIDE, run_apart


def main() -> int:
    """Soak in a separate process with its own temporary files, and check what it leaves behind."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description="See that nothing grows.")
    parser.add_argument("part", choices=("use", "runs", "playing"))
    parser.add_argument("amount", type=float, help="how many minutes of use, runs, or hours of playing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if not wanted.inside:
        return run_apart("tools.soak", [wanted.part, str(wanted.amount), "--seed", str(wanted.seed)])
    from tools.soak.session import Soak

    soak = Soak(wanted.part, wanted.amount, wanted.seed)
    wrong = soak.run()
    print(soak.table())
    print("\n".join(wrong) or "Nothing grew.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
