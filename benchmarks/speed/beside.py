"""The floor in a process of its own, which makes a few steps whenever it is asked for them.

A program may change what a process has of memory and threads: tsforge holds memory that its steps free, and a
hand-written loop in the same process would gain by it what it has nowhere else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

DONE = "done"


class Beside:
    """A floor to take turns with. model, work: of the floor. folder: of the tables that `works.prepare` wrote."""

    def __init__(self, model: str, work: str, folder: Path, threads: int) -> None:
        words = [sys.executable, "-m", "benchmarks.speed.beside", model, work, str(folder), str(threads)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def steps(self, count: int) -> None:
        """Returns once so many are made."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != DONE:
            raise RuntimeError(f"the floor ended with exit status {self._process.wait()}")

    def __enter__(self) -> Beside:
        self.steps(1)  # it has imported what it needs
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    import torch

    from benchmarks.speed.floor import Floor
    from benchmarks.speed.works import WORKS, Table

    model, work, folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    floor = Floor(model, WORKS[work], Table.read(Path(folder) / f"{work}.npz"))
    for line in sys.stdin:
        floor.steps(int(line))
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
