"""One progress line on a terminal, plain lines in a pipe."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsforge.cli.output import status
from tsforge.runtime.numbers import duration, figure

if TYPE_CHECKING:
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import Experiment
    from tsforge.sweeping.trials import Tally
    from tsforge.training.events import Event, Round, Tick
    from tsforge.training.pretraining.loop import Progress as PretrainingProgress


class Line:
    """On a terminal one line that is written over, in a pipe plain lines."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self._open = False  # whether the terminal's line still has to be ended

    def write(self, text: str, *, plain: bool) -> None:
        """Show a text; in a pipe only where `plain`."""
        if self.live:
            sys.stderr.write("\r\x1b[K" + text)
            sys.stderr.flush()
            self._open = True
        elif plain:
            status(text)

    def hint(self, text: str) -> None:
        """Show a text on a terminal until anything else is written."""
        if self.live:
            sys.stderr.write("\r\x1b[K" + text + "\r")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the line as it stands and go on below it."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False


class Progress:
    """Prints losses, windows per second and the time left, from what training reports; `steps` are each member's."""

    def __init__(self, steps: Sequence[int], max_time: float | None) -> None:
        self.steps, self.max_time = steps, max_time
        self._began = time.monotonic()
        self._last: Round | None = None
        self._line = Line()
        self.close = self._line.close

    def __call__(self, event: Event) -> None:
        from tsforge.training.events import Standing

        if isinstance(event, Standing):
            return
        validation = getattr(event, "validation", None)
        if self._last is not None and self._last.member != event.member:
            self._line.close()
            self._last = None
        if validation is not None:
            self._last = event  # type: ignore[assignment]
        self._line.write(self._text(event), plain=validation is not None)

    def _text(self, event: Round | Tick) -> str:
        pace = event.windows / event.seconds if event.seconds > 0 else 0.0
        steps, count = self.steps[event.member - 1], len(self.steps)
        left = (sum(self.steps[event.member - 1 :]) - event.step) * event.seconds / max(event.step, 1)
        if self.max_time is not None:
            left = min(left, max(0.0, self.max_time - (time.monotonic() - self._began)))
        losses = ""
        if self._last is not None:
            best = " *" if self._last.best else ""
            loss = f"  loss {self._last.train:.4f}" if self._last.step else ""
            losses = f"{loss}  validation {self._last.validation:.4f}{best}"
        of = f"member {event.member}/{count}  " if count > 1 else ""
        return f"{of}step {event.step}/{steps}{losses}  {pace:,.0f} windows/s  {duration(left)} left"


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


class AutoProgress:
    """Prints a line per candidate of a tournament, and how far the present training is."""

    def __init__(self) -> None:
        self._line = Line()
        self.close = self._line.close

    def __call__(self, event: Event) -> None:
        from tsforge.training.events import Standing

        if not isinstance(event, Standing):
            self._line.write(f"step {event.step}  {duration(event.seconds)}", plain=False)
            return
        rung = f"rung {event.rung}" if event.rung else "no training"
        if not event.rung and not event.note:  # which the table below says in a moment
            self._line.hint(f"{rung}  {event.name}")
            return
        if event.note:
            text = f"{rung:<11}  {event.name:<20}  left out: {event.note}"
        else:
            done = f"{event.steps:>5} steps {event.seconds:6.1f} s"
            text = f"{rung:<11}  {event.name:<20}  {done}  validation {figure(event.score, 'no score')}"
        self._line.write(text, plain=True)
        self._line.close()


def training_progress(experiment: Experiment, dataset: Dataset) -> AutoProgress | Progress:
    """The progress line of a training that begins now: of one network, of members in turn, or of a tournament."""
    from tsforge.model.auto import Auto
    from tsforge.training.ensemble import planned

    auto = isinstance(experiment.model, Auto)
    return AutoProgress() if auto else Progress(planned(experiment, dataset), experiment.train.max_time)


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
