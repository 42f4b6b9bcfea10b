"""Use the window for a while and see that nothing grows: python -m tools.soak MINUTES [--seed N]

Ends with 1 and a sentence for everything that grew, was left behind, or went wrong.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Soak in a separate process with its own temporary files, and check what it leaves behind."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description="See that nothing grows.")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.inside:
        from tools.soak.session import Soak

        soak = Soak(wanted.minutes, wanted.seed, every_seconds=min(4.0, wanted.minutes * 60.0 / 40.0))
        wrong = soak.run()
        print(soak.table())
        print("\n".join(wrong) or "Nothing grew.")
        return 1 if wrong else 0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        environ = {**os.environ, "TMPDIR": folder, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
        arguments = [str(wanted.minutes), "--seed", str(wanted.seed), "--inside"]
        code = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-m", "tools.soak", *arguments], env=environ, check=False
        ).returncode
        left = [path.name for path in Path(folder).iterdir()]
    if left:
        print(f"The program left behind in the temporary folder: {', '.join(left)}.")
    if code not in (0, 1):
        print(f"The program ended with the code {code}.")
    return 1 if left or code else 0


if __name__ == "__main__":
    sys.exit(main())
