"""Change the core in one place at a time, and see that a test fails: python -m tests.mutation [PATH...].

Without a path all of rnnviz/core, rnnviz/engines and rnnviz/verify is changed; `--sample` draws this number of
mutants from a seed. Prints a table by folder, and the mutants that no test failed for. The files in `accepted_mutants`
give the reasons. At least 90 % have to be killed.
"""

import argparse
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from tests.mutation.mutants import Mutant, copied
from tests.mutation.reasons import Reasons
from tests.mutation.workers import TESTS, Reached, reached, tried
from tests.report_tables import FOLDER, Rows

WANTED = 0.9


def main() -> int:
    """0 if enough mutants were killed, and each that was not has its reason; otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders of rnnviz to mutate")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="try so many mutants, drawn from the seed (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tests", nargs="+", default=list(TESTS), metavar="PATH", help="the tests to kill them with")
    parser.add_argument(
        "--reached", type=Path, metavar="FILE", help="keep there what each test calls, and read it again"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the outcome of each mutant there, as JSON")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="try only those that were not killed in these results"
    )
    asked = parser.parse_args()
    outcomes: list[tuple[Mutant, str]] = []
    with TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        tree.mkdir()
        mutants = _chosen(copied(tree, asked.paths), asked)
        calls = _calls(tree, asked.tests, asked.processes, asked.reached)
        with tqdm(total=len(mutants), unit="mutant", smoothing=0.05) as bar:

            def tell(mutant: Mutant, outcome: str) -> None:
                outcomes.append((mutant, outcome))
                bar.update()
                if asked.results:
                    asked.results.write_text(
                        json.dumps([[*m.identity, said] for m, said in outcomes]), encoding="utf-8"
                    )

            tried(tree, mutants, calls, tell, tests=asked.tests, processes=asked.processes)
    return _print_outcomes(outcomes)


def _chosen(mutants: list[Mutant], asked: argparse.Namespace) -> list[Mutant]:
    if asked.again:
        results = json.loads(asked.again.read_text(encoding="utf-8"))
        left = {tuple(identity) for *identity, outcome in results if outcome in ("survived", "unreached")}
        mutants = [mutant for mutant in mutants if mutant.identity in left]
    if asked.sample is None or asked.sample >= len(mutants):
        return mutants
    chosen = set(random.Random(asked.seed).sample(range(len(mutants)), asked.sample))
    return [mutant for index, mutant in enumerate(mutants) if index in chosen]


def _calls(tree: Path, tests: list[str], processes: int, kept: Path | None) -> Reached:
    if kept and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    calls = reached(tree, tests, processes)
    if kept:
        kept.write_text(json.dumps(calls), encoding="utf-8")
    return calls


def _print_outcomes(outcomes: list[tuple[Mutant, str]]) -> int:
    by_folder: dict[str, Counter[str]] = {}
    for mutant, outcome in outcomes:
        for folder in (mutant.file.split("/")[1], "together"):
            by_folder.setdefault(folder, Counter())[outcome] += 1
    rows = Rows()
    for folder, counts in sorted(by_folder.items(), key=lambda item: (item[0] == "together", item[0])):
        killed = counts["killed"] + counts["hung"]
        rows.add(
            folder,
            mutants=counts.total(),
            killed=killed,
            survived=counts["survived"],
            **{"not reached": counts["unreached"], "share": f"{killed / counts.total():.1%}"},
        )
    print(rows.markdown())
    if FOLDER in os.environ:
        Path(os.environ[FOLDER], "mutants.md").write_text(rows.markdown(), encoding="utf-8")
    reasons = Reasons()
    left = [(mutant, outcome) for mutant, outcome in outcomes if outcome in ("survived", "unreached")]
    for mutant, outcome in left:
        print(f"{outcome}: {mutant.file}, {mutant.function}\n  - {mutant.before}\n  + {mutant.after}")
        print(f"  why: {reasons.of(mutant) or 'not said'}")
    share = 1 - len(left) / max(1, len(outcomes))
    print(f"{share:.1%} of {len(outcomes)} mutants killed, where {WANTED:.0%} are asked for.")
    return 0 if share >= WANTED and all(reasons.of(mutant) for mutant, _ in left) else 1


if __name__ == "__main__":
    sys.exit(main())
