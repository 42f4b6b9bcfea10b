"""Change the core in one place at a time, and see that a test fails: python -m tools.mutation [PATH...].

Without a path rnnviz/cells, core, engines, steps and verify are changed; `--sample` draws this
number of mutants from a seed. Prints the outcomes by folder, the mutants that no test failed for, and stale reasons in
`accepted_mutants`. At least 96% have to be killed of those that are not accepted with a reason.
"""

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from tools.mutation.mutants import Mutant, copied
from tools.mutation.reasons import Reasons
from tools.mutation.workers import TESTS, reached, tried

WANTED = 0.96
OUTCOMES = ("killed", "hung", "accepted", "survived", "unreached")


def main() -> int:
    """0 if enough mutants were killed, and no reason is stale; otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders of rnnviz to mutate")
    parser.add_argument("--sample", type=int, metavar="N", help="try so many, drawn from the seed (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tests", nargs="+", default=list(TESTS), metavar="PATH", help="the tests to kill them with")
    for option, words in (
        ("--results", "write the outcome of each mutant there, as JSON"),
        ("--again", "try only those that were not killed in these results"),
    ):
        parser.add_argument(option, type=Path, metavar="FILE", help=words)
    asked = parser.parse_args()
    outcomes: list[tuple[Mutant, str]] = []
    with TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        tree.mkdir()
        every = copied(tree, asked.paths)
        mutants = _chosen(every, asked)
        calls = reached(tree, asked.tests, asked.processes)
        with tqdm(total=len(mutants), unit="mutant", smoothing=0.05) as bar:

            def tell(mutant: Mutant, outcome: str) -> None:
                outcomes.append((mutant, outcome))
                bar.update()
                if asked.results:
                    told = [[*each.identity, said] for each, said in outcomes]
                    asked.results.write_text(json.dumps(told), encoding="utf-8")

            tried(tree, mutants, calls, tell, tests=asked.tests, processes=asked.processes)
    return _print_outcomes(outcomes, Reasons().stale(every))


def _chosen(mutants: list[Mutant], asked: argparse.Namespace) -> list[Mutant]:
    if asked.again:
        results = json.loads(asked.again.read_text(encoding="utf-8"))
        left = {tuple(identity) for *identity, outcome in results if outcome in ("survived", "unreached")}
        mutants = [mutant for mutant in mutants if mutant.identity in left]
    if asked.sample is None or asked.sample >= len(mutants):
        return mutants
    chosen = set(random.Random(asked.seed).sample(range(len(mutants)), asked.sample))
    return [mutant for index, mutant in enumerate(mutants) if index in chosen]


def _print_outcomes(outcomes: list[tuple[Mutant, str]], stale: list[dict[str, str]]) -> int:
    reasons = Reasons()
    by_folder: dict[str, Counter[str]] = {}
    for mutant, outcome in outcomes:
        why = reasons.of(mutant) if outcome in ("survived", "unreached") else None
        for folder in (mutant.file.split("/")[1], "together"):
            by_folder.setdefault(folder, Counter())["accepted" if why else outcome] += 1
        if outcome in ("survived", "unreached"):
            print(f"{outcome}: {mutant.file}, {mutant.function}\n  - {mutant.before}\n  + {mutant.after}")
            print(f"  why: {why or 'not said'}")
    for folder, counts in sorted(by_folder.items(), key=lambda item: (item[0] == "together", item[0])):
        shown = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
        print(f"{folder}: {counts.total()} mutants, {shown}; score {_score(counts):.1%}")
    for entry in stale:
        print(f"stale reason: {entry}")
    score = _score(by_folder.get("together", Counter()))
    print(f"A score of {score:.1%}, where {WANTED:.0%} are asked for.")
    return 0 if score >= WANTED and not stale else 1


def _score(counts: Counter[str]) -> float:
    """Killed mutants, as a part of those without a reason."""
    killed = counts["killed"] + counts["hung"]
    return killed / max(1, counts.total() - counts["accepted"])


if __name__ == "__main__":
    sys.exit(main())
