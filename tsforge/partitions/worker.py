"""A process that forecasts partitions: a job on the first line of its standard input, then a task on each.

It answers each with a line, and ends where its input does: with the process that started it, however that ended.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Work until there is no task left."""
    from tsforge.runtime import garbage

    garbage.own_process()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    with garbage.paused():
        import pyarrow

        from tsforge.partitions import work
        from tsforge.partitions.job import read_job, read_task
    pyarrow.set_cpu_count(1)
    job = read_job(sys.stdin.readline())
    for line in sys.stdin:
        answers.write(work.do(job, read_task(line)).text() + "\n")
        answers.flush()
    garbage.leave()


if __name__ == "__main__":
    main()
