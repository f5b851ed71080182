"""Progress lines of what is no single training: a sweep, a pretraining."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from tsforge.api.progress import Line
from tsforge.runtime.numbers import duration, figure

if TYPE_CHECKING:
    from tsforge.sweeping.trials import Tally
    from tsforge.training.pretraining.loop import Progress as PretrainingProgress


class PretrainProgress:
    """Prints loss, rate, sequences per second and the time left of a pretraining; steps: None where hours are set."""

    EVERY = 60.0  # seconds between lines in a pipe

    def __init__(self, steps: int | None) -> None:
        self.of = f"/{steps}" if steps is not None else ""
        self._line, self._printed = Line(), -math.inf
        self._first: PretrainingProgress | None = None
        self.close = self._line.close

    def __call__(self, event: PretrainingProgress) -> None:
        first = self._first = self._first or event  # of this run: an earlier one had a pace of its own
        seconds, sequences = event.seconds - first.seconds, event.sequences - first.sequences
        pace = sequences / seconds if seconds > 0 else event.sequences / event.seconds
        plain = time.monotonic() - self._printed >= self.EVERY
        if plain:
            self._printed = time.monotonic()
        text = f"step {event.step}{self.of}  loss {event.loss:.4f}  rate {event.rate:.2g}"
        self._line.write(f"{text}  {pace:,.0f} sequences/s  {duration(event.left)} left", plain=plain)


class SweepProgress:
    """Prints how many trials are done, pruned and failed, the best value, and the time left."""

    def __init__(self, objective: str) -> None:
        self.objective = objective
        self._line = Line()
        self.close = self._line.close
        self._text_before = ""
        self._began: dict[str, tuple[float, int]] = {}  # by phase: when, and how many were finished by then

    def __call__(self, phase: str, tally: Tally, total: int) -> None:
        text = self._text(phase, tally, total)
        self._line.write(text + self._left(phase, tally, total), plain=text != self._text_before)
        self._text_before = text

    def _text(self, phase: str, tally: Tally, total: int) -> str:
        if phase == "fit":
            return "scoring the winner"
        if phase == "refit":
            return f"fitting the best again  {tally.finished}/{total}"
        best = f"  best {self.objective} {figure(tally.best)}" if tally.best is not None else ""
        return (
            f"trials {tally.finished}/{total}: {tally.done} done, {tally.pruned} pruned, {tally.failed} failed, "
            f"{tally.running} running{best}"
        )

    def _left(self, phase: str, tally: Tally, total: int) -> str:
        """The time left, from the pace since this start."""
        began, before = self._began.setdefault(phase, (time.monotonic(), tally.finished))
        since = tally.finished - before
        if since < 2 or tally.finished >= total:
            return ""
        return f"  {duration((time.monotonic() - began) / since * (total - tally.finished))} left"
