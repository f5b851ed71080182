"""Signs of life between processes that train together, by which one that is slow is told from one that is gone.

A sum over processes waits for the last of them, and knows nothing of it: whether it still validates, or its machine has
no power. So each leaves a new sign in the store of all every few seconds, whatever it computes, and before a sum that
some may be late for they meet here. A process that dies is seen at once elsewhere, as its connections close.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

BEAT = 5.0  # seconds between signs
ENDED = b"ended"  # the last sign
FAST, SLOW = 0.001, 0.2  # seconds between looks of one that waits: at first, and after a while


class SilentError(RuntimeError):
    """Some give no sign of life. ranks: their numbers."""

    def __init__(self, ranks: list[int]) -> None:
        self.ranks = ranks
        super().__init__("no sign of life")


class Signs:
    """The signs of one process, and those of the others.

    store: torch's, that all of them share. rank: of this one among `count`.
    patience: seconds that one which waits does so without a sign of another.
    """

    def __init__(self, store: Any, place: tuple[int, int], patience: float) -> None:
        self._rank, count = place
        self._patience = patience
        self._meeting, self._living = store.clone(), store.clone()  # a connection for each of two threads
        self._arrivals = [f"tsforge-at-{rank}" for rank in range(count)]
        self._lives = [f"tsforge-sign-{rank}" for rank in range(count)]
        self._met = 0
        self._over = threading.Event()
        self._leave(0)
        self._meeting.set(self._arrivals[self._rank], "0")
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def meet(self) -> None:
        """Wait until all have come as often as this one. Raises SilentError; RuntimeError where the store is gone."""
        self._met += 1
        self._meeting.set(self._arrivals[self._rank], str(self._met))
        pause, looked = FAST, 0.0
        waited, before = [0.0] * len(self._lives), list[bytes]()
        while min(map(int, self._meeting.multi_get(self._arrivals))) < self._met:
            time.sleep(pause)
            looked += pause
            pause = min(2 * pause, SLOW)
            if looked < min(BEAT, self._patience / 4):
                continue
            signs = self._meeting.multi_get(self._lives)
            for rank, sign in enumerate(signs):
                # Time slept, not the clock's: after all were stopped together, nobody has been silent.
                waited[rank] = waited[rank] + looked if before and sign == before[rank] else 0.0
            before, looked = signs, 0.0
            if silent := [rank for rank, seconds in enumerate(waited) if seconds >= self._patience]:
                raise SilentError(silent)
            if ended := [rank for rank, sign in enumerate(signs) if sign == ENDED]:
                raise SilentError(ended)

    def close(self) -> None:
        """No more signs, and the others need not wait for any."""
        self._over.set()
        self._thread.join()
        with suppress(RuntimeError):  # the store is gone
            self._living.set(self._lives[self._rank], ENDED)

    def _live(self) -> None:
        count = 0
        while not self._over.wait(min(BEAT, self._patience / 4)):
            count += 1
            try:
                self._leave(count)
            except RuntimeError:  # the store is gone, and with it whoever would look
                return

    def _leave(self, count: int) -> None:
        self._living.set(self._lives[self._rank], str(count))
