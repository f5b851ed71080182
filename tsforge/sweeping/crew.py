"""The worker processes of a sweep, as the process that drives it sees them: started, watched, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tsforge.errors import TrainingError
from tsforge.sweeping.orders import Orders

RESTARTS = 10  # of workers that were killed, by the system for its memory perhaps
LOOK = 0.2  # seconds between looks at the workers
ROOT = Path(__file__).parents[2]


class Crew:
    """Workers in sessions of their own, which a Ctrl-C at the terminal does not reach: it reaches us, and we tell them.

    Each has its share of the cores: one thread where there are as many workers as cores. A worker whose starter is
    gone hands its trial over and ends.
    """

    def __init__(self, orders: Sequence[Orders]) -> None:
        self.orders = {one.index: one for one in orders}
        self.restarts = 0
        self.stopping = False
        self._running: dict[int, subprocess.Popen[str]] = {}

    def __enter__(self) -> Crew:
        for orders in self.orders.values():
            self._start(orders)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [process.pid for process in self._running.values()]

    def watch(self, look: Callable[[], None]) -> None:
        """Return when all have ended; `look` is called every so often. One that was killed is started again.

        The first Ctrl-C lets them hand over what they run, the second ends them at once and is raised.
        Raises TrainingError where one ended with an error.
        """
        while self._running:
            try:
                look()
                time.sleep(LOOK)
                self._check()
            except KeyboardInterrupt:
                if self.stopping:
                    self.kill()
                    raise
                self.stop()

    def stop(self) -> None:
        """Let them hand over what they run, and end."""
        self.stopping = True
        for process in self._running.values():
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write("stop\n")
                process.stdin.flush()

    def kill(self) -> None:
        """End them at once; what they ran is found dead by the next start."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        self._running = {}

    def _check(self) -> None:
        for index, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[index]
            orders = self.orders[index]
            if code > 0:
                raise TrainingError(*_said(orders))
            if code < 0 and not self.stopping:
                self.restarts += 1
                if self.restarts > RESTARTS:
                    raise TrainingError(
                        f"workers were killed {self.restarts} times, the last by signal {-code}",
                        "there may be too little memory for so many: take fewer --workers",
                    )
                self._start(orders)

    def _start(self, orders: Orders) -> None:
        log = orders.log
        log.parent.mkdir(parents=True, exist_ok=True)
        share = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // len(self.orders))
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("a", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tsforge.sweeping.worker"], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=file, text=True, encoding="utf-8", start_new_session=True,
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(orders.threads or share)},
            )  # fmt: skip
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(orders.text() + "\n")
            process.stdin.flush()
        self._running[orders.index] = process


def _said(orders: Orders) -> tuple[str, str]:
    """What a worker said last: its error and hint, or where to read more."""
    lines = orders.log.read_text(encoding="utf-8").splitlines()
    if len(lines) >= 2 and lines[-2].startswith("error: ") and lines[-1].startswith("hint: "):
        return lines[-2].removeprefix("error: "), lines[-1].removeprefix("hint: ")
    return f"a worker failed: {lines[-1] if lines else 'it said nothing'}", f"read {orders.log}"
