"""The process that delivers journals beside a fit: python -m tsforge.tracking.courier

Reads folders of journals from stdin, a line each; the end of stdin means that their writer is done, or dead.
Prints how far a journal has come as one JSON line whenever that changes. A process, not a thread: importing MLflow and
talking to its store is seconds of Python, which would hold the interpreter that training needs; and it lives on to
close the run of a fit that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from tsforge.runtime import garbage
from tsforge.tracking import journal, store
from tsforge.tracking.delivery import Delivered, Delivery

EVERY = 1.0  # seconds between looks at the journals
LONGEST = 30.0  # between tries of a store that is away
AWAY = 8.0  # seconds of trying after the end where a server fails; what is left then waits for `tsforge runs sync`
BUSY = 300.0  # where nothing fails, or where the store is a local database, which is never away
NICE = 10  # a tenth of a processor where somebody else wants it too


class _Inbox:
    """Folders named on stdin, and whether more can come."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.closed = threading.Event()
        self.news = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            if line.strip():
                self.folders.append(Path(line.rstrip("\n")))
            self.news.set()
        self.closed.set()
        self.news.set()


def main() -> None:
    """Deliver until everything is there, or patience has ended."""
    for request in (signal.SIGINT, signal.SIGTERM):  # they are for the fit; its journal says how it ended
        signal.signal(request, signal.SIG_IGN)
    _step_back()
    inbox = _Inbox()
    reports, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no report
    with garbage.paused():
        store.prepare()
    delivery, last, wait, end = Delivery(), dict[Path, Delivered](), EVERY, float("inf")
    while True:
        closing = inbox.closed.is_set()
        if closing and end == float("inf"):
            end = time.monotonic()
            for folder in _open(inbox.folders, last):
                journal.close(folder, journal.DIED)
        failed = False
        for folder in _open(inbox.folders, last):
            progress = delivery.deliver(folder)
            failed |= progress.problem is not None
            if progress != last.get(folder):
                last[folder] = progress
                with contextlib.suppress(BrokenPipeError):
                    print(json.dumps({"folder": str(folder), **asdict(progress)}), file=reports, flush=True)
        left = _open(inbox.folders, last)
        patience = AWAY if failed and not _local(left) else BUSY
        if closing and (not left or time.monotonic() > end + patience):
            garbage.leave()
            return
        wait = min(2 * wait, LONGEST if not closing else EVERY) if failed else EVERY
        inbox.news.clear()
        if not inbox.closed.is_set():
            inbox.news.wait(wait)
        elif failed:
            time.sleep(EVERY)


def _local(folders: list[Path]) -> bool:
    """Whether all of them go to databases on this machine."""
    return all(store.database(journal.address(folder)) is not None for folder in folders)


def _step_back() -> None:
    """Leave the processors to those who train.

    Linux shares them between sessions before it looks at how nice their processes are, so that the session has to be
    nice too.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")


def _open(folders: list[Path], last: dict[Path, Delivered]) -> list[Path]:
    return [folder for folder in folders if folder not in last or not last[folder].done]


if __name__ == "__main__":
    garbage.own_process()
    main()
