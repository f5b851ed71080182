"""python -m tests.torture --mutations 200000 --kills 100: prints seeds and counts; exit code 1 where anything failed.

A case is repeated by its number: python -m tests.torture --kills 0 --tables 1 --first 4711
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from tests.torture import models, pool, tables

SHOWN = 40  # failures in full, one of each kind


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--mutations", type=int, default=200_000, help="of tables and models together")
    parser.add_argument("--tables", type=int, help="mutated tables; half of all where left out")
    parser.add_argument("--models", type=int, help="mutated model directories; half of all where left out")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    alone = given.tables is not None or given.models is not None
    counts = {"tables": given.tables, "models": given.models}
    failed = 0
    for (name, count), module in zip(counts.items(), (tables, models), strict=True):
        number = count if count is not None else 0 if alone else given.mutations // 2
        if number:
            failed += _mutate(name, module, number, given)
    if given.kills:
        from tests.torture import kills

        failed += kills.torture(given.kills, given.seed)
    return 1 if failed else 0


def _mutate(name: str, module: object, cases: int, given: argparse.Namespace) -> int:
    """Run the cases of one kind and print how they ended; returns how many failed."""
    began = time.perf_counter()
    logging.disable(logging.CRITICAL)
    module.bases()  # type: ignore[attr-defined]  # before the processes fork
    if name == "tables":
        tables.fitted()
    attack = partial(module.attack, given.seed)  # type: ignore[attr-defined]
    tally = pool.run(attack, cases, given.processes, given.first)
    kinds: dict[str, list[int]] = {}
    texts = dict(tally.failures)
    for case, text in sorted(tally.failures):
        kinds.setdefault("\n".join(text.splitlines()[-4:-1]), []).append(case)
    for cases_of_kind in sorted(kinds.values(), key=len, reverse=True)[:SHOWN]:
        numbers = ", ".join(map(str, cases_of_kind[:5]))
        print(f"\n{name}, seed {given.seed}, {len(cases_of_kind):,} like case {numbers}:\n{texts[cases_of_kind[0]]}")
    ends = ", ".join(f"{end} {count:,}" for end, count in tally.ends.most_common())
    seconds = time.perf_counter() - began
    print(
        f"{name}: {cases:,} mutations with seed {given.seed}, {len(tally.failures):,} failed; {ends}; {seconds:.0f} s"
    )
    return len(tally.failures)


if __name__ == "__main__":
    sys.exit(main())
