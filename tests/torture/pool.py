"""Many cases in forked processes, each bounded in time and memory; what dies or hangs is a case that failed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tsforge.errors import TsforgeError

PATIENCE = 120  # seconds for a case that takes a hundredth of one
ROOM = 4_000_000_000  # bytes beyond what the process has at first
CHUNK = 250  # cases that are told of at once

Attack = Callable[[int, Path], str]  # a case by its number, and an empty folder, to what happened in a word


@dataclass
class Tally:
    """How many cases ended in which way, and the failures in full: (case, traceback)."""

    ends: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)


def outcome(attack: Attack, case: int, folder: Path) -> tuple[str, str | None]:
    """How one case ends, and its traceback where that is no error of ours."""
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(PATIENCE)
    try:
        return attack(case, folder), None
    except TsforgeError as problem:
        if not problem.message or "\n" in problem.message:
            return "failed", f"an error without one line of text: {problem.message!r}"
        return type(problem).__name__, None
    except BaseException:
        return "failed", traceback.format_exc()
    finally:
        signal.alarm(0)


def run(attack: Attack, cases: int, processes: int, first: int = 0) -> Tally:
    """All cases from number `first` on."""
    tally, context = Tally(), multiprocessing.get_context("fork")
    chunks = [range(i, min(i + CHUNK, first + cases)) for i in range(first, first + cases, CHUNK)]
    running: dict[Connection, tuple[Any, list[int]]] = {}
    while chunks or running:
        while chunks and len(running) < processes:
            reader, writer = context.Pipe(duplex=False)
            chunk = chunks.pop(0)
            process = context.Process(target=_work, args=(attack, chunk, writer), daemon=True)
            process.start()
            writer.close()
            running[reader] = process, list(chunk)
        for reader in wait(list(running)):
            assert isinstance(reader, Connection)
            process, left = running[reader]
            try:
                case, end, text = reader.recv()
            except EOFError:
                process.join()
                del running[reader]
                if left:  # it died in the middle of the first one that it did not tell of
                    tally.ends["failed"] += 1
                    tally.failures.append((left[0], f"the process ended with {process.exitcode}"))
                    if left[1:]:
                        chunks.append(range(left[1], left[-1] + 1))
                continue
            left.remove(case)
            tally.ends[end] += 1
            if text is not None:
                tally.failures.append((case, text))
    return tally


def _work(attack: Attack, cases: range, writer: Connection) -> None:
    """One process: quiet, bounded, in a folder of its own that goes with it."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    statm = Path("/proc/self/statm")
    if statm.exists():
        most = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    home = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        for case in cases:
            folder = home / str(case)
            folder.mkdir()
            end, text = outcome(attack, case, folder)
            writer.send((case, end, text))
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _late(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"not done after {PATIENCE} seconds")
